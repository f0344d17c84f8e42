// SPDX-License-Identifier: MPL-2.0
//! How each side of a bridge is spoken to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip_ua::sdp::{Codec, SrtpPolicy};

/// One side.
#[derive(Debug, Clone)]
pub struct SideConfig {
    /// Where its far end reaches us: the RTP port; RTCP is the next one, or the same.
    pub reached_at: SocketAddr,
    /// Whom signalling is spoken with on this side: media go to addresses of this machine or of its
    /// link only if that one is there itself.
    pub peer: IpAddr,
    /// Whether media are encrypted with keys in the descriptions (RFC 4568).
    pub srtp: SrtpPolicy,
    /// Whether first offers have a profile with feedback: RTP/AVPF (RFC 4585), RTP/SAVPF (RFC 5124).
    /// What is offered by that side is taken with and without.
    pub feedback: bool,
    /// Whether RTP and RTCP may share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// The codecs that may be spoken, in the order in which they are offered; none: those that the other
    /// side offered in its order, then what can be transcoded to them.
    pub codecs: Option<Vec<Codec>>,
    /// The packet time that is asked for, in milliseconds; none: what the other side asks for.
    pub ptime_ms: Option<u8>,
}

impl SideConfig {
    /// Plain RTP with whoever is there.
    pub fn new(reached_at: SocketAddr, peer: IpAddr) -> SideConfig {
        SideConfig {
            reached_at,
            peer,
            srtp: SrtpPolicy::Off,
            feedback: false,
            rtcp_mux: true,
            codecs: None,
            ptime_ms: None,
        }
    }
}

/// Both, and what they have in common.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// Sides A and B.
    pub sides: [SideConfig; 2],
    /// Whether a side is offered codecs that the other has not: audio is transcoded then.
    pub transcode: bool,
    /// The `s=` line of all descriptions, in place of what the far ends wrote.
    pub name: String,
    /// An offer that nobody answered for so long is given up.
    pub patience: Duration,
}
