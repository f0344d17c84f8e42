// SPDX-License-Identifier: MPL-2.0
//! Two phones ring and send early media; the one that picks up is heard.

use sip_ua::sdp::Codec;
use sipbridge_measure::steady::asserted_steadily;

use crate::phone::{Bridge, Phone, hear_each_other};

#[test]
fn whoever_answered_last_is_heard() {
    asserted_steadily(|| {
        let bridge = Bridge::new("profile=rtp_to_srtp");
        let mut alice = Phone::new(&[Codec::Pcmu, Codec::Pcma]);
        let (mut carol, mut dave) = (Phone::secure(&[Codec::Pcma]), Phone::secure(&[Codec::Pcmu]));
        let offer = bridge.offer("alice", &alice.offer()).unwrap();
        let of_carol = carol.answer(&offer);
        alice.accept(&bridge.answer("alice", "carol", &of_carol).unwrap());
        hear_each_other(&mut alice, &mut carol);
        let of_dave = dave.answer(&offer);
        alice.accept(&bridge.answer("alice", "dave", &of_dave).unwrap());
        hear_each_other(&mut alice, &mut dave);
        assert_eq!(bridge.stats("b").get::<&str>("tag"), Ok("dave"));
    });
}
