// SPDX-License-Identifier: MPL-2.0
//! The SFU and participants of its rooms, on a virtual wire in virtual time.

mod behind_a_nat;
mod everybody_hears_everybody_else;
mod lines_follow_who_talks;
mod members_come_and_go;
mod packets_are_sent_in_used_room;
mod strangers_get_nothing;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gstsipbridge::rtc::description::{Description, Direction, Format};
use gstsipbridge::rtc::{
    Action, Certificate, Kind, Negotiation, NegotiationConfig, Outgoing, Packet, Sender, Transport,
    TransportEvent, TransportState, credentials,
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::EmbeddedConfig;
use super::exchange::Exchange;
use super::rooms::MemberId;
use crate::sfu::{
    ConnectionId, Negotiation as Turn, Participant, Published, SfuError, SfuEvent, TrackId,
};

const HOST: &str = "192.0.2.1:7000";
const STEP: Duration = Duration::from_millis(20);

fn opus(pt: u8) -> Format {
    Format {
        pt,
        name: "opus".to_owned(),
        clock_hz: 48_000,
        channels: Some(2),
        fmtp: None,
    }
}

/// The far end of one connection: a browser's, or an rtcbin's.
struct End {
    negotiation: Negotiation,
    transport: Transport,
    address: SocketAddr,
    packets: Vec<Packet>,
    state: TransportState,
    sent: u64,
}

impl End {
    fn new(port: u16) -> End {
        let certificate = Certificate::of_process().unwrap();
        let mut negotiation = Negotiation::new(NegotiationConfig {
            fingerprint: certificate.fingerprint().to_vec(),
            credentials: credentials(),
            lite: false,
            session_id: 7,
            cname: "end".to_owned(),
        });
        let mut transport = Transport::new(certificate, false);
        let address = SocketAddr::from(([192, 0, 2, 9], port));
        negotiation.add_candidate(transport.add_host(address).unwrap());
        negotiation.candidates_complete();
        End {
            negotiation,
            transport,
            address,
            packets: Vec::new(),
            state: TransportState::New,
            sent: 0,
        }
    }

    fn offer(&mut self, now: Instant) -> String {
        let offer = self.negotiation.create_offer().unwrap();
        let plan = self.negotiation.set_local(Kind::Offer, offer).unwrap();
        self.transport.apply(now, plan);
        self.negotiation.pending_local().unwrap().to_string()
    }

    fn accept(&mut self, now: Instant, answer: &str) {
        let answer = Description::read(answer).unwrap();
        self.reach(&answer);
        let plan = self.negotiation.set_remote(Kind::Answer, answer).unwrap();
        self.transport.apply(now, plan);
    }

    fn answer(&mut self, now: Instant, offer: &str) -> String {
        let offer = Description::read(offer).unwrap();
        self.reach(&offer);
        self.negotiation.set_remote(Kind::Offer, offer).unwrap();
        let answer = self.negotiation.create_answer().unwrap();
        let plan = self.negotiation.set_local(Kind::Answer, answer).unwrap();
        self.transport.apply(now, plan);
        self.negotiation.current_local().unwrap().to_string()
    }

    fn reach(&mut self, theirs: &Description) {
        for candidate in theirs.sections.iter().flat_map(|s| &s.candidates) {
            self.transport.add_remote(candidate);
        }
    }

    /// Says something this loud.
    fn say(&mut self, now: Instant, level: u8, words: &[u8]) -> bool {
        self.sent += 1;
        self.transport.send(
            now,
            0,
            &Outgoing {
                pt: 111,
                sequence: self.sent,
                timestamp: (self.sent * 960) as u32,
                marker: false,
                level: Some((level, level < 50)),
                payload: words,
            },
        )
    }

    /// What was heard on a line.
    fn heard(&self, line: usize) -> Vec<&[u8]> {
        let of_line = self.packets.iter().filter(|packet| packet.line == line);
        of_line.map(|packet| &*packet.payload).collect()
    }
}

struct World {
    now: Instant,
    exchange: Exchange,
    ends: BTreeMap<u16, End>,
    made: u16,
    /// Nothing reaches these any more, and nothing comes from them.
    cut: Vec<u16>,
    /// What a one-to-one NAT in front of the SFU makes of its address.
    outside: Option<IpAddr>,
}

/// Somebody in the room.
struct Person {
    member: MemberId,
    events: UnboundedReceiver<SfuEvent>,
}

impl Person {
    /// What they were told since the last time, in short.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            told.push(match event {
                SfuEvent::ParticipantJoined(who) => format!("{} joined", who.name),
                SfuEvent::ParticipantLeft(id) => format!("{id} left"),
                SfuEvent::TrackAdded(track) => format!("+{}", track.participant),
                SfuEvent::TrackRemoved(track) => format!("-{}", owner(&track)),
                SfuEvent::Talking { track, talking } => {
                    format!("{} talks {talking}", owner(&track))
                }
                SfuEvent::Muted { track, muted } => format!("{} muted {muted}", owner(&track)),
                SfuEvent::ConnectionClosed { reason, .. } => format!("closed: {reason}"),
                other => format!("{other:?}"),
            });
        }
        told
    }
}

fn owner(track: &TrackId) -> &str {
    track.0.split('/').next().unwrap()
}

impl World {
    fn new() -> World {
        World::with(EmbeddedConfig::new("main"))
    }

