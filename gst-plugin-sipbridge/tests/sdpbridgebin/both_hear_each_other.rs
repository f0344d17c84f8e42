// SPDX-License-Identifier: MPL-2.0
//! Whatever each side speaks, what is said on one is heard on the other.

use std::net::IpAddr;

use sip_ua::sdp::Codec;
use sipbridge_measure::steady::asserted_steadily;

use crate::phone::{Bridge, Phone, hear_each_other};

#[test]
fn in_the_same_codec_packets_pass() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
        let agreed = bridge.call(&mut alice, &mut bob);
        assert!(agreed.rtcp_mux);
        hear_each_other(&mut alice, &mut bob);
        for side in ["a", "b"] {
            let stats = bridge.stats(side);
            assert!(
                stats.get::<u64>("packets-received").unwrap() > 10,
                "{stats}"
            );
            assert!(!stats.has_field("srtp-suite"), "{stats}");
        }
        bridge.line.no_errors();
    });
}

#[test]
fn one_side_is_encrypted_and_the_other_is_not() {
    asserted_steadily(|| {
        for (profile, encrypted, plain) in [("srtp_to_rtp", "a", "b"), ("rtp_to_srtp", "b", "a")] {
            let bridge = Bridge::new(&format!("profile={profile}"));
            let (mut secure, mut open) =
                (Phone::secure(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
            if encrypted == "a" {
                bridge.call(&mut secure, &mut open);
            } else {
                bridge.call(&mut open, &mut secure);
            }
            hear_each_other(&mut secure, &mut open);
            assert!(bridge.stats(encrypted).has_field("srtp-suite"), "{profile}");
            assert!(!bridge.stats(plain).has_field("srtp-suite"), "{profile}");
        }
    });
}

#[test]
fn codecs_that_differ_are_transcoded() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::new(&[Codec::Opus]));
        bridge.call(&mut alice, &mut bob);
        hear_each_other(&mut alice, &mut bob);
        let codec = |side| bridge.stats(side).get::<String>("codec").unwrap();
        assert_eq!((codec("a").as_str(), codec("b").as_str()), ("PCMU", "opus"));
    });
}

#[test]
fn one_side_is_ipv6_with_a_port_for_rtcp_and_a_profile_with_feedback() {
    asserted_steadily(|| {
        let bridge =
            Bridge::new("side-b=\"side,address=(string)::1,rtcp-mux=false,feedback=true\"");
        let loopback: IpAddr = "::1".parse().unwrap();
        let (mut alice, mut bob) = (
            Phone::new(&[Codec::Pcma]),
            Phone::at(loopback, &[Codec::Pcma]),
        );
        let offer = bridge.offer("alice", &alice.offer()).unwrap();
        assert!(
            offer.contains("IP6 ::1") && offer.contains(" RTP/AVPF "),
            "{offer}"
        );
        let answer = bob.answer(&offer);
        assert!(!answer.contains("rtcp-mux"), "{answer}");
        alice.accept(&bridge.answer("alice", "bob", &answer).unwrap());
        hear_each_other(&mut alice, &mut bob);
    });
}
