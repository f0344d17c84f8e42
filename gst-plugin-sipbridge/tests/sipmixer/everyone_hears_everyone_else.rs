// SPDX-License-Identifier: MPL-2.0

use super::*;
use kit::{Ear, eventually, match_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

#[test]
fn three_people_hear_the_others_and_not_themselves() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} {} {}",
            person(0, 8_000),
            person(1, 8_000),
            person(2, 8_000)
        ));
        let voices = [1, 2, 3].map(|seed| voice(seed, 2.0));
        let ears = [0, 1, 2].map(|who| Ear::on(&line, &format!("ear{who}")));
        line.play();
        for (who, voice) in voices.iter().enumerate() {
            say(&line, &format!("mouth{who}"), voice, false);
        }
        for ear in &ears {
            eventually("audio", || ear.samples().len() > 18_000);
        }
        for (me, ear) in ears.iter().enumerate() {
            let heard = ear.samples();
            for (who, voice) in voices.iter().enumerate() {
                let found = match_of(voice, &heard, 8_000);
                if who == me {
                    assert!(found < 0.4, "{me} hears themselves: {found}");
                } else {
                    // One of two voices of the same loudness: 0.7 of the sum.
                    assert!(found > 0.5, "{me} hears {who}: {found}");
                }
            }
        }
        line.no_errors();
    })
}

/// A voice comes out as it went in: same level, no gaps, no change.
#[test]
fn one_voice_passes_unchanged() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m speech-threshold=-100 {} {}",
            person(0, 8_000),
            person(1, 8_000)
        ));
        let said = voice(9, 2.2);
        let ear = Ear::on(&line, "ear1");
        line.play();
        say(&line, "mouth0", &said, false);
        eventually("audio", || ear.samples().len() > 18_000);
        let heard = ear.samples();
        let probe = &said[8_000..16_000];
        let at = heard
            .windows(probe.len())
            .position(|window| window == probe);
        assert!(at.is_some(), "the second second is not there to the bit");
    })
}

/// Each at their own rate.
#[test]
fn a_wide_and_a_narrow_voice_meet() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} {}",
            person(0, 8_000),
            person(1, 48_000)
        ));
        let narrow = voice(4, 2.0);
        let wide: Vec<i16> = voice(5, 2.0).iter().flat_map(|s| [*s; 6]).collect();
        let ears = [0, 1].map(|who| Ear::on(&line, &format!("ear{who}")));
        line.play();
        say(&line, "mouth0", &narrow, false);
        say(&line, "mouth1", &wide, false);
        eventually("audio", || ears[1].samples().len() > 9 * 12_000);
        let to_narrow = match_of(&voice(5, 2.0), &ears[0].samples(), 8_000);
        let heard: Vec<i16> = ears[1].samples().into_iter().step_by(6).collect();
        let to_wide = match_of(&narrow, &heard, 8_000);
        assert!(to_narrow > 0.8 && to_wide > 0.8, "{to_narrow} {to_wide}");
        // Nobody hears the wide voice at its own rate.
        assert_eq!(stat(&line, "rate"), 8_000);
    })
}

#[test]
fn the_bus_is_told_who_speaks() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} {}",
            person(0, 8_000),
            person(1, 8_000)
        ));
        line.play();
        say(&line, "mouth1", &voice(6, 2.0), false);
        let speakers = |wanted: &[&str]| {
            line.wait("sip-speakers", |message| {
                let structure = message.structure().filter(|s| s.name() == "sip-speakers")?;
                let speakers = structure.get::<gst::Array>("speakers").ok()?;
                let names: Vec<&str> = speakers.iter().filter_map(|name| name.get().ok()).collect();
                (names == wanted).then_some(())
            });
        };
        speakers(&["sink_1"]);
        let pad = line.element("m").static_pad("sink_1").unwrap();
        assert!(pad.property::<bool>("speaking"));
        assert!(pad.property::<f64>("level") > -40.0);
        speakers(&[]);
    })
}

