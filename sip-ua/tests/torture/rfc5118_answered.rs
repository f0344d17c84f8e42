// SPDX-License-Identifier: MPL-2.0
//! What a user agent answers to the IPv6 torture messages, where the answer goes, and whom the call
//! that they begin is sent to afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sip_ua::dialog::SessionTimer;
use sip_ua::endpoint::{CallId, Endpoint, EndpointConfig, Event, Limits, Transmit, Verdict};
use sip_ua::registrar;
use sip_ua::sdp::{self, Codec, LocalMedia, SdpError};
use sip_ua::transaction::Timers;
use sip_ua::wire::{Core, HeaderName, Message, Method, Request, Response, read_datagram, validate};

use crate::corpus;

/// The user agent that the messages are for, and whoever stands before it.
const OURS: &str = "[2001:db8::10]:5060";
pub const OURS_V4: &str = "192.0.2.20:5060";

pub struct Agent {
    pub endpoint: Endpoint,
    local: SocketAddr,
    pub now: Instant,
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn octets(name: &str) -> Vec<u8> {
    let case = corpus::rfc5118().into_iter().find(|case| case.name == name);
    case.expect("a message of that name").octets
}

impl Agent {
    pub fn at(local: &str) -> Agent {
        let endpoint = Endpoint::new(EndpointConfig {
            advertise: None,
            user_agent: "sipbridge-test".to_owned(),
            listeners: Vec::new(),
            screen: Arc::new(|request, _| match request.method {
                Method::Register => Verdict::AllowUser("user".to_owned()),
                _ => Verdict::Allow,
            }),
            limits: Limits::default(),
            timers: Timers::default(),
            session_timer: SessionTimer::default(),
            reliable_early_media: true,
            registrar: Some(registrar::Config::default()),
            instance: None,
            seed: Some(1),
        });
        Agent {
            endpoint,
            local: addr(local),
            now: Instant::now(),
        }
    }

    pub fn gets(&mut self, from: &str, message: &[u8]) -> Vec<Transmit> {
        self.endpoint
            .handle_datagram(self.now, self.local, addr(from), message);
        self.sent()
    }

    pub fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).collect()
    }

    /// The only answer to a message, and where it went.
    fn answer(&mut self, from: &str, name: &str) -> (SocketAddr, Response, Core) {
        let sent = self.gets(from, &octets(name));
        assert_eq!(sent.len(), 1, "{name}");
        assert_eq!(sent[0].local, self.local);
        let message = read_datagram(&sent[0].packet).unwrap();
        let core = validate(&message).unwrap();
        match message {
            Message::Response(response) => (sent[0].remote, response, core),
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The call that an INVITE began.
    fn call(&mut self) -> (CallId, Arc<Request>) {
        let found =
            std::iter::from_fn(|| self.endpoint.poll_event()).find_map(|event| match event {
                Event::Incoming { id, request, .. } => Some((id, request)),
                _ => None,
            });
        found.expect("a call came")
    }

    /// Answers the call, is given the ACK, and hangs up: the 200 and the BYE.
    fn accept_and_hang_up(
        &mut self,
        from: &str,
        id: CallId,
        invite: &Request,
        sdp: Vec<u8>,
    ) -> (Response, Transmit) {
        self.endpoint.accept(self.now, id, sdp);
        let ok = self.sent().pop().expect("a 200");
        let Ok(Message::Response(ok)) = read_datagram(&ok.packet) else {
            panic!("a response");
        };
        assert_eq!(ok.status, 200);
        let mut ack = Request::new(Method::Ack, invite.uri.clone());
        ack.headers.push(
            HeaderName::Via,
            "SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKack",
        );
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
            let value = ok.headers.get(name.clone()).unwrap();
            ack.headers.push(name, value.to_vec());
        }
        let cseq = validate(&Message::Request(invite.clone())).unwrap().cseq;
        ack.headers
            .push(HeaderName::CSeq, format!("{} ACK", cseq.number));
        assert!(self.gets(from, &ack.to_bytes()).is_empty());
        self.endpoint.hangup(self.now, id, None);
        (ok, self.sent().pop().expect("a BYE"))
    }
}

