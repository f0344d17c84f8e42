// SPDX-License-Identifier: MPL-2.0
//! A key pressed on one side is told of, and pressed on the other at that one's clock rate.

use sip_ua::sdp::Codec;
use sipbridge_measure::steady::asserted_steadily;

use crate::phone::{Bridge, Phone};

#[test]
fn from_g711_to_opus() {
    asserted_steadily(|| {
        let bridge = Bridge::new("");
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::new(&[Codec::Opus]));
        bridge.call(&mut alice, &mut bob);
        alice.media.send_digits("7#", 120).unwrap();
        assert_eq!([bob.wait_digit(), bob.wait_digit()], ['7', '#']);
        let told = bridge.wait("dtmf-event");
        assert_eq!(told.get::<&str>("side"), Ok("a"));
        assert_eq!(told.get::<i32>("number"), Ok(7));
        let held = told.get::<u32>("duration").unwrap();
        assert!((100..=160).contains(&held), "{held}");
    });
}
