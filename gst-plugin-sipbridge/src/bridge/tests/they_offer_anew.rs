// SPDX-License-Identifier: MPL-2.0
//! Hold, another codec, a moved address, by either side.

use super::*;

fn version(sdp: &[u8]) -> u64 {
    let origin = lines(sdp, "o=")[0];
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn hold_is_hold_on_the_other_side_and_ends() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let first = story.call();
    story.alice.local.direction = Direction::SendOnly;
    let held = story.call();
    assert_eq!(lines(&held.offer, "a=send"), ["a=sendonly"]);
    assert_eq!(version(&held.offer), version(&first.offer) + 1);
    assert_eq!(held.bob.direction, Direction::RecvOnly);
    let ours = held.bridge.map(|side| side.direction);
    assert_eq!(ours, [Direction::RecvOnly, Direction::SendOnly]);
    assert_eq!(held.alice.direction, Direction::SendOnly);

    story.alice.local.direction = Direction::SendRecv;
    let resumed = story.call();
    let ours = resumed.bridge.map(|side| side.direction);
    assert_eq!(ours, [Direction::SendRecv; 2]);
}

#[test]
fn a_callee_that_holds_in_its_answer_is_obeyed() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    story.bob.local.direction = Direction::Inactive;
    let agreed = story.call();
    assert_eq!(agreed.alice.direction, Direction::Inactive);
}

#[test]
fn no_direction_means_both() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let offer = replaced(&story.alice.offer(), "a=sendrecv\r\n", "");
    let offered = story.exchange.offer(story.now, "alice", None, &offer);
    assert_eq!(lines(&offered.unwrap(), "a=sendrecv").len(), 1);
}

#[test]
fn the_callee_moves_and_changes_codec() {
    let mut story = Story::plain(&[Codec::Pcmu, Codec::Opus], &[Codec::Pcmu, Codec::Opus]);
    assert_eq!(story.call().alice.codec, Codec::Pcmu);
    story.bob.local.rtp_port = 5100;
    story.bob.local.codecs = vec![Codec::Opus];
    let agreed = story.call_back();
    assert_eq!(agreed.bridge[1].remote_rtp.port(), 5100);
    assert_eq!(agreed.bridge[0].remote_rtp.port(), 4000);
    let codecs = agreed.bridge.map(|side| side.codec);
    assert_eq!(codecs, [Codec::Opus, Codec::Opus]);
    // Payload types keep their meaning (RFC 3264 section 8.3.2).
    assert!(text(&agreed.offer).contains("a=rtpmap:111 opus/48000/2"));
}

#[test]
fn a_refresh_says_nothing_new_to_either_side() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let first = story.call();
    // The same offer, word for word (RFC 4028).
    let again = story.call();
    assert_eq!(text(&again.offer), text(&first.offer));
    assert_eq!(text(&again.answer), text(&first.answer));
    assert_eq!(again.bridge, first.bridge);
}

#[test]
fn who_comes_with_another_key_gets_another_one() {
    let mut config = config();
    config.sides[0].srtp = SrtpPolicy::Required;
    let alice = Phone::secure(4000, &[Codec::Pcma]);
    let mut story = Story::new(config, alice, Phone::new(5000, &[Codec::Pcma]));
    let before = story.call().bridge[0].srtp.clone().unwrap();
    let kept = story.call().bridge[0].srtp.clone().unwrap();
    assert_eq!(before, kept);
    story.alice.local.srtp.as_mut().unwrap().renew();
    let after = story.call().bridge[0].srtp.clone().unwrap();
    assert_ne!(before.send, after.send);
    assert_ne!(before.receive, after.receive);
}

#[test]
fn an_offer_that_is_refused_leaves_all_as_it_was() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    story.call();
    story.alice.local.direction = Direction::Inactive;
    story.alice_offers().unwrap();
    assert_eq!(story.exchange.rollback(), Ok(Expired::Offer));
    assert_eq!(story.exchange.rollback(), Err(ExchangeError::NoOffer));
    // Bob refreshes: he knows of no hold.
    story.alice.local.direction = Direction::SendRecv;
    let agreed = story.call_back();
    let ours = agreed.bridge.map(|side| side.direction);
    assert_eq!(ours, [Direction::SendRecv; 2]);
}

#[test]
fn what_nobody_answers_ends_by_itself() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    assert_eq!(story.exchange.next_timeout(), None);
    story.alice_offers().unwrap();
    assert_eq!(story.exchange.next_timeout(), Some(story.now + PATIENCE));
    let nearly = story.now + PATIENCE - Duration::from_millis(1);
    assert_eq!(story.exchange.timeout(nearly), None);
    let over = story.now + PATIENCE;
    assert_eq!(story.exchange.timeout(over), Some(Expired::Bridge));

    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    story.call();
    assert_eq!(story.exchange.next_timeout(), None);
    story.alice_offers().unwrap();
    let over = story.now + PATIENCE;
    assert_eq!(story.exchange.timeout(over), Some(Expired::Offer));
    story.call();
}
