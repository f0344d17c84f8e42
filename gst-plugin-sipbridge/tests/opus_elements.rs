// SPDX-License-Identifier: MPL-2.0
//! `sipopusenc` and `sipopusdec`: every property both ways, a tone through both, gaps, and the
//! stock elements on the other end.
#![allow(clippy::unwrap_used)]

mod kit;

use gst::prelude::*;
use kit::codec::{assert_tone, longest_quiet, lose_every_fifth, run};
use kit::init;

#[test]
fn every_property_is_got_as_it_was_set() {
    init();
    let element = gst::ElementFactory::make("sipopusenc").build().unwrap();
    let values = [
        ("complexity", "7"),
        ("bitrate", "24000"),
        ("inband-fec", "false"),
        ("packet-loss-percentage", "33"),
        ("dtx", "true"),
        ("frame-size", "60"),
    ];
    for (name, text) in values {
        let pspec = element.find_property(name).unwrap();
        assert!(
            pspec.blurb().is_some_and(|blurb| blurb.len() > 10),
            "{name}"
        );
        let before = element.property_value(name);
        assert_eq!(
            format!("{before:?}"),
            format!("{:?}", pspec.default_value())
        );
        element.set_property_from_str(name, text);
        let after = element.property_value(name);
        let shown = format!("{after:?}");
        assert_ne!(format!("{before:?}"), shown, "{name}");
        assert!(shown.to_lowercase().contains(text), "{name}: {shown}");
        element.set_property_from_value(name, &before);
        let again = element.property_value(name);
        assert_eq!(format!("{before:?}"), format!("{again:?}"), "{name}");
    }
    let own: Vec<_> = element
        .list_properties()
        .iter()
        .filter(|pspec| pspec.owner_type() == element.type_())
        .map(|pspec| pspec.name().to_owned())
        .collect();
    assert_eq!(own.len(), values.len(), "{own:?}");
}

#[test]
fn both_say_what_they_are() {
    init();
    for (name, klass) in [
        ("sipopusenc", "Codec/Encoder/Audio"),
        ("sipopusdec", "Codec/Decoder/Audio"),
    ] {
        let factory = gst::ElementFactory::find(name).unwrap();
        assert_eq!(factory.metadata("klass"), Some(klass));
        assert_eq!(factory.rank(), gst::Rank::NONE);
    }
}

/// What comes out at the element `out` of a launch line, until its end.
#[test]
fn a_tone_goes_through_at_every_rate_and_frame_size() {
    for rate_hz in [8_000, 16_000, 48_000] {
        for frame_size in [10, 20, 40, 60] {
            let (pcm, caps) = run(
                &format!(
                    "audiotestsrc num-buffers=50 samplesperbuffer={} \
                     ! audio/x-raw,rate={rate_hz},channels=1 \
                     ! sipopusenc frame-size={frame_size} ! sipopusdec \
                     ! audio/x-raw,rate={rate_hz}",
                    rate_hz / 50
                ),
                |_| (),
            );
            let rate = caps.structure(0).unwrap().get::<i32>("rate").unwrap();
            assert_eq!(rate, rate_hz as i32);
            let wanted = rate_hz as usize;
            assert!(pcm.len() >= wanted * 95 / 100, "{} of {wanted}", pcm.len());
            assert_tone(&pcm, rate_hz);
        }
    }
}

const SOURCE: &str =
    "audiotestsrc num-buffers=50 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=1";

#[test]
fn the_stock_elements_understand_them() {
    let (pcm, _) = run(
        &format!(
            "{SOURCE} ! sipopusenc ! rtpopuspay ! rtpopusdepay ! opusdec \
             ! audio/x-raw,rate=48000,channels=1"
        ),
        |_| (),
    );
    assert_tone(&pcm, 48_000);
    let (pcm, _) = run(
        &format!(
            "{SOURCE} ! opusenc ! rtpopuspay ! rtpopusdepay ! sipopusdec \
             ! audio/x-raw,rate=16000"
        ),
        |_| (),
    );
    assert_tone(&pcm, 16_000);
}

#[test]
fn gaps_are_concealed() {
    let (pcm, _) = run(
        &format!("{SOURCE} ! sipopusenc name=enc ! sipopusdec ! audio/x-raw,rate=8000"),
        lose_every_fifth,
    );
    assert!(pcm.len() >= 7_800, "{}", pcm.len());
    let tail = &pcm[1_000..7_500];
    let gap = longest_quiet(tail);
    assert!(gap < 100, "{gap}");
}
