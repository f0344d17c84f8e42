// SPDX-License-Identifier: MPL-2.0
//! Whatever arrives, from whomever: nothing panics, and a connection that stands goes on.

use std::time::Duration;

use super::*;

/// Chance that can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.roll(256) as u8).collect()
    }

    /// Something like it, or nothing like it.
    fn spoiled(&mut self, genuine: &[u8]) -> Vec<u8> {
        let mut bytes = genuine.to_vec();
        match self.roll(5) {
            0 => bytes.truncate(self.roll(genuine.len())),
            1 => {
                let length = 1 + self.roll(40);
                bytes.extend(self.bytes(length));
            }
            2 => {
                for _ in 0..=self.roll(8) {
                    let place = self.roll(bytes.len());
                    bytes[place] ^= 1 << self.roll(8);
                }
            }
            3 => {
                // A length or a count that cannot be.
                let place = self.roll(bytes.len().saturating_sub(1));
                let value = [0, 0xff, 0x7f, 0x80][self.roll(4)];
                bytes[place..].iter_mut().take(2).for_each(|b| *b = value);
            }
            _ => {
                let length = self.roll(1_500);
                bytes = self.bytes(length);
            }
        }
        bytes
    }

    /// Sends spoiled copies of all that flies, as if they came from where it came from.
    fn disturb(&mut self, session: &mut Session, copies: usize) {
        let flying: Vec<_> = session
            .flying
            .iter()
            .map(|flying| (flying.from, flying.to, flying.bytes.clone()))
            .collect();
        for (from, to, genuine) in flying {
            for _ in 0..copies {
                let bytes = self.spoiled(&genuine);
                let peer = match to == session.a.address {
                    true => &mut session.a,
                    false => &mut session.b,
                };
                peer.transport.receive(session.now, to, from, &bytes);
                drain(peer, session.now, session.delay, &mut session.flying);
            }
        }
    }
}

#[test]
fn a_connection_that_stands_goes_on() {
    let mut session = Session::speaking();
    session.connect();
    let mut dice = Dice(0x5EED);
    for frame in 0..400_u32 {
        session.a.say(session.now, 0, &frame.to_be_bytes());
        session.b.say(session.now, 0, &frame.to_be_bytes());
        // Reports and checks are in flight now and then.
        for _ in 0..4 {
            session.run(Duration::from_millis(5));
            dice.disturb(&mut session, 3);
        }
    }
    session.run(Duration::from_millis(50));
    for peer in [&session.a, &session.b] {
        assert_eq!(peer.state(), TransportState::Connected);
        let heard: Vec<u32> = peer
            .packets
            .iter()
            .map(|packet| u32::from_be_bytes(packet.payload[..].try_into().unwrap()))
            .collect();
        assert_eq!(heard, (0..400).collect::<Vec<_>>());
    }
}

#[test]
fn a_beginning_that_is_disturbed_ends_one_way_or_the_other() {
    let mut connected = 0;
    for seed in 1..=40 {
        let mut dice = Dice(seed * 0x9E37_79B9);
        let mut session = Session::speaking();
        session.negotiate();
        for _ in 0..200 {
            session.run(Duration::from_millis(5));
            dice.disturb(&mut session, 1);
        }
        // Who guesses the addresses of both sides can stop a handshake (there is no key yet), but
        // nothing else.
        session.run(Duration::from_secs(35));
        for peer in [&session.a, &session.b] {
            assert!(
                matches!(
                    peer.state(),
                    TransportState::Connected | TransportState::Failed | TransportState::Closed
                ),
                "{:?}",
                peer.events
            );
        }
        connected += u32::from(session.a.state() == TransportState::Connected);
    }
    assert!(connected > 0);
}

const ODD: [&str; 8] = [
    "0",
    "-1",
    "255",
    "65536",
    "4294967296",
    "99999999999999999999999",
    "\u{1F600}",
    "",
];

/// A description with a line or a number changed.
fn spoiled_description(dice: &mut Dice, genuine: &str) -> String {
    let mut lines: Vec<String> = genuine.lines().map(str::to_owned).collect();
    for _ in 0..=dice.roll(3) {
        let place = dice.roll(lines.len());
        match dice.roll(5) {
            0 => drop(lines.remove(place)),
            1 => lines.insert(dice.roll(lines.len()), lines[place].clone()),
            2 => lines[place] = lines[place].repeat(300),
            3 => {
                let line = &lines[place];
                let cut = dice.roll(line.chars().count() + 1);
                lines[place] = line.chars().take(cut).collect();
            }
            _ => {
                let mut words: Vec<&str> = lines[place].split_inclusive([' ', ':', '/']).collect();
                let word = dice.roll(words.len());
                if let Some(word) = words.get_mut(word) {
                    *word = ODD[dice.roll(ODD.len())];
                }
                lines[place] = words.concat();
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

#[test]
fn descriptions_of_any_kind_are_applied_or_refused() {
    let now = std::time::Instant::now();
    let mut dice = Dice(0xD15C);
    let mut applied = [0, 0];
    for _ in 0..400 {
        let Session { mut a, mut b, .. } = Session::speaking();
        let offer = spoiled_description(&mut dice, &a.offer(now));
        if let Ok(offer) = Description::read(&offer) {
            b.take_candidates(&offer);
            if b.negotiation.set_remote(Kind::Offer, offer).is_ok()
                && let Ok(answer) = b.negotiation.create_answer()
                && let Ok(plan) = b.negotiation.set_local(Kind::Answer, answer)
            {
                b.apply(now, plan);
                b.say(now, 0, &[1]);
                b.transport.timeout(now);
                drain(&mut b, now, Duration::ZERO, &mut Vec::new());
                applied[0] += 1;
            }
        }
        let mut other = Peer::new("192.0.2.3:7000", false);
        other.speaks(33);
        let answer = spoiled_description(&mut dice, &other.answer(now, &a.offer(now)));
        if let Ok(answer) = Description::read(&answer) {
            a.take_candidates(&answer);
            if let Ok(plan) = a.negotiation.set_remote(Kind::Answer, answer) {
                a.apply(now, plan);
                a.transport.timeout(now);
                drain(&mut a, now, Duration::ZERO, &mut Vec::new());
                applied[1] += 1;
            }
        }
    }
    assert!(applied.iter().all(|count| *count > 50), "{applied:?}");
}

#[test]
fn credentials_too_long_for_a_check_are_none() {
    let mut a = Peer::new("192.0.2.1:5000", false);
    a.speaks(11);
    let offer = a.offer(std::time::Instant::now());
    let name = format!("a=ice-ufrag:{}", "x".repeat(2_000));
    let long: String = offer
        .lines()
        .map(|line| match line.starts_with("a=ice-ufrag") {
            true => format!("{name}\r\n"),
            false => format!("{line}\r\n"),
        })
        .collect();
    let read = Description::read(&long).unwrap();
    assert!(read.sections[0].ice.is_none());
    let mut b = Peer::new("192.0.2.2:6000", false);
    assert!(b.negotiation.set_remote(Kind::Offer, read).is_err());
}

#[test]
fn a_packet_too_long_for_a_network_is_not_sent() {
    let mut session = Session::speaking();
    session.connect();
    let now = session.now;
    assert!(!session.a.say(now, 0, &[0; 3_000]));
    assert!(session.a.say(now, 0, &[0; 1_388]));
    session.run(Duration::from_millis(50));
    assert_eq!(session.b.packets.len(), 1);
}
