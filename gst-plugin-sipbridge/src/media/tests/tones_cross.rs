// SPDX-License-Identifier: MPL-2.0
//! Digits as tones: sent in every codec, found whatever becomes of the audio, and taken out of it.

use super::*;
use crate::codec::chain::append_samples;

/// The presses that are told while keys are sung, and all samples that were given out.
fn sung(codec: Codec, format: Option<Format>) -> (Vec<(char, u32)>, Vec<i16>) {
    let (_context, a, b) = call(codec);
    let heard = format.map(|format| b.listen(format));
    b.media.set_listening(true);
    // The jitter buffer is at its depth when the first tone comes.
    b.wait_for(|event| *event == MediaEvent::Started);
    a.media.send_tones("19*d", 80).unwrap();
    let told = (0..4).map(
        |_| match b.wait_for(|event| matches!(event, MediaEvent::Tone { .. })) {
            MediaEvent::Tone { digit, duration_ms } => (digit, duration_ms),
            other => panic!("{other:?}"),
        },
    );
    let told = told.collect();
    a.wait_for(|event| *event == MediaEvent::DigitsSent);
    let mut pcm = Vec::new();
    for frame in heard.iter().flat_map(|heard| heard.try_iter()) {
        if let OutFrame::Audio(buffer) = frame {
            append_samples(&buffer.map_readable().unwrap(), &mut pcm);
        }
    }
    (told, pcm)
}

fn are_the_keys(told: &[(char, u32)]) {
    let digits: String = told.iter().map(|(digit, _)| *digit).collect();
    assert_eq!(digits, "19*D");
    for (digit, ms) in told {
        assert!(ms.abs_diff(80) <= 15, "{digit}: {ms} ms");
    }
}

#[test]
fn each_is_told_once_and_hardly_heard() {
    asserted_steadily(|| {
        for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
            let rate_hz = codec.audio_rate();
            let (told, pcm) = sung(codec, Some(Format::Raw { rate_hz }));
            are_the_keys(&told);
            let loud = pcm
                .iter()
                .filter(|sample| sample.unsigned_abs() > 1_000)
                .count();
            // 40 ms of each of the four at most: no receiver takes that for a press.
            assert!(
                loud < rate_hz as usize / 25 * 4,
                "{codec:?}: {loud} samples"
            );
            let mut listener = crate::tones::Listener::default();
            for frame in pcm.chunks(rate_hz as usize / 50) {
                listener.hear(rate_hz, frame);
            }
            assert_eq!(listener.poll(), None, "{codec:?}");
        }
    });
}

#[test]
fn they_are_found_in_packets_that_pass_through_and_where_nobody_takes_the_audio() {
    asserted_steadily(|| {
        are_the_keys(&sung(Codec::Pcma, Some(Format::Encoded(Codec::Pcma))).0);
        are_the_keys(&sung(Codec::Pcma, Some(Format::Encoded(Codec::Opus))).0);
        are_the_keys(&sung(Codec::Pcmu, None).0);
    });
}

#[test]
fn what_is_no_key_is_not_sung() {
    let (_context, a, _b) = call(Codec::Pcmu);
    assert_eq!(
        a.media.send_tones("1x", 80),
        Err(DigitsError::NotADigit('x'))
    );
}
