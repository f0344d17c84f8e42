// SPDX-License-Identifier: MPL-2.0
//! What the reader takes it writes so that it reads the same again; what it cannot take it
//! refuses; it never panics. Over the torture messages, whole and damaged.

use std::time::{Duration, Instant};

use sip_ua::digest::Challenge;
use sip_ua::wire::{Message, NameAddr, Uri, Via, read_datagram, validate};

use crate::corpus;

const ITERATIONS: u32 = 200_000;
/// A slow machine does fewer iterations rather than take longer.
const BUDGET: Duration = Duration::from_secs(8);

/// SplitMix64: a run is repeated by its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Octets that mean something to the grammar.
const TELLING: &[u8] = b"\r\n\t \0\"<>;,:@?=/%[]*\\\xff1";

fn damage(message: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(message.len());
    match random.below(7) {
        0 if !message.is_empty() => message[at] = random.next() as u8,
        1 => message.insert(at, TELLING[random.below(TELLING.len())]),
        2 if !message.is_empty() => {
            message.remove(at);
        }
        3 => message.truncate(at),
        4 => {
            let end = (at + random.below(40)).min(message.len());
            let piece = message[at..end].to_vec();
            let to = random.below(message.len());
            message.splice(to..to, piece);
        }
        5 => {
            let from = random.below(other.len());
            let end = (from + random.below(80)).min(other.len());
            message.splice(at..at, other[from..end].iter().copied());
        }
        _ => {
            let end = (at + random.below(20)).min(message.len());
            message.drain(at..end);
        }
    }
}

/// Reads, types every part, writes, and reads again.
fn exercise(octets: &[u8]) {
    let Ok(message) = read_datagram(octets) else {
        return;
    };
    let core = validate(&message).ok();
    let written = message.to_bytes();
    let again = read_datagram(&written).expect("what was written can be read");
    match (&message, &again) {
        (Message::Request(a), Message::Request(b)) => {
            assert_eq!((&a.method, a.uri.to_bytes()), (&b.method, b.uri.to_bytes()));
        }
        (Message::Response(a), Message::Response(b)) => {
            assert_eq!((a.status, &a.reason), (b.status, &b.reason));
        }
        _ => panic!("a request became a response"),
    }
    assert_eq!(message.body(), again.body());
    assert_eq!(core.is_some(), validate(&again).is_ok());
    if let (Some(core), Ok(again)) = (core, validate(&again)) {
        let vias =
            |core: &sip_ua::wire::Core| -> Vec<_> { core.via.iter().map(Via::to_bytes).collect() };
        assert_eq!(vias(&core), vias(&again));
        assert_eq!(core.from.to_bytes(), again.from.to_bytes());
        assert_eq!((core.call_id, core.cseq), (again.call_id, again.cseq));
    }
    assert_eq!(written, again.to_bytes(), "writing is stable");
}

#[test]
fn torture_messages_survive_writing() {
    for case in corpus::rfc4475().iter().chain(&corpus::rfc5118()) {
        exercise(&case.octets);
    }
}

#[test]
fn damaged_messages_never_panic_and_what_is_taken_is_stable() {
    let corpus: Vec<_> = corpus::rfc4475()
        .into_iter()
        .chain(corpus::rfc5118())
        .collect();
    let mut random = Random(0x5eed_0451_0000_0002);
    let started = Instant::now();
    let mut done = 0;
    while done < ITERATIONS && started.elapsed() < BUDGET {
        let mut message = corpus[random.below(corpus.len())].octets.clone();
        let other = &corpus[random.below(corpus.len())].octets;
        for _ in 0..=random.below(6) {
            damage(&mut message, other, &mut random);
        }
        exercise(&message);
        done += 1;
    }
    println!("{done} damaged messages in {:?}", started.elapsed());
}

#[test]
fn every_typed_reader_bears_every_damaged_value() {
    let corpus = corpus::rfc4475();
    let mut random = Random(0x5eed_0451_0000_0003);
    for _ in 0..20_000 {
        let mut message = corpus[random.below(corpus.len())].octets.clone();
        let other = &corpus[random.below(corpus.len())].octets;
        damage(&mut message, other, &mut random);
        for line in message.split(|o| *o == b'\n') {
            let value = line
                .splitn(2, |o| *o == b':')
                .last()
                .unwrap_or_default()
                .trim_ascii();
            if let Ok(address) = NameAddr::parse(value) {
                let again = NameAddr::parse(&address.to_bytes()).expect("what was written");
                assert_eq!(
                    address.display.unwrap_or_default(),
                    again.display.unwrap_or_default()
                );
                assert_eq!(address.uri.to_bytes(), again.uri.to_bytes());
            }
            if let Ok(via) = Via::parse(value) {
                let again = Via::parse(&via.to_bytes()).expect("what was written");
                assert_eq!(
                    (via.received(), via.rport()),
                    (again.received(), again.rport())
                );
            }
            if let Ok(uri) = Uri::parse(value) {
                assert!(uri == uri.clone());
                assert_eq!(
                    uri.to_bytes(),
                    Uri::parse(&uri.to_bytes()).unwrap().to_bytes()
                );
            }
            let _ = Challenge::parse(value);
        }
    }
}

#[test]
fn noise_is_refused() {
    let mut random = Random(7);
    for _ in 0..20_000 {
        let noise: Vec<u8> = (0..random.below(300))
            .map(|_| random.next() as u8)
            .collect();
        assert!(read_datagram(&noise).is_err());
    }
}
