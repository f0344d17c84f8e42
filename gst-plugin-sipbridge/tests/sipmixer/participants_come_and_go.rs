// SPDX-License-Identifier: MPL-2.0

use super::*;
use kit::{Ear, eventually, match_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

fn add_guest(line: &Line) -> (gst::Element, gst::Pad, gst::Element) {
    let mixer = line.element("m");
    let sink = mixer.request_pad_simple("sink_%u").unwrap();
    let source = gst::ElementFactory::make("audiotestsrc")
        .property("is-live", true)
        .property("volume", 0.01)
        .property_from_str("wave", "white-noise")
        .build()
        .unwrap();
    let ear = gst::ElementFactory::make("fakesink")
        .property("sync", false)
        .property("async", false)
        .build()
        .unwrap();
    line.pipeline.add_many([&source, &ear]).unwrap();
    let caps = gst::Caps::builder("audio/x-raw")
        .field("rate", 8_000)
        .field("channels", 1);
    let filter = gst::ElementFactory::make("capsfilter")
        .property("caps", caps.build())
        .build()
        .unwrap();
    line.pipeline.add(&filter).unwrap();
    source.link(&filter).unwrap();
    filter.static_pad("src").unwrap().link(&sink).unwrap();
    let number = sink.name().strip_prefix("sink_").unwrap().to_owned();
    mixer
        .link_pads(Some(&format!("minus_{number}")), &ear, Some("sink"))
        .unwrap();
    for element in [&ear, &filter, &source] {
        element.sync_state_with_parent().unwrap();
    }
    (source, sink, ear)
}

/// Forty guests, one after the other and together, in a room that runs; the two who stay notice
/// nothing but their noise.
#[test]
fn guests_join_and_leave_while_it_runs() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m speech-threshold=-100 {} {}",
            person(0, 8_000),
            person(1, 8_000)
        ));
        let ear = Ear::on(&line, "ear1");
        let said = voice(2, 20.0);
        line.play();
        say(&line, "mouth0", &said, false);
        let mixer = line.element("m");
        for round in 0..10 {
            let guests: Vec<_> = (0..4).map(|_| add_guest(&line)).collect();
            let heard = watch(
                &mixer
                    .static_pad(&guests[0].1.name().replace("sink", "minus"))
                    .unwrap(),
            );
            eventually("the guest hears", || heard.lock().unwrap().len() > 3);
            for (source, sink, ear) in guests {
                // In whatever order: the pad may go before or after what is linked to it.
                let mouth = sink.peer().unwrap();
                let filter = mouth.parent_element().unwrap();
                if round % 2 == 0 {
                    // A source that runs on without a peer would end in "not-linked".
                    kit::hold(&mouth);
                    mixer.release_request_pad(&sink);
                }
                // Downstream first: that wakes a thread which is held at the filter.
                for element in [&ear, &filter, &source] {
                    element.set_state(gst::State::Null).unwrap();
                    line.pipeline.remove(element).unwrap();
                }
                if round % 2 == 1 {
                    mixer.release_request_pad(&sink);
                }
            }
            assert_eq!(mixer.num_pads(), 4);
        }
        let from = ear.samples().len();
        eventually("a second more", || ear.samples().len() > from + 8_000);
        let heard = ear.samples();
        // What was said while they came and went.
        let found = match_of(&said, &heard, 8_000);
        assert!(found > 0.8, "{found}");
        line.no_errors();
    })
}

/// A number that was asked for is given, one that is taken is not, and none comes twice at a time.
#[test]
fn pads_have_the_numbers_that_were_asked_for() {
    kit::init();
    let mixer = gst::ElementFactory::make("sipmixer").build().unwrap();
    let asked = mixer.request_pad_simple("sink_7").unwrap();
    assert_eq!(asked.name(), "sink_7");
    assert!(mixer.static_pad("minus_7").is_some());
    let any: Vec<String> = (0..8)
        .map(|_| {
            mixer
                .request_pad_simple("sink_%u")
                .unwrap()
                .name()
                .to_string()
        })
        .collect();
    let mut unique = any.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 8);
    assert!(!any.iter().any(|name| name == "sink_7"));
    mixer.release_request_pad(&asked);
    assert!(mixer.static_pad("minus_7").is_none());
    assert!(mixer.request_pad_simple("sink_7").is_some());
}

/// What is more than its thread carries would be late for everybody in it.
#[test]
fn a_room_that_takes_too_much_of_its_thread_lets_nobody_more_in() {
    let line = Line::new(&format!("sipmixer name=m {}", person(0, 8_000)));
    line.play();
    say(&line, "mouth0", &voice(2, 20.0), false);
    let mixer = line.element("m");
    let load = || -> f64 {
        let stats = mixer.property::<gst::Structure>("stats");
        stats.get("load").unwrap()
    };
    eventually("the room works", || load() > 0.0);
    mixer.set_property("max-load", 1e-12);
    assert!(mixer.request_pad_simple("sink_%u").is_none());
    let bus = line.pipeline.bus().unwrap();
    let warning = bus
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(5),
            &[gst::MessageType::Warning],
        )
        .expect("it says why");
    let gst::MessageView::Warning(warning) = warning.view() else {
        unreachable!("nothing else was asked for")
    };
    assert!(warning.error().matches(gst::ResourceError::NoSpaceLeft));
    assert!(warning.error().message().contains("max-load"));
    mixer.set_property("max-load", 0.8);
    let (_source, sink, _ear) = add_guest(&line);
    mixer.release_request_pad(&sink);
}

/// A seat is taken before it is known who sits down there: the bin around the mixer has a pad that leads nowhere.
#[test]
fn a_pad_that_leads_nowhere_yet_gets_no_thread() {
    kit::init();
    let pipeline = gst::Pipeline::new();
    let bin = gst::parse::bin_from_description("sipmixer name=m context=rooms", false).unwrap();
    let phone = gst::ElementFactory::make("sipsink")
        .property("call", "nobody")
        .property("context", "rooms")
        .build()
        .unwrap();
    pipeline.add(&bin).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mixer = bin.by_name("m").unwrap();
    mixer.request_pad_simple("sink_0").unwrap();
    let minus = mixer.static_pad("minus_0").unwrap();
    let heard = gst::GhostPad::with_target(&minus).unwrap();
    heard.set_active(true).unwrap();
    bin.add_pad(&heard).unwrap();
    pipeline.add(&phone).unwrap();
    phone.sync_state_with_parent().unwrap();
    heard.link(&phone.static_pad("sink").unwrap()).unwrap();
    eventually("it hears the room", || heard.has_current_caps());
    assert_eq!(minus.task_state(), gst::TaskState::Stopped);
    pipeline.set_state(gst::State::Null).unwrap();
}
