// SPDX-License-Identifier: MPL-2.0

use super::*;
use kit::{Ear, eventually, say, voice};
use sipbridge_measure::steady::asserted_steadily;

#[test]
fn a_live_element_has_no_preroll() {
    asserted_steadily(|| {
        let line = Line::new(&format!("sipmixer name=m {}", person(0, 8_000)));
        let no_preroll = Ok(gst::StateChangeSuccess::NoPreroll);
        let mixer = line.element("m");
        assert_eq!(mixer.set_state(gst::State::Paused), no_preroll);
        line.play();
        eventually("it plays", || stat(&line, "participants") == 1);
        assert_eq!(mixer.set_state(gst::State::Paused), no_preroll);
        assert_eq!(
            mixer.set_state(gst::State::Ready),
            Ok(gst::StateChangeSuccess::Success)
        );
    })
}

#[test]
fn latency_is_one_tick_and_live() {
    asserted_steadily(|| {
        let line = Line::new(&format!("sipmixer name=m {}", person(0, 8_000)));
        line.play();
        let mut query = gst::query::Latency::new();
        let minus = line.element("m").static_pad("minus_0").unwrap();
        assert!(minus.query(&mut query));
        assert_eq!(
            query.result(),
            (true, gst::ClockTime::from_mseconds(20), None)
        );
    })
}

#[test]
fn frames_are_twenty_milliseconds_apart_and_in_time() {
    asserted_steadily(|| {
        let line = Line::new(&format!("sipmixer name=m {}", person(0, 16_000)));
        let ear = Ear::on(&line, "ear0");
        line.play();
        eventually("a second", || ear.times().len() > 50);
        let now = line.pipeline.current_running_time().unwrap();
        let times = ear.times();
        let last = *times.last().unwrap();
        assert!(
            now.saturating_sub(last) < gst::ClockTime::from_mseconds(200),
            "{now} {last}"
        );
        let apart = |w: &[gst::ClockTime]| w[1].saturating_sub(w[0]).mseconds();
        let even = times.windows(2).filter(|w| apart(w) == 20).count();
        // A machine that stands still for long makes it skip ticks; none comes twice.
        assert!(even * 10 >= times.len() * 9, "{even} of {}", times.len());
        assert!(times.windows(2).all(|w| apart(w) >= 20));
    })
}

#[test]
fn pause_stops_the_data_and_play_goes_on() {
    asserted_steadily(|| {
        let line = Line::new(&format!("sipmixer name=m {}", person(0, 8_000)));
        let ear = Ear::on(&line, "ear0");
        line.play();
        eventually("audio", || ear.times().len() > 10);
        line.pipeline.set_state(gst::State::Paused).unwrap();
        let ticks = |line: &Line| {
            let stats = line.element("m").property::<gst::Structure>("stats");
            stats.get::<u64>("ticks").unwrap()
        };
        let before = ticks(&line);
        // What is awaited is that nothing happens.
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(ticks(&line) <= before + 1);
        line.play();
        eventually("audio again", || ticks(&line) > before + 10);
        line.no_errors();
    })
}

/// As every mixer: the end of all that goes in is the end of what comes out.
#[test]
fn files_end() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} {}",
            person(0, 8_000),
            person(1, 8_000)
        ));
        // An appsink ends when all it was given is taken.
        let [_other, ear] = ["ear0", "ear1"].map(|ear| Ear::on(&line, ear));
        line.play();
        let (short, long) = (voice(1, 0.5), voice(2, 1.5));
        say(&line, "mouth0", &short, true);
        say(&line, "mouth1", &long, true);
        line.wait_eos();
        let heard = ear.samples().len();
        assert!((11_000..16_000).contains(&heard), "{heard} samples");
    })
}

#[test]
fn what_cannot_be_given_is_a_warning_that_says_so() {
    asserted_steadily(|| {
        let line = Line::new(
            "sipmixer name=m audiotestsrc is-live=true ! audio/x-raw,rate=8000 ! m.sink_0 \
         appsink name=sink caps=audio/x-raw,format=S16LE,rate=44100,channels=1",
        );
        line.play();
        let mixer = line.element("m");
        let minus = mixer.static_pad("minus_0").unwrap();
        let sink = line.element("sink").static_pad("sink").unwrap();
        minus.link_full(&sink, gst::PadLinkCheck::empty()).unwrap();
        let said = line.wait("a warning", |message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
            _ => None,
        });
        assert!(said.contains("minus_0"), "{said}");
    })
}
