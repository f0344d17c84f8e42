// SPDX-License-Identifier: MPL-2.0
//! What a leg is made of, what it tells, and what it wants sent.

use std::net::SocketAddr;
use std::time::Duration;

use sip_ua::sdp::Codec;

/// Why digits cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigitsError {
    /// There is no such key.
    #[error("{0:?} is no telephone key: 0-9, *, # and A-D are")]
    NotADigit(char),
    /// The far end takes no RFC 4733 events.
    #[error("the far end did not agree to RFC 4733 telephone events")]
    NotNegotiated,
    /// Too many are waiting.
    #[error("too many digits are waiting to be sent")]
    QueueFull,
}

/// What a leg starts from. All numbers but the durations should be random
/// (RFC 3550 section 5.1).
#[derive(Debug, Clone)]
pub struct LegConfig {
    /// Our SSRC.
    pub ssrc: u32,
    /// The first sequence number sent.
    pub sequence: u16,
    /// The first timestamp sent.
    pub timestamp: u32,
    /// Our name in RTCP reports.
    pub cname: String,
    /// Wall-clock time at the leg's creation as NTP writes it (RFC 3550 section 4).
    pub ntp_epoch: u64,
    /// The most delay the jitter buffer may add.
    pub latency: Duration,
    /// Sending stops when this long nothing ever came back.
    pub silent_peer: Duration,
    /// A far end that ought to send and does not is told of after this long; zero: never.
    pub media_timeout: Duration,
}

/// Something to tell the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEvent {
    /// A key was let go of.
    Digit {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was held.
        duration_ms: u32,
    },
    /// The far end's address is settled.
    Latched(SocketAddr),
    /// The first audio came in.
    Started,
    /// The first packet goes out.
    Sending,
    /// Audio comes in another codec than before, or for the first time.
    CodecChanged(Codec),
    /// The last waiting digit was sent.
    DigitsSent,
    /// Nothing ever came back: sending stopped.
    PeerSilent,
    /// The far end ought to send, and for so long nothing came. Told again each time as long.
    TimedOut(Duration),
    /// What comes from the far end is protected with another key than its description has.
    WrongKey(SocketAddr),
}

/// A datagram to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}
