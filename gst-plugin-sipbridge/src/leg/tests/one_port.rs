// SPDX-License-Identifier: MPL-2.0
//! RTP and RTCP on one port (RFC 5761): told apart, counted apart, sent to the same place.

use super::*;

#[test]
fn reports_come_and_go_where_the_media_does() {
    let start = Instant::now();
    let (mut alice, mut bob) = (leg(start, 1, 60 * MS), leg(start, 2, 60 * MS));
    for (leg, with) in [(&mut alice, BOB), (&mut bob, ALICE)] {
        let agreed = Negotiated {
            remote_rtcp: address(with),
            rtcp_mux: true,
            ..agreement(with, Codec::Pcmu)
        };
        leg.apply(start, &agreed);
        assert!(leg.rtcp_mux());
    }
    let mut reports = 0;
    for step in 0..1_500 {
        let now = start + 20 * MS * step;
        for alice_sends in [true, false] {
            let (from, to, sender, receiver) = if alice_sends {
                (ALICE, BOB, &mut alice, &mut bob)
            } else {
                (BOB, ALICE, &mut bob, &mut alice)
            };
            let audio = sender.send_audio(&[0x7f; 160], 160).unwrap();
            assert_eq!(audio.to, address(to));
            receiver.receive_rtp(now, address(from), audio.bytes);
            if let Some(report) = sender.timeout(now) {
                assert_eq!(report.to, address(to));
                receiver.receive_rtp(now, address(from), report.bytes);
                reports += 1;
            }
        }
    }
    assert!(reports >= 8, "{reports}");
    for leg in [&alice, &bob] {
        let stats = leg.stats();
        assert_eq!((stats.malformed, stats.foreign, stats.lost), (0, 0, 0));
        assert!((1_499..=1_500).contains(&stats.packets_received));
        assert!(stats.round_trip.is_some());
        assert_eq!(stats.remote_loss_percent, Some(0.0));
    }
}

#[test]
fn behind_a_nat_they_follow_the_media() {
    let now = Instant::now();
    let mut bob = leg(now, 2, 60 * MS);
    let agreed = Negotiated {
        remote_rtcp: address(ALICE),
        rtcp_mux: true,
        ..agreement(ALICE, Codec::Pcmu)
    };
    bob.apply(now, &agreed);
    let mut alice = leg(now, 1, 60 * MS);
    alice.apply(now, &agreement(BOB, Codec::Pcmu));
    let outside = address("203.0.113.7:40000");
    for _ in 0..4 {
        let audio = alice.send_audio(&[0x7f; 160], 160).unwrap().bytes.to_vec();
        bob.receive_rtp(now, outside, &audio);
    }
    let report = bob.goodbye(now).unwrap();
    assert_eq!(report.to, outside);
}
