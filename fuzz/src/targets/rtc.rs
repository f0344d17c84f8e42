// SPDX-License-Identifier: MPL-2.0
//! WebRTC: a description as offer and as answer, datagrams before and after it, and the answer of a STUN
//! server. Either is applied or refused.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gstsipbridge::rtc::description::{Description, Format};
use gstsipbridge::rtc::{
    Action, Certificate, Kind, Negotiation, NegotiationConfig, Reflexive, Sender, Transport,
    credentials,
};

use crate::script::{step, steps};
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "rtc",
    about: "WebRTC: a description, datagrams, and a STUN server's answer",
    seeds,
    words: &[
        "%%o\n",
        "%%a\n",
        "%%s\n",
        "%%p\n",
        "a=mid:1\r\n",
        "a=group:BUNDLE 0 1\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "a=rtcp-mux\r\n",
        "a=ice-ufrag:x\r\n",
        "a=setup:passive\r\n",
        "a=setup:actpass\r\n",
        "a=ice-lite\r\n",
        "a=ssrc:1 cname:x\r\n",
        "a=candidate:1 1 UDP 2130706431 192.0.2.9 9 typ host\r\n",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n",
        "a=fingerprint:sha-256 00:00\r\n",
        "a=end-of-candidates\r\n",
        "a=inactive\r\n",
    ],
    short: 250,
    run,
};

fn local() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5000))
}

fn far() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 6000))
}

/// One end, with something to say.
struct Peer {
    negotiation: Negotiation,
    transport: Transport,
}

impl Peer {
    fn new(address: SocketAddr) -> Peer {
        let certificate = Certificate::of_process().expect("a certificate");
        let mut negotiation = Negotiation::new(NegotiationConfig {
            fingerprint: certificate.fingerprint().to_vec(),
            credentials: credentials(),
            lite: false,
            session_id: 7,
            cname: "tester".to_owned(),
        });
        let mut transport = Transport::new(certificate, false);
        let candidate = transport.add_host(address).expect("a candidate");
        negotiation.add_candidate(candidate);
        negotiation.candidates_complete();
        let sender = Sender {
            ssrc: 11,
            msid: "stream track".to_owned(),
        };
        negotiation.add_sender(sender, vec![opus()]);
        Peer {
            negotiation,
            transport,
        }
    }

    fn offer(&mut self, now: Instant) -> String {
        let offer = self.negotiation.create_offer().expect("an offer");
        let plan = self.negotiation.set_local(Kind::Offer, offer);
        self.transport.apply(now, plan.expect("our own offer"));
        self.negotiation
            .pending_local()
            .expect("it is pending")
            .to_string()
    }

    fn take_candidates(&mut self, description: &Description) {
        for candidate in description
            .sections
            .iter()
            .flat_map(|section| &section.candidates)
        {
            self.transport.add_remote(candidate);
        }
    }

    /// All that wants to be done, for a while.
    fn drain(&mut self, mut now: Instant, traits: &mut Traits) {
        for _ in 0..3 {
            for done in 0.. {
                assert!(done < 2_000, "there is no end to what it wants done");
                match self.transport.poll() {
                    Action::Send { .. } => traits.step("send"),
                    Action::Packet(_) => traits.step("packet"),
                    Action::Event(_) => traits.step("event"),
                    Action::Wait(_) => break,
                }
            }
            now += Duration::from_millis(60);
            self.transport.timeout(now);
        }
    }
}

