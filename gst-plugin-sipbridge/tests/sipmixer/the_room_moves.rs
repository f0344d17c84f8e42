// SPDX-License-Identifier: MPL-2.0

use super::*;
use kit::{Ear, RATE_HZ, eventually, say, threads_named, voice};
use sipbridge_measure::steady::asserted_steadily;

/// From one media thread to another, while somebody speaks: what is heard is to the bit what was said.
#[test]
fn and_nobody_hears_it() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m context=mixed-here speech-threshold=-100 {} {}",
            person(0, 8_000),
            person(1, 8_000)
        ));
        let said = voice(17, 4.0);
        let ear = Ear::on(&line, "ear1");
        line.play();
        say(&line, "mouth0", &said, false);
        let heard = |seconds: usize| {
            eventually("audio", || ear.samples().len() >= seconds * RATE_HZ);
        };
        let mixer = line.element("m");
        for (second, context) in [(1, "mixed-there"), (2, "mixed-here"), (3, "mixed-there")] {
            heard(second);
            mixer.set_property("context", context);
            let stats = mixer.property::<gst::Structure>("stats");
            assert_eq!(stats.get::<&str>("context"), Ok(context));
        }
        heard(5);
        eventually("the thread that was left ends", || {
            threads_named("mixed-here") == 0
        });
        assert_eq!(threads_named("mixed-there"), 1);
        let stats = mixer.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("ticks-skipped"), Ok(0));
        let heard = ear.samples();
        let probe = &said[RATE_HZ / 2..said.len() - RATE_HZ / 2];
        let at = heard
            .windows(probe.len())
            .position(|window| window == probe);
        assert!(at.is_some(), "three seconds are not there to the bit");
        line.no_errors();
    })
}
