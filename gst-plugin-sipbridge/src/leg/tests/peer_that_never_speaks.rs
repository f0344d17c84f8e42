// SPDX-License-Identifier: MPL-2.0
//! Sending stops when nothing ever came back, and begins again when something does.

use super::*;

#[test]
fn we_fall_silent_and_come_back() {
    let now = Instant::now();
    let mut bob = leg(now, 2, 60 * MS);
    bob.apply(now, &agreement(ALICE, Codec::Pcmu));
    assert!(bob.sends());
    let mut at = now;
    while at < now + Duration::from_secs(31) {
        at = bob.next_timeout().unwrap();
        bob.timeout(at);
    }
    assert_eq!(bob.poll_event(), Some(LegEvent::PeerSilent));
    assert!(bob.send_audio(&[0; 160], 160).is_none());

    let mut alice = leg(now, 1, 60 * MS);
    alice.apply(now, &agreement(BOB, Codec::Pcmu));
    let bytes = alice.send_audio(&[0; 160], 160).unwrap().bytes.to_vec();
    bob.receive_rtp(at, address(ALICE), &bytes);
    assert!(bob.send_audio(&[0; 160], 160).is_some());
}

#[test]
fn a_far_end_that_spoke_once_may_be_silent() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(1));
    story.talking = false;
    story.run(Duration::from_secs(120));
    assert!(story.bob.sends());
}
