// SPDX-License-Identifier: MPL-2.0
//! Two ends of a WebRTC session on a virtual wire, in virtual time.

mod both_speak;
mod early_checks_are_kept;
mod garbage_harms_nothing;
mod ice_restarts;
mod lite_and_full;
mod nobody_else_gets_in;
mod one_certificate;
mod sequence_numbers_wrap;
mod sources_without_names;
mod the_far_end_vanishes;
mod tracks_come_and_go;
mod trickle;
mod without_checks;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::description::{Description, Format};
use super::{
    Action, Certificate, Kind, Negotiation, NegotiationConfig, Outgoing, Packet, Plan, Sender,
    TrackId, Transport, TransportEvent, TransportState, credentials,
};

pub(super) fn opus(pt: u8) -> Format {
    Format {
        pt,
        name: "OPUS".to_owned(),
        clock_hz: 48_000,
        channels: Some(2),
        fmtp: Some("minptime=10;useinbandfec=1".to_owned()),
    }
}

pub(super) fn pcmu() -> Format {
    Format {
        pt: 0,
        name: "PCMU".to_owned(),
        clock_hz: 8_000,
        channels: None,
        fmtp: None,
    }
}

pub(super) fn negotiation(certificate: &Certificate, lite: bool) -> Negotiation {
    Negotiation::new(NegotiationConfig {
        fingerprint: certificate.fingerprint().to_vec(),
        credentials: credentials(),
        lite,
        session_id: 7,
        cname: "tester".to_owned(),
    })
}

/// One end: a negotiation, a transport and a socket.
pub(super) struct Peer {
    pub(super) negotiation: Negotiation,
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
    pub(super) plan: Option<Plan>,
    pub(super) packets: Vec<Packet>,
    pub(super) events: Vec<TransportEvent>,
    sent: BTreeMap<usize, u64>,
    /// Sequence numbers begin after this.
    pub(super) first: u64,
}

impl Peer {
    pub(super) fn new(address: &str, lite: bool) -> Peer {
        Peer::with(Certificate::generate().unwrap(), address, lite)
    }

    pub(super) fn with(certificate: Certificate, address: &str, lite: bool) -> Peer {
        let mut negotiation = negotiation(&certificate, lite);
        let mut transport = Transport::new(certificate, lite);
        let address = address.parse().unwrap();
        negotiation.add_candidate(transport.add_host(address).unwrap());
        negotiation.candidates_complete();
        Peer {
            negotiation,
            transport,
            address,
            plan: None,
            packets: Vec::new(),
            events: Vec::new(),
            sent: BTreeMap::new(),
            first: 1_000,
        }
    }

    pub(super) fn speaks(&mut self, ssrc: u32) -> TrackId {
        self.speaks_as(ssrc, vec![opus(111), pcmu()])
    }

    pub(super) fn speaks_as(&mut self, ssrc: u32, formats: Vec<Format>) -> TrackId {
        let msid = format!("stream track{ssrc}");
        self.negotiation.add_sender(Sender { ssrc, msid }, formats)
    }

    pub(super) fn apply(&mut self, now: Instant, plan: Plan) {
        self.plan = Some(plan.clone());
        self.transport.apply(now, plan);
    }

    /// An offer, as it goes out: with candidates.
    pub(super) fn offer(&mut self, now: Instant) -> String {
        let offer = self.negotiation.create_offer().unwrap();
        let plan = self.negotiation.set_local(Kind::Offer, offer).unwrap();
        self.apply(now, plan);
        self.negotiation.pending_local().unwrap().to_string()
    }

    pub(super) fn answer(&mut self, now: Instant, offer: &str) -> String {
        let offer = Description::read(offer).unwrap();
        self.take_candidates(&offer);
        self.negotiation.set_remote(Kind::Offer, offer).unwrap();
        let answer = self.negotiation.create_answer().unwrap();
        let plan = self.negotiation.set_local(Kind::Answer, answer).unwrap();
        self.apply(now, plan);
        self.negotiation.current_local().unwrap().to_string()
    }

    pub(super) fn accept(&mut self, now: Instant, answer: &str) {
        let answer = Description::read(answer).unwrap();
        self.take_candidates(&answer);
        let plan = self.negotiation.set_remote(Kind::Answer, answer).unwrap();
        self.apply(now, plan);
    }

    fn take_candidates(&mut self, description: &Description) {
        for candidate in description.sections.iter().flat_map(|s| &s.candidates) {
            self.transport.add_remote(candidate);
        }
    }