fn bound(agent: &mut Agent) -> BTreeMap<String, Vec<String>> {
    let bindings = agent.endpoint.changed_bindings().unwrap_or_default();
    let contacts = |(user, list): (String, Vec<registrar::Binding>)| {
        (user, list.iter().map(|b| b.contact.to_string()).collect())
    };
    bindings.into_iter().map(contacts).collect()
}

#[test]
fn a_user_registers_from_an_ipv6_address() {
    for name in ["ipv6-good", "port-ambiguous", "port-unambiguous"] {
        let mut agent = Agent::at(OURS);
        let (to, response, core) = agent.answer("[2001:db8::9:1]:5060", name);
        assert_eq!(response.status, 200, "{name}");
        assert_eq!(to, addr("[2001:db8::9:1]:5060"));
        // It came from where the Via says: there is nothing to add.
        assert_eq!(core.via[0].received(), None);
        let contact = response.headers.get(HeaderName::Contact).unwrap();
        let contact = String::from_utf8_lossy(contact);
        assert!(contact.contains("<sip:caller@[2001:db8::1]>"), "{contact}");
        let bound = bound(&mut agent);
        assert_eq!(bound["user"], ["sip:caller@[2001:db8::1]"], "{name}");
    }
}

#[test]
fn an_address_without_brackets_is_refused_and_binds_nobody() {
    let mut agent = Agent::at(OURS);
    let (to, response, _) = agent.answer("[2001:db8::9:1]:5060", "ipv6-bad");
    assert_eq!(response.status, 400);
    assert_eq!(to, addr("[2001:db8::9:1]:5060"));
    assert!(bound(&mut agent).is_empty());
}

#[test]
fn what_the_via_says_of_its_source_is_not_believed_and_is_written_without_brackets() {
    // Both claim to have been received from an address that is not the one they come from.
    for (name, status) in [
        ("via-received-param-with-delim", 481),
        ("via-received-param-no-delim", 200),
    ] {
        let mut agent = Agent::at(OURS);
        let (to, response, core) = agent.answer("[2001:db8::77]:5060", name);
        assert_eq!(response.status, status, "{name}");
        assert_eq!(to, addr("[2001:db8::77]:5060"));
        assert_eq!(
            core.via[0].received(),
            Some("2001:db8::77".parse().unwrap())
        );
        // RFC 3261's grammar has no brackets there, and old readers none either.
        let via = response.headers.get(HeaderName::Via).unwrap();
        let via = String::from_utf8_lossy(via);
        assert!(via.contains("received=2001:db8::77"), "{via}");
        assert!(via.contains("UDP [2001:db8::9:1]"), "{via}");
    }
}

#[test]
fn an_answer_goes_back_through_proxies_of_both_families() {
    let mut agent = Agent::at(OURS);
    let (to, response, core) = agent.answer("[2001:db8::9:1]:6050", "mult-ip-in-header");
    assert_eq!(response.status, 481);
    assert_eq!(to, addr("[2001:db8::9:1]:6050"));
    let hosts: Vec<String> = core.via.iter().map(|via| via.host.to_string()).collect();
    assert_eq!(hosts, ["[2001:db8::9:1]", "192.0.2.1", "[2001:db8::9:255]"]);
    assert_eq!(core.via[2].received(), Some("192.0.2.200".parse().unwrap()));
}

#[test]
fn three_colons_are_answered_like_two() {
    for name in ["ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"] {
        let mut agent = Agent::at(OURS);
        let (to, response, core) = agent.answer("[2001:db8::77]:5060", name);
        assert_eq!(response.status, 200, "{name}");
        // The Via says a name: where it really came from is added.
        assert_eq!(to, addr("[2001:db8::77]:5060"));
        assert_eq!(
            core.via[0].received(),
            Some("2001:db8::77".parse().unwrap())
        );
    }
}

