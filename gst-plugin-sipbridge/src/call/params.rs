// SPDX-License-Identifier: MPL-2.0
//! What a call is made of before it is placed or taken.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use gst::glib;
use sip_ua::agent::{Hop, SessionTimer};
use sip_ua::digest::Credentials;
use sip_ua::sdp::{self, Codec, SrtpPolicy};
use sip_ua::wire::{NameAddr, Uri};

use super::DtmfMode;
use crate::codec::OpusSettings;

/// Whether keys of media come from a handshake, and their way from connectivity checks (DTLS-SRTP and ICE, RFC
/// 5763): as browsers have it, and most telephones have not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "GstSipDtls")]
pub enum DtlsPolicy {
    /// Who offers that alone is answered with it, and who is called by a browser's name is offered it. All else
    /// is as without.
    #[default]
    #[enum_value(
        name = "DTLS-SRTP with who offers it, and with who is called by a browser's name",
        nick = "auto"
    )]
    Auto,
    /// Never.
    #[enum_value(name = "Offers of DTLS-SRTP are refused", nick = "off")]
    Off,
    /// With everybody.
    #[enum_value(name = "DTLS-SRTP or no call", nick = "required")]
    Required,
}

impl DtlsPolicy {
    /// All of them.
    pub const ALL: [DtlsPolicy; 3] = [DtlsPolicy::Auto, DtlsPolicy::Off, DtlsPolicy::Required];

    /// The word that properties and configuration use.
    pub fn as_str(self) -> &'static str {
        match self {
            DtlsPolicy::Off => "off",
            DtlsPolicy::Auto => "auto",
            DtlsPolicy::Required => "required",
        }
    }

    /// The policy of this name.
    pub fn from_name(name: &str) -> Option<DtlsPolicy> {
        let mut all = DtlsPolicy::ALL.into_iter();
        all.find(|policy| policy.as_str() == name)
    }

    /// Whether the answer to this offer has it.
    pub(super) fn answers(self, offer: &[u8]) -> bool {
        match self {
            DtlsPolicy::Off => false,
            DtlsPolicy::Auto => sdp::wants_handshake(offer),
            DtlsPolicy::Required => true,
        }
    }

    /// Whether an offer to who is reached by this URI has it. An offer has one profile, and who cannot speak it
    /// refuses the call. A telephone may use a WebSocket too; but only who cannot know an address of its own has a
    /// Contact of a WebSocket's below `.invalid`, as pages in browsers have to (RFC 7118 appendix B.1).
    pub(super) fn offers(self, remote_target: &Uri) -> bool {
        match self {
            DtlsPolicy::Off => false,
            DtlsPolicy::Auto => {
                let host = remote_target.host.as_bytes().to_ascii_lowercase();
                let transport = remote_target.params.get("transport");
                let is_websocket = transport.is_some_and(|name| {
                    name.eq_ignore_ascii_case(b"ws") || name.eq_ignore_ascii_case(b"wss")
                });
                host.ends_with(b".invalid") && is_websocket
            }
            DtlsPolicy::Required => true,
        }
    }
}

/// The media side of a call.
#[derive(Clone, Debug)]
pub struct MediaParams {
    /// The media thread's name; `None` takes the least loaded of the default ones.
    pub context: Option<String>,
    /// How long that thread may sleep to gather work; at most 5 ms.
    pub context_wait: Duration,
    /// The local address of the media sockets. `None`: the one that leads to the peer.
    pub bind: Option<IpAddr>,
    /// The address our SDP says, where it is not the bound one.
    pub advertise: Option<IpAddr>,
    /// Ports to choose from; an even one and the next are taken.
    pub ports: RangeInclusive<u16>,
    /// Codecs we take, in order of preference.
    pub codecs: Vec<Codec>,
    /// Whether media are encrypted (SRTP with keys in the SDP).
    pub srtp: SrtpPolicy,
    /// Whether they are encrypted with keys from a handshake instead.
    pub dtls: DtlsPolicy,
    /// The packet time we ask for and prefer to send, in milliseconds.
    pub ptime_ms: u8,
    /// The most delay the jitter buffer may add.
    pub latency: Duration,
    /// An answered call ends when this long nothing came of a far end that ought to send; zero:
    /// never.
    pub media_timeout: Duration,
    /// Pauses of speech are not sent, where the far end understands it.
    pub dtx: bool,
    /// How Opus is encoded.
    pub opus: OpusSettings,
    /// How digits are sent.
    pub dtmf: DtmfMode,
}