    /// Sends one packet on a line, 20 ms after the one before.
    pub(super) fn say(&mut self, now: Instant, line: usize, payload: &[u8]) -> bool {
        let Some(plan) = &self.plan else {
            return false;
        };
        let media = plan.media.iter().find(|media| media.line == line);
        let Some(send) = media.and_then(|media| media.send.as_ref()) else {
            return false;
        };
        let count = self.sent.entry(line).or_insert(0);
        *count += 1;
        self.transport.send(
            now,
            line,
            &Outgoing {
                pt: send.formats[0].pt,
                sequence: self.first + *count,
                timestamp: 960 * *count as u32,
                marker: *count == 1,
                level: Some((30, true)),
                payload,
            },
        )
    }

    pub(super) fn state(&self) -> TransportState {
        self.transport.state()
    }

    /// Why it failed.
    pub(super) fn reason(&self) -> String {
        self.events
            .iter()
            .find_map(|event| match event {
                TransportEvent::State(TransportState::Failed, reason) => reason.clone(),
                _ => None,
            })
            .unwrap_or_default()
    }
}

#[derive(Clone)]
struct Flying {
    arrives: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Two peers and what lies between them.
pub(super) struct Session {
    pub(super) now: Instant,
    pub(super) a: Peer,
    pub(super) b: Peer,
    /// Nothing arrives any more.
    pub(super) cut: bool,
    /// Records of handshakes, and goodbyes, that arrived.
    pub(super) records: usize,
    flying: Vec<Flying>,
    delay: Duration,
}

impl Session {
    pub(super) fn new(a: Peer, b: Peer) -> Session {
        Session {
            now: Instant::now(),
            a,
            b,
            cut: false,
            records: 0,
            flying: Vec::new(),
            delay: Duration::from_millis(10),
        }
    }

    /// Two full peers, each with something to say.
    pub(super) fn speaking() -> Session {
        let mut a = Peer::new("192.0.2.1:5000", false);
        let mut b = Peer::new("192.0.2.2:6000", false);
        a.speaks(11);
        b.speaks(22);
        Session::new(a, b)
    }

    /// Offer of `a`, answer of `b`.
    pub(super) fn negotiate(&mut self) {
        let offer = self.a.offer(self.now);
        let answer = self.b.answer(self.now, &offer);
        self.a.accept(self.now, &answer);
    }

    pub(super) fn connect(&mut self) {
        self.negotiate();
        self.until("both are connected", Duration::from_secs(3), |session| {
            session.a.state() == TransportState::Connected
                && session.b.state() == TransportState::Connected
        });
    }

    pub(super) fn until(
        &mut self,
        what: &str,
        patience: Duration,
        done: impl Fn(&Session) -> bool,
    ) {
        let end = self.now + patience;
        while !done(self) {
            assert!(
                self.now < end,
                "{what}: not in {patience:?}; {:?} {:?}",
                self.a.events,
                self.b.events
            );
            self.run(Duration::from_millis(5));
        }
    }

    /// All that is on its way arrives twice.
    pub(super) fn repeat_what_flies(&mut self) {
        self.flying.extend_from_within(..);
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
            self.now += Duration::from_millis(1);
        }
    }

    /// Both say one packet on each of these lines, every 20 ms.
    pub(super) fn talk(&mut self, frames: usize, lines: &[usize]) {
        for frame in 0..frames {
            for line in lines {
                self.a
                    .say(self.now, *line, &[b'a', *line as u8, frame as u8]);
                self.b
                    .say(self.now, *line, &[b'b', *line as u8, frame as u8]);
            }
            self.run(Duration::from_millis(20));
        }
        self.run(Duration::from_millis(50));
    }

    fn step(&mut self) {
        let now = self.now;
        let mut arrived = Vec::new();
        self.flying.retain_mut(|flying| {
            let there = flying.arrives <= now;
            if there {
                let bytes = std::mem::take(&mut flying.bytes);
                arrived.push((flying.from, flying.to, bytes));
            }
            !there
        });
        for peer in [&mut self.a, &mut self.b] {
            for (from, to, bytes) in &arrived {
                if *to == peer.address && !self.cut {
                    self.records += usize::from(matches!(bytes.first(), Some(20..=63)));
                    peer.transport.receive(now, *to, *from, bytes);
                    drain(peer, now, self.delay, &mut self.flying);
                }
            }
            peer.transport.timeout(now);
            drain(peer, now, self.delay, &mut self.flying);
        }
    }
}

fn drain(peer: &mut Peer, now: Instant, delay: Duration, flying: &mut Vec<Flying>) {
    loop {
        match peer.transport.poll() {
            Action::Send { from, to, bytes } => flying.push(Flying {
                arrives: now + delay,
                from,
                to,
                bytes: bytes.to_vec(),
            }),
            Action::Packet(packet) => peer.packets.push(packet),
            Action::Event(event) => peer.events.push(event),
            Action::Wait(_) => return,
        }
    }
}