fn opus() -> Format {
    Format {
        pt: 111,
        name: "OPUS".to_owned(),
        clock_hz: 48_000,
        channels: Some(2),
        fmtp: Some("minptime=10;useinbandfec=1".to_owned()),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let now = Instant::now();
    let offer = Peer::new(far()).offer(now);
    let mut answerer = Peer::new(far());
    let read = Description::read(&offer).expect("our own offer");
    answerer
        .negotiation
        .set_remote(Kind::Offer, read)
        .expect("our own offer");
    let answer = answerer.negotiation.create_answer().expect("an answer");
    answerer
        .negotiation
        .set_local(Kind::Answer, answer)
        .expect("our own answer");
    let answer = answerer
        .negotiation
        .current_local()
        .expect("it is settled")
        .to_string();
    let check = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let hello = [
        &[
            22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 1, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 8,
        ][..],
        &[1; 8],
    ]
    .concat();
    // Binding success; the cookie and the transaction are filled in. Two forms of the address.
    let seen = [
        &[1, 1, 0, 12][..],
        &[0; 16],
        &[0, 0x20, 0, 8, 0, 1, 0x12, 0x34, 1, 2, 3, 4],
    ]
    .concat();
    let plain = [
        &[1, 1, 0, 20][..],
        &[0; 16],
        &[
            0x80, 0x22, 0, 3, b'a', b'b', b'c', 0, 0, 1, 0, 8, 0, 1, 0x12, 0x34, 203, 0, 113, 9,
        ],
    ]
    .concat();
    vec![
        [
            step('p', &check),
            step('o', &offer),
            step('p', &check),
            step('p', &hello),
            step('o', &offer),
        ]
        .concat(),
        [step('a', &answer), step('p', &check), step('p', &hello)].concat(),
        [step('s', seen), step('s', plain)].concat(),
    ]
}

fn run(input: &[u8], traits: &mut Traits) {
    let now = Instant::now();
    let mut peer = Peer::new(local());
    for (letter, with) in steps(input).take(12) {
        match letter {
            b'o' => offered(&mut peer, now, with, traits),
            b'a' => {
                let mut offerer = Peer::new(local());
                offerer.offer(now);
                answered(&mut offerer, now, with, traits);
                peer = offerer;
            }
            b'p' => {
                peer.transport.receive(now, local(), far(), with);
                peer.drain(now, traits);
            }
            b's' => stun(now, with, traits),
            _ => {}
        }
        traits.step((letter, std::mem::discriminant(&peer.transport.state())));
    }
}

fn read(text: &[u8], traits: &mut Traits) -> Option<Description> {
    let text = String::from_utf8_lossy(text);
    match Description::read(&text) {
        Ok(description) => {
            traits.see(("sections", description.sections.len().min(5)));
            Some(description)
        }
        Err(error) => {
            traits.sentence(error);
            None
        }
    }
}

fn offered(peer: &mut Peer, now: Instant, text: &[u8], traits: &mut Traits) {
    let Some(offer) = read(text, traits) else {
        return;
    };
    peer.take_candidates(&offer);
    if let Err(error) = peer.negotiation.set_remote(Kind::Offer, offer) {
        return traits.sentence(error);
    }
    let answer = match peer.negotiation.create_answer() {
        Ok(answer) => answer,
        Err(error) => return traits.sentence(error),
    };
    Description::read(&answer.to_string()).expect("our own answer");
    match peer.negotiation.set_local(Kind::Answer, answer) {
        Ok(plan) => {
            traits.see(("lines", plan.media.len().min(5)));
            peer.transport.apply(now, plan);
            peer.drain(now, traits);
        }
        Err(error) => traits.sentence(error),
    }
}

fn answered(peer: &mut Peer, now: Instant, text: &[u8], traits: &mut Traits) {
    let Some(answer) = read(text, traits) else {
        return;
    };
    peer.take_candidates(&answer);
    match peer.negotiation.set_remote(Kind::Answer, answer) {
        Ok(plan) => {
            peer.transport.apply(now, plan);
            peer.drain(now, traits);
        }
        Err(error) => traits.sentence(error),
    }
}

fn stun(now: Instant, reply: &[u8], traits: &mut Traits) {
    let server = SocketAddr::from(([192, 0, 2, 3], 3478));
    let mut asked = Reflexive::new(now, server, local()).expect("of one family");
    let request = asked.timeout(now).expect("it asks at once");
    let mut reply = reply.to_vec();
    if let (Some(place), Some(transaction)) = (reply.get_mut(4..20), request.get(4..20)) {
        place.copy_from_slice(transaction);
    }
    let seen = asked.receive(server, &reply);
    traits.see(("seen", seen.map(|seen| seen.is_ipv4())));
}
