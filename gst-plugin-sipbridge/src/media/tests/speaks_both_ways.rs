// SPDX-License-Identifier: MPL-2.0
//! Both ends say something else at once, in each codec and at each rate, and hear the other.

use super::*;

fn speaks(codec: Codec, says_hz: u32, hears_hz: u32) {
    let (_context, a, b) = call(codec);
    let at_a = a.listen(Format::Raw { rate_hz: hears_hz });
    let at_b = b.listen(Format::Raw { rate_hz: hears_hz });
    let _a = Mouth::speak(&a, says_hz, 440.0);
    let _b = Mouth::speak(&b, says_hz, 700.0);
    for (heard, hz) in [(&at_b, 440.0), (&at_a, 700.0)] {
        let pcm = listen_to(heard, Duration::from_millis(1_500), hears_hz);
        let steady = &pcm[pcm.len() / 3..];
        let found = pitch(steady, hears_hz);
        assert!((found - hz).abs() < hz * 0.03, "{found} for {hz}");
        let gap = longest_gap(steady, hears_hz);
        assert!(gap < Duration::from_millis(15), "{gap:?}");
    }
    b.wait_for(|event| *event == MediaEvent::CodecChanged(codec));
    b.media.close();
    a.media.close();
}

#[test]
fn in_pcmu_at_8_khz() {
    asserted_steadily(|| speaks(Codec::Pcmu, 8_000, 8_000));
}

#[test]
fn in_pcma_from_48_khz_to_16_khz() {
    asserted_steadily(|| speaks(Codec::Pcma, 48_000, 16_000));
}

#[test]
fn in_g722_at_16_khz() {
    asserted_steadily(|| speaks(Codec::G722, 16_000, 16_000));
}

#[test]
fn in_l16_from_8_khz_to_48_khz() {
    asserted_steadily(|| speaks(Codec::L16, 8_000, 48_000));
}

#[test]
fn in_opus_at_48_khz() {
    asserted_steadily(|| speaks(Codec::Opus, 48_000, 48_000));
}

#[test]
fn in_opus_from_8_khz() {
    asserted_steadily(|| speaks(Codec::Opus, 8_000, 8_000));
}