    fn with(config: EmbeddedConfig) -> World {
        let certificate = Certificate::of_process().unwrap();
        World {
            outside: config.advertise,
            now: Instant::now(),
            exchange: Exchange::new(Arc::new(config), certificate, vec![HOST.parse().unwrap()]),
            ends: BTreeMap::new(),
            made: 0,
            cut: Vec::new(),
        }
    }

    fn try_join(&mut self, room: &str, name: &str) -> Result<Person, SfuError> {
        let who = Participant {
            id: name.to_owned(),
            name: name.to_owned(),
            ..Participant::default()
        };
        let (member, _, events) = self.exchange.rooms.join(room, who)?;
        Ok(Person { member, events })
    }

    fn join(&mut self, name: &str) -> Person {
        self.try_join("lobby", name).unwrap()
    }

    fn end(&mut self) -> (u16, &mut End) {
        self.made += 1;
        let port = 20_000 + self.made;
        (
            port,
            self.ends.entry(port).or_insert_with(|| End::new(port)),
        )
    }

    /// Connects somebody's microphone. Returns its port and connection.
    fn publish(&mut self, person: &Person) -> (u16, ConnectionId) {
        let now = self.now;
        let (port, end) = self.end();
        let sender = Sender {
            ssrc: u32::from(port),
            msid: "a b".to_owned(),
        };
        let track = end.negotiation.add_sender(sender, vec![opus(111)]);
        end.negotiation.set_direction(track, Direction::SendOnly);
        let offer = end.offer(now);
        let published = self.exchange.publish(now, person.member, &offer);
        self.answered(port, published.unwrap())
    }

    /// Connects somebody's loudspeaker, with so many lines.
    fn listen(&mut self, person: &Person, lines: usize) -> (u16, ConnectionId) {
        let now = self.now;
        let (port, end) = self.end();
        for _ in 0..lines {
            end.negotiation
                .add_receiver(Direction::RecvOnly, vec![opus(96)]);
        }
        let offer = end.offer(now);
        let published = self.exchange.listen(now, person.member, &offer);
        self.answered(port, published.unwrap())
    }

    fn answered(&mut self, port: u16, published: Published) -> (u16, ConnectionId) {
        let end = self.ends.get_mut(&port).unwrap();
        end.accept(self.now, &published.answer);
        self.connected(port);
        (port, published.connection)
    }

    /// Connects to one track.
    fn subscribe(&mut self, person: &Person, track: &TrackId) -> u16 {
        let now = self.now;
        let subscription = self.exchange.subscribe(now, person.member, track).unwrap();
        let Turn::Offered(offer) = subscription.negotiation else {
            panic!("{subscription:?}")
        };
        let (port, end) = self.end();
        let answer = end.answer(now, &offer);
        self.exchange
            .answered(now, person.member, &subscription.connection, &answer)
            .unwrap();
        self.connected(port);
        port
    }

    fn connected(&mut self, port: u16) {
        for _ in 0..100 {
            if self.ends[&port].state == TransportState::Connected {
                return self.run(STEP);
            }
            self.run(STEP);
        }
        panic!("{port} does not connect");
    }

    /// Everybody named says so many packets, in turn every 20 ms.
    fn say(&mut self, packets: usize, speakers: &[(u16, u8, &[u8])]) {
        for _ in 0..packets {
            for (port, level, words) in speakers {
                let end = self.ends.get_mut(port).unwrap();
                assert!(end.say(self.now, *level, words));
            }
            self.run(STEP);
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(5);
            self.exchange.timeout(self.now);
            for end in self.ends.values_mut() {
                end.transport.timeout(self.now);
            }
            self.settle();
        }
    }

    /// An address of the SFU on the other side of its NAT.
    fn translated(&self, address: SocketAddr) -> SocketAddr {
        let inside: SocketAddr = HOST.parse().unwrap();
        match self.outside {
            Some(outside) if address.ip() == outside => inside,
            Some(outside) if address == inside => SocketAddr::new(outside, inside.port()),
            // Nobody outside is at an address of the inside.
            Some(_) => panic!("{address} is not to be reached"),
            None => address,
        }
    }

    /// Carries datagrams until there are none.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            let mut sent = Vec::new();
            for (port, end) in &mut self.ends {
                loop {
                    match end.transport.poll() {
                        Action::Send { to, bytes, .. } => {
                            moved = true;
                            if !self.cut.contains(port) {
                                sent.push((to, end.address, bytes));
                            }
                        }
                        Action::Packet(packet) => end.packets.push(packet),
                        Action::Event(TransportEvent::State(state, _)) => end.state = state,
                        Action::Event(_) => {}
                        Action::Wait(_) => break,
                    }
                }
            }
            for (to, from, bytes) in sent {
                let local = self.translated(to);
                self.exchange.receive(self.now, local, from, &bytes);
            }
            let mut sent = Vec::new();
            self.exchange
                .send(|datagram| sent.push((datagram.from, datagram.to, datagram.bytes.clone())));
            for (from, to, bytes) in sent {
                moved = true;
                let from = self.translated(from);
                let port = to.port();
                let end = self
                    .ends
                    .get_mut(&port)
                    .filter(|_| !self.cut.contains(&port));
                if let Some(end) = end {
                    end.transport.receive(self.now, to, from, &bytes);
                }
            }
            if !moved {
                return;
            }
        }
    }
}

/// What was heard, without repetitions.
fn words<'a>(heard: &[&'a [u8]]) -> Vec<&'a str> {
    let mut words: Vec<&str> = heard
        .iter()
        .map(|word| std::str::from_utf8(word).unwrap())
        .collect();
    words.dedup();
    words
}