/// What is offered where nobody says otherwise. Linear samples cost eight times G.722 and are for
/// who asks for them.
pub const DEFAULT_CODECS: [Codec; 4] = [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu];

impl Default for MediaParams {
    fn default() -> MediaParams {
        MediaParams {
            context: None,
            context_wait: Duration::from_millis(5),
            bind: None,
            advertise: None,
            ports: 10_000..=20_000,
            codecs: DEFAULT_CODECS.to_vec(),
            srtp: SrtpPolicy::Off,
            dtls: DtlsPolicy::default(),
            ptime_ms: 20,
            latency: Duration::from_millis(200),
            media_timeout: Duration::ZERO,
            dtx: false,
            opus: OpusSettings::default(),
            dtmf: DtmfMode::default(),
        }
    }
}

/// Where the first request of a call goes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum NextHop {
    /// To the host of the URI that is called.
    #[default]
    OfUri,
    /// To this address, with this Route.
    Hop(Hop, Vec<NameAddr>),
    /// Through this outbound proxy, looked up when the call is placed. It stands in the INVITE's
    /// Route, as a loose router (RFC 3261 section 8.1.2).
    Proxy(Uri),
}

/// A call to place.
#[derive(Clone, Debug)]
pub struct DialParams {
    /// The name other elements find the call by; unique in the process.
    pub name: String,
    /// Who is called.
    pub to: Uri,
    /// Who calls.
    pub from: NameAddr,
    /// Where the INVITE goes.
    pub next_hop: NextHop,
    /// Headers to add.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What to answer 401 and 407 with.
    pub credentials: Option<Credentials>,
    /// Session timers (RFC 4028); without it the agent's.
    pub session_timer: Option<SessionTimer>,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// Whether whoever is called may send the call on (RFC 3261 section 8.1.3.4), to anybody: for far
    /// ends that are trusted with that.
    pub follow_redirects: bool,
    /// Whether the far end may ask for transfers: see [`Call::permit_transfers`](super::Call::permit_transfers).
    pub transferable: bool,
    /// The media side.
    pub media: MediaParams,
}

/// A call to take.
#[derive(Clone, Debug)]
pub struct CallParams {
    /// The name other elements find the call by; unique in the process.
    pub name: String,
    /// Whether the far end may ask for transfers: see [`Call::permit_transfers`](super::Call::permit_transfers).
    pub transferable: bool,
    /// The media side.
    pub media: MediaParams,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_by_its_name() {
        for (uri, offers) in [
            ("sip:k3f9@q8t2h1.invalid;transport=ws", true),
            ("sip:k3f9@Q8T2H1.INVALID;transport=wss;ob", true),
            // A telephone that has a WebSocket.
            ("sip:alice@192.0.2.7:41822;transport=ws", false),
            ("sip:alice@invalid.example;transport=ws", false),
            // A carrier of somebody's tests.
            ("sip:alice@carrier.invalid", false),
            ("sip:alice@carrier.invalid;transport=tcp", false),
            ("sip:alice@192.0.2.7", false),
        ] {
            let target = Uri::parse(uri.as_bytes()).unwrap();
            assert_eq!(DtlsPolicy::Auto.offers(&target), offers, "{uri}");
            assert!(DtlsPolicy::Required.offers(&target));
            assert!(!DtlsPolicy::Off.offers(&target));
        }
    }
}
