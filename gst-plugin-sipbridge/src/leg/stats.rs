// SPDX-License-Identifier: MPL-2.0
//! What a leg says about itself.

use std::net::SocketAddr;
use std::time::Duration;

use sip_ua::sdp::{Codec, Suite};

/// Counters of a leg, as of its last snapshot (about once in 200 ms).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LegStats {
    /// The codec we send.
    pub send_codec: Option<Codec>,
    /// The codec that last came in.
    pub receive_codec: Option<Codec>,
    /// Where packets go.
    pub remote: Option<SocketAddr>,
    /// Where the far end's last description said it is.
    pub described: Option<SocketAddr>,
    /// For how long nothing came; none while nothing ever did.
    pub heard_ago: Option<Duration>,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Their payload, in bytes.
    pub bytes_sent: u64,
    /// Packets of mere silence among them, because the input starved.
    pub silence_sent: u64,
    /// RTP packets taken from the far end.
    pub packets_received: u64,
    /// Their payload, in bytes.
    pub bytes_received: u64,
    /// Packets that never came, as RFC 3550 counts them.
    pub lost: i64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets from someone who is not the far end.
    pub foreign: u64,
    /// The last of those.
    pub foreign_from: Option<SocketAddr>,
    /// What came in and was no RTP or RTCP of this call.
    pub malformed: u64,
    /// SRTP and SRTCP packets that were not made with the key agreed on, or were changed on the way.
    pub forged: u64,
    /// SRTP and SRTCP packets that came again.
    pub replayed: u64,
    /// The SRTP suite of both directions; none: plain RTP.
    pub srtp_suite: Option<Suite>,
    /// Interarrival jitter (RFC 3550 section 6.4.1), in milliseconds.
    pub jitter_ms: f64,
    /// How much audio the jitter buffer holds back, in milliseconds.
    pub depth_ms: f64,
    /// How much it aims to, in milliseconds.
    pub target_ms: f64,
    /// Concealed audio, in milliseconds.
    pub concealed_ms: u64,
    /// The same in packet times.
    pub concealed_frames: u64,
    /// Packets of Opus that were lost and whose copy was at hand in the next.
    pub recovered_frames: u64,
    /// Time taken out of silence to catch up, in milliseconds.
    pub skipped_ms: u64,
    /// Time put into the audio to wait for it, in milliseconds.
    pub stretched_ms: u64,
    /// Packets of ours that never came there, as the far end reports it.
    pub remote_lost: Option<u32>,
    /// Our loss as the far end reports it, in the last interval, in percent.
    pub remote_loss_percent: Option<f64>,
    /// Our jitter as the far end reports it, in milliseconds.
    pub remote_jitter_ms: Option<f64>,
    /// To the far end and back, from its reports (RFC 3550 section 6.4.1).
    pub round_trip: Option<Duration>,
    /// How the far end sounds to us, from 1 to 4.4, by the E-model (ITU-T G.107) from what was
    /// played, missed and waited for so far.
    pub mos: Option<f64>,
    /// How we sound to the far end, the same way by its reports.
    pub remote_mos: Option<f64>,
    /// Input dropped because it came faster than it could be sent, in frames.
    pub input_overflows: u64,
    /// Digits received.
    pub digits_received: u64,
    /// Digits sent.
    pub digits_sent: u64,
}
