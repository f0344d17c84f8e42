// SPDX-License-Identifier: MPL-2.0
//! `g722enc` and `g722dec`: a tone through both, through the stock RTP elements, and over a gap.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use kit::codec::{assert_tone, longest_quiet, lose_every_fifth, run};
use kit::init;

const SOURCE: &str =
    "audiotestsrc num-buffers=50 samplesperbuffer=320 ! audio/x-raw,rate=16000,channels=1";

#[test]
fn a_tone_goes_through_and_keeps_its_length() {
    let (pcm, caps) = run(&format!("{SOURCE} ! g722enc ! g722dec"), |_| ());
    assert_eq!(pcm.len(), 16_000);
    assert_eq!(caps.structure(0).unwrap().get::<i32>("rate"), Ok(16_000));
    assert_tone(&pcm, 16_000);
}

#[test]
fn the_stock_rtp_elements_carry_it() {
    let launch = format!("{SOURCE} ! g722enc ! rtpg722pay ! rtpg722depay ! g722dec");
    let (pcm, _) = run(&launch, |_| ());
    assert!(pcm.len() >= 15_000, "{}", pcm.len());
    assert_tone(&pcm, 16_000);
}

#[test]
fn gaps_are_concealed() {
    let (pcm, _) = run(
        &format!("{SOURCE} ! g722enc name=enc ! g722dec"),
        lose_every_fifth,
    );
    assert!(pcm.len() >= 15_600, "{}", pcm.len());
    let tail = &pcm[2_000..15_000];
    let gap = longest_quiet(tail);
    assert!(gap < 200, "{gap}");
}

#[test]
fn both_say_what_they_are() {
    init();
    for (name, klass) in [
        ("g722enc", "Codec/Encoder/Audio"),
        ("g722dec", "Codec/Decoder/Audio"),
    ] {
        let factory = gst::ElementFactory::find(name).unwrap();
        assert_eq!(factory.metadata("klass"), Some(klass));
    }
}
