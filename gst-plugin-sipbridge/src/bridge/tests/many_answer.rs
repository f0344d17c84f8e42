// SPDX-License-Identifier: MPL-2.0
//! A proxy forks the offer: several answer it, early and late, and whoever answered last is heard.

use super::*;

/// Another phone answers what Alice offered first.
fn answers(story: &mut Story, tag: &str, port: u16, codec: Codec, offer: &[u8]) -> Answered {
    let (answer, _) = Phone::new(port, &[codec]).answer(offer);
    story.exchange.answer("alice", tag, &answer).unwrap()
}

#[test]
fn whoever_answered_last_is_heard() {
    let mut story = Story::plain(&[Codec::Pcma, Codec::Pcmu], &[Codec::Pcma]);
    let offer = story.alice_offers().unwrap();
    let early = answers(&mut story, "carol", 5002, Codec::Pcmu, &offer);
    assert_eq!(early.agreed[1].remote_rtp.port(), 5002);
    assert_eq!(early.agreed[0].codec, Codec::Pcmu);
    let other = answers(&mut story, "dave", 5004, Codec::Pcma, &offer);
    assert_eq!(other.agreed[1].remote_rtp.port(), 5004);
    assert_eq!(other.agreed[0].codec, Codec::Pcma);
    assert_eq!(story.exchange.tag(Side::B), Some("dave"));
    // Carol picks up: she says the same again.
    let last = answers(&mut story, "carol", 5002, Codec::Pcmu, &offer);
    assert_eq!(last.agreed[1].remote_rtp.port(), 5002);
    assert_eq!(story.exchange.tag(Side::B), Some("carol"));
}

#[test]
fn the_same_answer_again_changes_nothing() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let offer = story.alice_offers().unwrap();
    let early = answers(&mut story, "bob", 5000, Codec::Pcma, &offer);
    let bob = Phone::new(5000, &[Codec::Pcma]);
    let (answer, _) = bob.answer(&offer);
    let again = story.exchange.answer("alice", "bob", &answer).unwrap();
    assert_eq!(text(&again.answer), text(&early.answer));
    assert_eq!(again.agreed[1].remote_rtp, early.agreed[1].remote_rtp);
}

#[test]
fn a_branch_that_was_not_heard_of_answers_the_first_offer_however_late() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let offer = story.alice_offers().unwrap();
    answers(&mut story, "carol", 5002, Codec::Pcma, &offer);
    // Early media move (UPDATE): only Carol is asked.
    story.alice.local.rtp_port = 4100;
    let moved = story.alice.offer();
    let for_carol = story
        .exchange
        .offer(story.now, "alice", Some("carol"), &moved)
        .unwrap();
    // Dave's 200 is to the INVITE, in which Alice was elsewhere.
    let dave = answers(&mut story, "dave", 5004, Codec::Pcma, &offer);
    assert_eq!(dave.agreed[0].remote_rtp.port(), 4000);
    // And Carol's is to the UPDATE.
    let carol = answers(&mut story, "carol", 5002, Codec::Pcma, &for_carol);
    assert_eq!(carol.agreed[0].remote_rtp.port(), 4100);
    assert_eq!(story.exchange.next_timeout(), None);
}

#[test]
fn there_are_not_any_number_of_them() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let offer = story.alice_offers().unwrap();
    let (answer, _) = story.bob.answer(&offer);
    let refused = (0..1_000).find_map(|number| {
        let tag = format!("branch {number}");
        story.exchange.answer("alice", &tag, &answer).err()
    });
    assert_eq!(refused, Some(ExchangeError::TooManyAnswers(32)));
}

#[test]
fn what_is_only_considered_has_not_happened() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let offer = story.alice_offers().unwrap();
    let (answer, _) = story.bob.answer(&offer);
    let considered = story.exchange.consider("alice", "bob", &answer).unwrap();
    assert_eq!(considered.answered().agreed[1].remote_rtp.port(), 5000);
    assert_eq!(story.exchange.tag(Side::B), None);
    assert!(story.exchange.next_timeout().is_some());
    // Bob's media cannot be brought up: Carol's can.
    answers(&mut story, "carol", 5002, Codec::Pcma, &offer);
    assert_eq!(story.exchange.tag(Side::B), Some("carol"));
    assert_eq!(story.exchange.next_timeout(), None);
}