/// Ours, which takes the codecs of the messages: they offer G.726, which is none of ours.
fn local(address: &str) -> LocalMedia {
    LocalMedia::new(address.parse().unwrap(), 10_000, vec![Codec::Pcmu])
}

/// The description of that message; G.726 is made to be G.711.
fn description(request: &Request) -> Vec<u8> {
    let text = String::from_utf8(request.body.clone()).unwrap();
    let text = text.replace(
        "m=audio 6000 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n",
        "m=audio 6000 RTP/AVP 0\r\n",
    );
    text.into_bytes()
}

#[test]
fn a_call_over_ipv6_is_answered_and_hung_up_at_its_contact() {
    let mut agent = Agent::at(OURS);
    let trying = agent.gets("[2001:db8::20]:5060", &octets("ipv6-in-sdp"));
    assert!(trying.iter().all(|t| t.packet.starts_with(b"SIP/2.0 100")));
    let (id, request) = agent.call();
    assert!(matches!(
        sdp::answer(&local("2001:db8::10"), &request.body),
        Err(SdpError::NoCommonCodec { .. })
    ));
    let (answer, agreed) = sdp::answer(&local("2001:db8::10"), &description(&request)).unwrap();
    assert_eq!(agreed.remote_rtp, addr("[2001:db8::20]:6000"));
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("c=IN IP6 2001:db8::10\r\n"), "{text}");
    // The film is declined, in its place.
    assert!(text.contains("m=video 0 "), "{text}");

    let (ok, bye) = agent.accept_and_hang_up("[2001:db8::20]:5060", id, &request, answer);
    let contact = ok.headers.get(HeaderName::Contact).unwrap();
    let contact = String::from_utf8_lossy(contact);
    assert!(contact.contains("@[2001:db8::10]:5060"), "{contact}");
    assert!(bye.packet.starts_with(b"BYE sip:caller@[2001:db8::20] "));
    assert_eq!(bye.remote, addr("[2001:db8::20]:5060"));
}

#[test]
fn of_two_families_in_a_description_the_audio_line_counts() {
    let mut agent = Agent::at(OURS);
    agent.gets("[2001:db8::9:1]:5060", &octets("mult-ip-in-sdp"));
    let (_, request) = agent.call();
    let (answer, agreed) = sdp::answer(&local("192.0.2.20"), &request.body).unwrap();
    assert_eq!(agreed.remote_rtp, addr("192.0.2.1:22334"));
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("m=audio 10000 RTP/AVP 0"), "{text}");
    assert!(text.contains("m=video 0 "), "{text}");
    // Nobody hears anybody where the audio is IPv4 and we are not.
    assert!(matches!(
        sdp::answer(&local("2001:db8::10"), &request.body),
        Err(SdpError::AddressFamily { .. })
    ));
}

#[test]
fn a_mapped_address_is_the_ipv4_address_within() {
    let mut agent = Agent::at(OURS_V4);
    let trying = agent.gets("192.0.2.10:19823", &octets("ipv4-mapped-ipv6"));
    assert!(trying.iter().all(|t| t.remote == addr("192.0.2.10:19823")));
    let (id, request) = agent.call();
    let (answer, agreed) = sdp::answer(&local("192.0.2.20"), &description(&request)).unwrap();
    assert_eq!(agreed.remote_rtp, addr("192.0.2.2:6000"));
    let (_, bye) = agent.accept_and_hang_up("192.0.2.2:5060", id, &request, answer);
    // The Contact as it was written; an IPv4 socket reaches the address within.
    assert!(bye.packet.starts_with(b"BYE sip:ted@[::ffff:192.0.2.2] "));
    assert_eq!(bye.remote, addr("192.0.2.2:5060"));
}
