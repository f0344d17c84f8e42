// SPDX-License-Identifier: MPL-2.0
//! Why a description could not be agreed on, and what SIP says to that.

use super::Codec;

/// Why an offer or an answer was not acceptable. The sentence names what an operator can change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// The body is not a session description.
    #[error("the SDP cannot be read: {0}")]
    Unreadable(String),
    /// More media lines than any call has.
    #[error("the SDP has {found} m= lines, more than the {limit} that are accepted")]
    TooManyMedia {
        /// How many there are.
        found: usize,
        /// How many would do.
        limit: usize,
    },
    /// The body is of another type, or packed in a way we do not unpack.
    #[error("the body is {0}, not application/sdp")]
    NotSdp(String),
    /// No `m=` line at all.
    #[error("the SDP has no m= line")]
    NoMedia,
    /// Media lines, but none of audio.
    #[error("the SDP has no m=audio line (only {0})")]
    NoAudio(String),
    /// Every audio line has port 0.
    #[error("every m=audio line has port 0: the far end declined or disabled audio")]
    AudioDisabled,
    /// The audio uses a profile we do not speak.
    #[error("the audio is offered as {0} only; RTP/AVP is what is spoken here")]
    Profile(String),
    /// The far end wants SRTP, and it is switched off here.
    #[error(
        "the audio is offered as {0} only, and SRTP is off here: `srtp` can be optional or required"
    )]
    SrtpOff(String),
    /// SRTP is a must, here or by the profile, and the far end gives no key for it.
    #[error("SRTP is required, and the far end's audio has no key for it (no a=crypto line)")]
    SrtpRequired,
    /// SRTP is wanted, but in no way that both sides know.
    #[error("no common SRTP crypto suite: the far end has {}", list(.0))]
    NoCommonSuite(Vec<String>),
    /// The far end wants DTLS-SRTP, and it is not spoken here.
    #[error("the audio is offered as {0} only, and DTLS-SRTP is off here")]
    DtlsOff(String),
    /// DTLS-SRTP is a must here, and the far end's audio has another profile.
    #[error("DTLS-SRTP is required, and the far end's audio is {0}")]
    DtlsRequired(String),
    /// Nothing would show who the far end is (RFC 8842 section 5.1).
    #[error("the far end's audio is DTLS-SRTP, and it has no sha-256 fingerprint")]
    NoFingerprint,
    /// RTCP would need a handshake of its own.
    #[error(
        "the far end's audio is DTLS-SRTP without a=rtcp-mux: RTCP has to share the port of RTP"
    )]
    DtlsWithoutMux,
    /// RFC 8842 section 5.3.
    #[error("the answer leaves open who begins the DTLS handshake (a=setup:actpass)")]
    OpenSetup,
    /// The far end says where it is by candidates alone.
    #[error("the far end's audio has no address but ICE candidates, and ICE is off here")]
    IceOff,
    /// The audio line has no `c=` line, neither its own nor the session's.
    #[error("the m=audio line has no c= line")]
    NoAddress,
    /// The `c=` line holds something that cannot be sent to.
    #[error("the c= line's address \"{0}\" is not a unicast IP address")]
    Address(String),
    /// One side has IPv4 only, the other IPv6.
    #[error("the far end's media address {remote} and ours ({local}) are of different IP versions")]
    AddressFamily {
        /// Theirs.
        remote: std::net::IpAddr,
        /// Ours.
        local: std::net::IpAddr,
    },
    /// Not one codec in common.
    #[error("no common codec: the far end has {}, this side {}", list(.offered), list(.ours))]
    NoCommonCodec {
        /// The names of theirs.
        offered: Vec<String>,
        /// Ours.
        ours: Vec<Codec>,
    },
    /// The answer does not fit the offer it answers.
    #[error("the answer does not fit our offer: {0}")]
    AnswerMismatch(String),
}

impl SdpError {
    /// The status a UAS answers an INVITE with (RFC 3261 sections 21.4.1, 21.4.13, 21.4.26).
    pub fn sip_code(&self) -> u16 {
        match self {
            SdpError::Unreadable(_) | SdpError::TooManyMedia { .. } | SdpError::NoAddress => 400,
            SdpError::NotSdp(_) => 415,
            _ => 488,
        }
    }
}

fn list(names: &[impl ToString]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}
