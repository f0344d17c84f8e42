// SPDX-License-Identifier: MPL-2.0

use super::*;
use kit::{Ear, eventually, match_of, most_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

const PHONE: &str = "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
     appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate=8000,channels=1 ! s. \
     s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false";

fn caps_of(line: &Line, pad: &str) -> Option<String> {
    let pad = line.element("m").static_pad(pad).unwrap();
    let caps = pad.current_caps()?;
    Some(caps.structure(0)?.name().to_string())
}

/// The line of the element's page: two phones are called, of different codecs, and talk. Each is sent
/// the packets of its own codec, which the mixer makes.
#[test]
fn two_phones_of_two_codecs_talk() {
    asserted_steadily(|| {
        let (alice, alice_uri) = Line::answering(PHONE);
        let (bob, bob_uri) = Line::answering(PHONE);
        let ears = [&alice, &bob].map(|phone| Ear::on(phone, "ear"));
        let room = Line::new(&format!(
            "sipmixer name=m sipsrc call=a uri={alice_uri} codecs=<opus> ! m.sink_0 m.minus_0 ! sipsink call=a \
         sipsrc call=b uri={bob_uri} codecs=<pcma> ! m.sink_1 m.minus_1 ! sipsink call=b"
        ));
        room.play();
        eventually("opus", || {
            caps_of(&room, "minus_0").as_deref() == Some("audio/x-opus")
        });
        eventually("a-law", || {
            caps_of(&room, "minus_1").as_deref() == Some("audio/x-alaw")
        });
        let voices = [11, 12].map(|seed| voice(seed, 3.0));
        let from = ears.each_ref().map(|ear| ear.samples().len());
        say(&alice, "mouth", &voices[0], false);
        say(&bob, "mouth", &voices[1], false);
        eventually("the words", || {
            let came = ears
                .iter()
                .zip(from)
                .map(|(ear, from)| ear.samples().len() - from);
            came.min() > Some(3 * 8_000)
        });
        let heard = ears.map(|ear| ear.samples());
        let to_alice = most_of(&voices[1], &heard[0], 0);
        let to_bob = most_of(&voices[0], &heard[1], 0);
        assert!(to_alice > 0.8 && to_bob > 0.8, "{to_alice} {to_bob}");
        assert!(match_of(&voices[0], &heard[0], 12_000) < 0.4);
        assert!(match_of(&voices[1], &heard[1], 12_000) < 0.4);
        room.no_errors();
    })
}

/// With a `sipbin` both ways.
#[test]
fn one_phone_alone_does_not_hear_itself_and_its_call_ends_cleanly() {
    asserted_steadily(|| {
        let (phone, uri) = Line::answering(PHONE);
        let ear = Ear::on(&phone, "ear");
        let room = Line::new(&format!(
            "sipmixer name=m sipbin name=a uri={uri} codecs=<pcmu> a. ! m.sink_0 m.minus_0 ! a."
        ));
        room.play();
        eventually("mu-law", || {
            caps_of(&room, "minus_0").as_deref() == Some("audio/x-mulaw")
        });
        let said = voice(13, 1.5);
        say(&phone, "mouth", &said, false);
        let from = ear.samples().len();
        eventually("audio", || ear.samples().len() > from + 2 * 8_000);
        assert!(match_of(&said, &ear.samples(), 4_000) < 0.4);
        let heard = ear.samples();
        assert!(
            heard[from..]
                .iter()
                .all(|sample| sample.unsigned_abs() < 500)
        );
        room.pipeline.set_state(gst::State::Null).unwrap();
        phone.wait_state("ended");
    })
}
