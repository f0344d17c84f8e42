// SPDX-License-Identifier: MPL-2.0
//! RTCP both ways: the far end's view of our loss and jitter, and the round trip.

use rtcp_types::{Compound, Packet};

use super::*;

/// Carries reports between two legs for a while, `delay` each way; Alice talks, every `drop`th
/// packet of hers is lost.
fn talk(delay: Duration, drop: u32) -> (Leg, Leg) {
    let mut now = Instant::now();
    let end = now + Duration::from_secs(30);
    let (mut alice, mut bob) = (leg(now, 1, 60 * MS), leg(now, 2, 60 * MS));
    alice.apply(now, &agreement(BOB, Codec::Pcmu));
    bob.apply(now, &agreement(ALICE, Codec::Pcmu));
    let mut wire: Vec<(Instant, bool, bool, Vec<u8>)> = Vec::new();
    let mut number = 0;
    while now < end {
        now += 20 * MS;
        number += 1;
        for (is_alice, leg) in [(true, &mut alice), (false, &mut bob)] {
            let audio = leg.send_audio(&[0; 160], 160).unwrap().bytes.to_vec();
            if !is_alice || number % drop != 0 {
                wire.push((now + delay, is_alice, false, audio));
            }
            if let Some(report) = leg.timeout(now) {
                assert_eq!(report.to.port() % 2, 1);
                wire.push((now + delay, is_alice, true, report.bytes.to_vec()));
            }
        }
        wire.retain(|(at, from_alice, report, bytes)| {
            if *at > now {
                return true;
            }
            let (leg, from) = if *from_alice {
                (&mut bob, address(ALICE))
            } else {
                (&mut alice, address(BOB))
            };
            if *report {
                let from = SocketAddr::new(from.ip(), from.port() + 1);
                leg.receive_rtcp(*at, from, bytes);
            } else {
                leg.receive_rtp(*at, from, bytes);
            }
            false
        });
    }
    (alice, bob)
}

#[test]
fn loss_and_round_trip_are_known_to_the_sender() {
    let (mut alice, bob) = talk(40 * MS, 10);
    let seen = alice.stats();
    let loss = seen.remote_loss_percent.unwrap();
    assert!((8.0..=12.0).contains(&loss), "{loss}");
    for leg in [&alice, &bob] {
        let round_trip = leg.stats().round_trip.unwrap();
        assert!(
            (round_trip.as_secs_f64() - 0.080).abs() < 0.003,
            "{round_trip:?}"
        );
    }
    assert!(seen.remote_jitter_ms.unwrap() < 5.0);
    // One packet in ten is missed there.
    let remote_mos = seen.remote_mos.unwrap();
    assert!((2.8..4.0).contains(&remote_mos), "{remote_mos}");
    assert_eq!(bob.stats().malformed, 0);
    assert!((140..=150).contains(&bob.stats().lost));
    // As of the last report, up to 7.5 s old.
    assert!((100..=150).contains(&seen.remote_lost.unwrap()));
    let told = alice.poll_event();
    assert_eq!(told, Some(LegEvent::Sending), "the first packet is told of");
}

#[test]
fn the_last_report_says_goodbye() {
    let (mut alice, _) = talk(5 * MS, 1_000);
    let bytes = alice.goodbye(Instant::now()).unwrap().bytes.to_vec();
    let packets: Vec<_> = Compound::parse(&bytes)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let [Packet::Sr(report), Packet::Sdes(names), Packet::Bye(bye)] = &packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!(report.ssrc(), 1);
    assert_eq!(report.packet_count(), 1_500);
    let name = names.chunks().next().unwrap().items().next().unwrap();
    assert_eq!(name.get_value_string().unwrap(), "leg-1");
    assert_eq!(bye.ssrcs().collect::<Vec<_>>(), [1]);
}
