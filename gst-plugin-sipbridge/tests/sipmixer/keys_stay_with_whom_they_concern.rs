// SPDX-License-Identifier: MPL-2.0

use super::*;
use kit::{eventually, say, voice};

fn key(number: i32) -> gst::Structure {
    gst::Structure::builder("dtmf-event")
        .field("type", 1i32)
        .field("number", number)
        .field("start", true)
        .build()
}

/// The custom events that pass a pad, by number of the key.
fn keys(pad: &gst::Pad) -> Arc<Mutex<Vec<i32>>> {
    let seen: Arc<Mutex<Vec<i32>>> = Arc::default();
    let see = seen.clone();
    pad.add_probe(gst::PadProbeType::EVENT_BOTH, move |_, info| {
        let structure = info.event().and_then(|event| event.structure());
        if let Some(structure) = structure.filter(|s| s.name() == "dtmf-event") {
            see.lock().unwrap().push(structure.get("number").unwrap());
        }
        gst::PadProbeReturn::Ok
    });
    seen
}

/// What one participant's far end pressed is not pressed on the others' phones, nor on their own.
#[test]
fn a_key_that_comes_in_goes_nowhere() {
    let line = Line::new(&format!(
        "sipmixer name=m {} {}",
        person(0, 8_000),
        person(1, 8_000)
    ));
    let mixer = line.element("m");
    let minus = [0, 1].map(|n| mixer.static_pad(&format!("minus_{n}")).unwrap());
    let out = minus.each_ref().map(keys);
    let heard = minus.each_ref().map(watch);
    let sink = mixer.static_pad("sink_0").unwrap();
    let came = keys(&sink);
    line.play();
    eventually("the room runs", || {
        heard.iter().all(|heard| heard.lock().unwrap().len() > 2)
    });
    // As sipsrc sends them: amid the audio.
    let mouth = sink.peer().unwrap();
    say(&line, "mouth0", &voice(1, 0.5), false);
    eventually("a stream", || {
        sink.sticky_event::<gst::event::Segment>(0).is_some()
    });
    assert!(mouth.push_event(gst::event::CustomDownstream::new(key(5))));
    assert!(mouth.push_event(gst::event::CustomDownstreamOob::new(key(6))));
    assert_eq!(*came.lock().unwrap(), [5, 6]);
    let ticks = heard[1].lock().unwrap().len();
    eventually("ten ticks", || heard[1].lock().unwrap().len() > ticks + 10);
    for out in &out {
        assert!(out.lock().unwrap().is_empty());
    }
    line.no_errors();
}

/// What follows a minus pad may ask for a key to be pressed: towards that participant, nobody else.
#[test]
fn a_key_to_be_sent_goes_to_the_participants_own_source() {
    let line = Line::new(&format!(
        "sipmixer name=m {} {}",
        person(0, 8_000),
        person(1, 8_000)
    ));
    let mixer = line.element("m");
    let sources = [0, 1].map(|n| keys(&mixer.static_pad(&format!("sink_{n}")).unwrap()));
    line.play();
    let ear = mixer.static_pad("minus_1").unwrap().peer().unwrap();
    ear.push_event(gst::event::CustomUpstream::new(key(7)));
    let [other, own] = sources.map(|source| source.lock().unwrap().clone());
    assert_eq!((other, own), (vec![], vec![7]));
}