/// GstAudioLevelMeta is what depayloaders make of RFC 6464.
#[test]
fn a_level_that_the_sender_told_counts() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} {}",
            person(0, 8_000),
            person(1, 8_000)
        ));
        let ear = Ear::on(&line, "ear1");
        line.play();
        let mouth = line
            .element("mouth0")
            .downcast::<gst_app::AppSrc>()
            .unwrap();
        for frame in voice(7, 2.0).chunks(160) {
            let bytes: Vec<u8> = frame.iter().flat_map(|s| s.to_le_bytes()).collect();
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            gst_audio::AudioLevelMeta::add(buffer.get_mut().unwrap(), 127, false);
            mouth.push_buffer(buffer).unwrap();
        }
        eventually("audio", || ear.samples().len() > 12_000);
        assert!(ear.samples().iter().all(|sample| *sample == 0));
    })
}

/// Somebody speaks, and their packets tell another level than is heard (RFC 6464): at first that they are
/// silent. `way` leads from the payloader to the mixer.
fn a_level_that_packets_tell_counts(way: &str) {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} \
         appsrc name=mouth1 format=time caps=audio/x-raw,format=S16LE,layout=interleaved,rate=8000,channels=1 \
         ! sipopusenc ! rtpopuspay name=pay \
         ! capsfilter name=extmap ! {way} ! m.sink_1",
            person(0, 8_000),
        ));
        let ear = Ear::on(&line, "ear0");
        let told = kit::tell_levels(&line);
        line.play();
        say(&line, "mouth1", &voice(8, 8.0), false);
        eventually("a second", || ear.samples().len() > 2 * 8_000);
        assert!(ear.samples().iter().all(|sample| *sample == 0));
        told.store(20, std::sync::atomic::Ordering::Relaxed);
        let pad = line.element("m").static_pad("sink_1").unwrap();
        eventually("the level that was told", || {
            (pad.property::<f64>("level") + 20.0).abs() < 0.1
        });
        eventually("a voice", || {
            ear.samples()
                .iter()
                .any(|sample| sample.unsigned_abs() > 1_000)
        });
        line.no_errors();
    })
}

/// By way of webrtcbin: the level counts after depayloader and decoder.
#[test]
fn a_level_in_the_rtp_header_counts() {
    a_level_that_packets_tell_counts("rtpopusdepay ! sipopusdec");
}

/// By way of rtcbin: the mixer takes the packets as they come.
#[test]
fn a_level_in_rtp_that_the_mixer_takes_counts() {
    a_level_that_packets_tell_counts("clocksync");
}

#[test]
fn the_muted_are_not_heard() {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} {}",
            person(0, 8_000),
            person(1, 8_000)
        ));
        let ear = Ear::on(&line, "ear1");
        let mixer = line.element("m").dynamic_cast::<gst::ChildProxy>().unwrap();
        mixer.set_child_property("sink_0::mute", true);
        line.play();
        say(&line, "mouth0", &voice(8, 60.0), false);
        eventually("silence", || ear.samples().len() > 8_000);
        assert!(ear.samples().iter().all(|sample| *sample == 0));
        mixer.set_child_property("sink_0::mute", false);
        eventually("a voice", || {
            ear.samples()
                .iter()
                .any(|sample| sample.unsigned_abs() > 1_000)
        });
    })
}

/// Nobody speaks, and nobody has to: a listener hears that the line is not dead.
#[test]
fn comfort_noise_is_heard_while_it_is_wanted() {
    let line = Line::new(&format!("sipmixer name=m {}", person(0, 8_000)));
    let ear = Ear::on(&line, "ear0");
    line.play();
    let level = || {
        let heard = ear.samples();
        let last = &heard[heard.len().saturating_sub(1_600)..];
        let sum: f64 = last.iter().map(|s| f64::from(*s).powi(2)).sum();
        10.0 * (sum / last.len().max(1) as f64).log10() - 90.3
    };
    eventually("a line", || ear.samples().len() > 1_600);
    assert!(level() < -80.0, "{}", level());
    line.element("m").set_property("comfort-noise", true);
    eventually("comfort noise", || (level() + 50.0).abs() < 2.0);
    line.element("m").set_property("comfort-noise", false);
    eventually("silence", || level() < -80.0);
    line.no_errors();
}
