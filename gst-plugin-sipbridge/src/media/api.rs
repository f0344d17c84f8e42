// SPDX-License-Identifier: MPL-2.0
//! What a call sees of its media: configuration, events, frames in and out.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use crate::codec::OpusSettings;
use crate::leg::LegEvent;
pub use crate::leg::{DigitsError, LegStats};

/// How the media of a call is set up.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// The local address both sockets are bound to.
    pub bind: IpAddr,
    /// The ports to choose from: RTP gets an even one, RTCP the odd one after it.
    pub ports: RangeInclusive<u16>,
    /// The most delay the jitter buffer may add. It uses no more than the network's jitter asks.
    pub latency: Duration,
    /// The packet time we send with, unless the far end asked for another, in milliseconds.
    pub ptime_ms: u8,
    /// How Opus is encoded, towards the far end and towards an [`AudioOut`] that asks for it.
    pub opus: OpusSettings,
    /// Pauses of speech are not sent, where the far end understands it: comfort noise (RFC 3389)
    /// beside G.711 and G.722, a packet now and then in Opus.
    pub dtx: bool,
    /// Packets that pass a bridge in the codec they came in get the length that was agreed on; false: they keep
    /// theirs.
    pub repacketize: bool,
    /// The name in our RTCP reports (RFC 3550 section 6.5.1). Never a user's name.
    pub cname: String,
    /// We stop sending when this long nothing came back from a far end that ought to send, and
    /// start again when something does.
    pub silent_peer: Duration,
    /// A far end that ought to send and does not is told of after this long, again and again; zero:
    /// never. Hold, comfort noise and reports are understood.
    pub media_timeout: Duration,
}

impl Default for MediaConfig {
    fn default() -> MediaConfig {
        MediaConfig {
            bind: IpAddr::from([127, 0, 0, 1]),
            ports: 10_000..=20_000,
            latency: Duration::from_millis(200),
            ptime_ms: 20,
            opus: OpusSettings::default(),
            dtx: false,
            repacketize: false,
            cname: format!("{:016x}", rand::random::<u64>()),
            silent_peer: Duration::from_secs(30),
            media_timeout: Duration::ZERO,
        }
    }
}

/// Why media could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Every pair of ports is taken.
    #[error(
        "no free pair of media ports on {address} in {}-{}: all are in use", .ports.start(), .ports.end()
    )]
    PortsExhausted {
        /// The address they were tried on.
        address: IpAddr,
        /// The configured range.
        ports: RangeInclusive<u16>,
    },
    /// The range holds no even port followed by another.
    #[error("the media port range {}-{} holds no pair of an even port and the next", .ports.start(), .ports.end())]
    PortRange {
        /// The configured range.
        ports: RangeInclusive<u16>,
    },
    /// The system refused a socket for another reason.
    #[error("cannot open a media socket on {address}: {error}")]
    Socket {
        /// The address and port tried.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// A codec could not be set up.
    #[error(transparent)]
    Codec(#[from] crate::codec::CodecError),
}

/// What happens on the media of a call. Delivered on the context's thread: a receiver must not
/// block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// The far end pressed a key (RFC 4733): told once, when it was let go.
    Digit {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was held.
        duration_ms: u32,
    },
    /// The far end pressed a key, heard as tones: told once, when it was let go.
    Tone {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was held.
        duration_ms: u32,
    },
    /// We settled on the address the far end's packets come from; from now on no other counts.
    Latched(SocketAddr),
    /// The first audio of the far end came in.
    Started,
    /// Our first packet goes out.
    Sending,
    /// The far end's audio comes in another codec than before (or the first).
    CodecChanged(Codec),
    /// All digits asked for were sent.
    DigitsSent,
    /// Nothing came back for [`MediaConfig::silent_peer`]: we stopped sending.
    PeerSilent,
    /// The far end ought to send, and for so long nothing came.
    TimedOut(Duration),
    /// What was played to this side came to its end.
    Played,
    /// What comes from there is protected with another key than the far end's description has: it will never
    /// be heard.
    WrongKey(SocketAddr),
    /// The media stopped for good; no other event follows. Says why in a sentence.
    Failed(String),
}

impl From<LegEvent> for MediaEvent {
    fn from(event: LegEvent) -> MediaEvent {
        match event {
            LegEvent::Digit { digit, duration_ms } => MediaEvent::Digit { digit, duration_ms },
            LegEvent::Latched(address) => MediaEvent::Latched(address),
            LegEvent::Started => MediaEvent::Started,
            LegEvent::Sending => MediaEvent::Sending,
            LegEvent::CodecChanged(codec) => MediaEvent::CodecChanged(codec),
            LegEvent::DigitsSent => MediaEvent::DigitsSent,
            LegEvent::PeerSilent => MediaEvent::PeerSilent,
            LegEvent::TimedOut(silent) => MediaEvent::TimedOut(silent),
            LegEvent::WrongKey(from) => MediaEvent::WrongKey(from),
        }
    }
}

/// Where [`MediaEvent`]s go.
pub type MediaEvents = Box<dyn FnMut(MediaEvent) + Send>;

/// The form an [`AudioOut`] wants, or an [`AudioIn`] is given, audio in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Signed 16-bit little-endian mono at this rate: 8000, 16000 or 48000 Hz.
    Raw {
        /// Samples a second.
        rate_hz: u32,
    },
    /// Frames of this codec, without RTP headers. It is transcoded to and from where the call's
    /// codec is another.
    Encoded(Codec),
    /// Whole RTP packets, with this codec as payload. SSRC, sequence and timestamps out are those
    /// of the leg; in, only the payload and marker count, for the leg owns what it sends.
    Rtp {
        /// The payload.
        codec: Codec,
        /// The payload type on the pad, which need not be the one on the wire.
        payload_type: u8,
    },
}

/// One step of the far end's audio: 20 ms, or one packet where it is passed on encoded.
#[derive(Debug)]
pub enum OutFrame {
    /// Audio. PTS is running time, the duration is set; `DISCONT` marks the first after a break,
    /// `GAP` raw audio that is mere silence because nothing came.
    Audio(gst::Buffer),
    /// Nothing to hear, for formats in which silence has no bytes: to be sent as a gap event.
    Gap {
        /// Running time.
        pts: gst::ClockTime,
        /// How long.
        duration: gst::ClockTime,
        /// Packets were lost, as opposed to never sent (DTX, hold): worth concealing.
        lost: bool,
    },
}

/// Who takes the far end's audio, on the context's thread.
pub trait AudioOut: Send {
    /// The running time of the pipeline it feeds; `None` while that does not play: then frames are
    /// dropped. Ticks follow it, so drift between that clock and ours never accumulates.
    fn running_time(&self) -> Option<gst::ClockTime>;

    /// One frame. Must not block.
    fn frame(&mut self, frame: OutFrame);

    /// Whether anybody would hear what is silent by now.
    fn hears_silence(&self) -> bool {
        true
    }

    /// When a tick would be of most use to whoever takes the frames, give or take whole periods of
    /// 20 ms: ticks go there.
    fn wants_ticks_at(&self) -> Option<Instant> {
        None
    }
}

/// What became of a frame pushed into an [`AudioIn`](super::AudioIn).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits to be sent.
    Queued,
    /// It waits to be sent, and older audio was dropped for it.
    Overflowed,
    /// The media is closed.
    Closed,
}
