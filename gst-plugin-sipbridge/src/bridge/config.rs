// SPDX-License-Identifier: MPL-2.0
//! How each side of a bridge is spoken to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip_ua::sdp::{Codec, IceCredentials, LocalDtls, LocalIce, SrtpPolicy, TlsId};

use crate::rtc::{Certificate, host_candidate};

/// Whether and how the way to a far end is found by connectivity checks (RFC 8445).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IcePolicy {
    /// Media go where the description says.
    Off,
    /// Checks are answered and not made: for who can be reached from everywhere (section 2.5).
    Lite,
    /// Checks are made as well.
    Full,
}

impl IcePolicy {
    /// Every policy there is.
    pub const ALL: [IcePolicy; 3] = [IcePolicy::Off, IcePolicy::Lite, IcePolicy::Full];

    /// The word for it in settings.
    pub fn name(self) -> &'static str {
        match self {
            IcePolicy::Off => "off",
            IcePolicy::Lite => "lite",
            IcePolicy::Full => "full",
        }
    }

    /// The policy of this name.
    pub fn from_name(name: &str) -> Option<IcePolicy> {
        let mut all = IcePolicy::ALL.into_iter();
        all.find(|policy| policy.name() == name)
    }
}

/// How a side finds keys by a handshake (DTLS-SRTP, RFC 5763).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsConfig {
    /// The SHA-256 of the certificate that we show.
    pub fingerprint: Vec<u8>,
    /// Whether and how the way is found.
    pub ice: IcePolicy,
}

impl DtlsConfig {
    /// With the certificate of this process; `None`: none can be made on this system.
    pub(crate) fn of_process(ice: IcePolicy) -> Option<DtlsConfig> {
        Some(DtlsConfig {
            fingerprint: Certificate::of_process()?.fingerprint().to_vec(),
            ice,
        })
    }

    /// What a description says of it, where the far end reaches us there.
    pub(crate) fn local(&self, reached_at: SocketAddr) -> LocalDtls {
        let ice = (self.ice != IcePolicy::Off).then(|| LocalIce {
            credentials: IceCredentials::random(),
            lite: self.ice == IcePolicy::Lite,
            candidates: host_candidate(reached_at).into_iter().collect(),
        });
        LocalDtls {
            fingerprint: self.fingerprint.clone(),
            ice,
            role: None,
            tls_id: TlsId::random(),
        }
    }
}

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
    /// Whether media are encrypted with keys from a handshake, and nothing else is spoken.
    pub dtls: Option<DtlsConfig>,
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
            dtls: None,
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
