// SPDX-License-Identifier: MPL-2.0
//! While a digit is passed on, audio does not talk over it, and time goes on under it.

use super::*;

#[test]
fn a_digit_takes_the_place_of_audio() {
    let mut story = Story::new(Codec::Pcmu, Codec::Pcmu);
    story.to.queue_digits("5", 100).unwrap();
    let mut due = Some(story.now);
    for payload in spoken(Codec::Pcmu, 20) {
        let packet = story.say(&payload, 160);
        story.arrive(&packet);
        if due.is_some_and(|due| due <= story.now) {
            let mut out = Out {
                at: story.now - story.begin,
                sent: &mut story.sent,
            };
            due = story.way.digits(story.now, &mut story.to, &mut out);
        }
        story.pass(PTIME);
    }
    let types: Vec<u8> = story.sent.iter().map(|sent| sent.payload_type).collect();
    let digits = types.iter().take_while(|kind| **kind == 101).count();
    // Five packet times and two more ends.
    assert_eq!(digits, 7, "{types:?}");
    assert!(types[digits..].iter().all(|kind| *kind == 0), "{types:?}");
    assert!(story.sent[..digits].iter().all(|sent| sent.payload[0] == 5));
    let audio = &story.sent[digits];
    assert!(audio.marker);
    let since = audio.timestamp.wrapping_sub(story.sent[0].timestamp);
    let passed = (audio.at - story.sent[0].at).as_millis() as u32 * 8;
    assert!(since.abs_diff(passed) <= 160, "{since} for {passed}");
}
