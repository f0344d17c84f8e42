// SPDX-License-Identifier: MPL-2.0
//! Random and mutated datagrams on both sides of a running call: nothing panics, and the call lives.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip_ua::endpoint::CallEvent;

use crate::pair::{ANSWER, OFFER, Pair, Side, ms};
use crate::peer::{request, stranger};

/// One message after another of a whole call, to mutate.
fn corpus() -> Vec<Vec<u8>> {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"hello".to_vec())
    });
    pair.act(Side::Bob, |bob, now| bob.reoffer(now, b, OFFER.to_vec()));
    pair.run(ms(50));
    pair.act(Side::Alice, |alice, now| {
        alice.answer_reoffer(now, a, Ok(ANSWER.to_vec()))
    });
    pair.run(ms(50));
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
    pair.run(ms(50));
    pair.messages.into_iter().map(|(_, bytes)| bytes).collect()
}

fn mutate(rng: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut pick = |n: usize| rng.next_u32() as usize % n.max(1);
    let mut bytes = corpus[pick(corpus.len())].clone();
    for _ in 0..1 + pick(4) {
        let at = pick(bytes.len());
        match pick(7) {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = pick(256) as u8;
                }
            }
            2 => {
                bytes.insert(at, pick(256) as u8);
            }
            3 => {
                let end = (at + pick(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let other = &corpus[pick(corpus.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[pick(other.len())..]);
            }
            5 => {
                let methods = [
                    "INVITE", "BYE", "CANCEL", "ACK", "UPDATE", "INFO", "OPTIONS", "X",
                ];
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let (from, to) = (methods[pick(8)], methods[pick(8)]);
                bytes = text.replace(from, to).into_bytes();
            }
            _ => {
                let line = bytes
                    .split(|b| *b == b'\n')
                    .nth(pick(12))
                    .unwrap_or_default()
                    .to_vec();
                let at = bytes
                    .iter()
                    .position(|b| *b == b'\n')
                    .map_or(0, |at| at + 1);
                bytes.splice(at..at, line.into_iter().chain(*b"\n"));
            }
        }
    }
    bytes
}

#[test]
fn mutations_of_a_call_never_panic() {
    let corpus = corpus();
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..30 {
        let mut pair = Pair::new();
        let (a, b) = pair.up();
        for turn in 0..200 {
            let bytes = mutate(&mut rng, &corpus);
            let side = if turn % 2 == 0 {
                Side::Alice
            } else {
                Side::Bob
            };
            let from = side.other().addr();
            pair.inject(side, from, &bytes);
            if turn % 50 == 0 {
                pair.act(Side::Bob, |bob, now| {
                    bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
                });
                pair.act(Side::Alice, |alice, now| {
                    alice.reoffer(now, a, OFFER.to_vec())
                });
                pair.run(ms(700));
            }
        }
        pair.run(ms(40_000));
    }
}

#[test]
fn noise_from_strangers_harms_no_call() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    let mut rng = StdRng::seed_from_u64(11);
    let corpus = corpus();
    let mut huge = b"INVITE sip:bob@192.0.2.2 SIP/2.0\r\nX: ".to_vec();
    huge.resize(65_000, b'a');
    let mut noise = vec![Vec::new(), b"\r\n\r\n".to_vec(), vec![0; 1_500], huge];
    for _ in 0..2_000 {
        let mut bytes = vec![0; rng.next_u32() as usize % 600];
        rng.fill_bytes(&mut bytes);
        noise.push(bytes);
        noise.push(mutate(&mut rng, &corpus));
    }
    for datagram in noise {
        pair.inject(Side::Bob, stranger(), &datagram);
    }
    assert!(pair.bob.stats().garbage > 2_000);
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"alive".to_vec())
    });
    pair.run(ms(50));
    assert!(matches!(
        pair.events(Side::Bob, b).last(),
        Some(CallEvent::Info { .. })
    ));
}

/// Whatever answers or follows such a message names all of its proxies: it could not be read.
#[test]
fn a_message_that_names_more_proxies_than_can_be_answered_is_refused() {
    let vias = |count: usize| -> String {
        let via = |n| format!("SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{n}");
        let list: Vec<String> = (0..count).map(via).collect();
        let lines = list
            .chunks(20)
            .map(|some| format!("Via: {}", some.join(", ")));
        lines.collect::<Vec<_>>().join("\r\n")
    };
    let routes = |count: usize| {
        format!(
            "Record-Route: {}",
            vec!["<sip:192.0.2.7;lr>"; count].join(", ")
        )
    };
    for (via, routes, answer) in [
        (vias(100), routes(100), Some("SIP/2.0 200")),
        (vias(100), routes(101), Some("SIP/2.0 513")),
        (vias(201), routes(1), Some("SIP/2.0 513")),
        // So many that not even the refusal could be read.
        (vec![vias(1); 220].join("\r\n"), routes(1), None),
    ] {
        let mut pair = Pair::new();
        let options = request("OPTIONS", "hops", &[&via, &routes], "");
        pair.inject(Side::Bob, stranger(), &options);
        let sent = pair.strays.first().map(|(_, message)| &message[..11]);
        assert_eq!(sent, answer.map(str::as_bytes));
    }
}
