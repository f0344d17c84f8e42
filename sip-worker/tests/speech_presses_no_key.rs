// SPDX-License-Identifier: MPL-2.0
//! Talk-off: people's voices hold no key, at whatever pitch and level, and nothing of them is taken for a
//! tone and withheld.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use gstsipbridge::tones::Listener;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave};

const RATE_HZ: u32 = 8_000;

#[test]
fn no_voice_is_taken_for_a_key() {
    let (mut frames, mut withheld) = (0, 0);
    for speech in [PHONE_SPEECH, ROOM_SPEECH] {
        let speech = Wave::from_wav(speech).unwrap();
        // From a deep voice that speaks slowly to a child's.
        for percent in (60..=180).step_by(4) {
            let spoken = Wave {
                rate_hz: speech.rate_hz * percent / 100,
                samples: speech.samples.clone(),
            };
            let spoken = spoken.resampled(RATE_HZ);
            let softer = if percent % 8 == 0 { 1 } else { 8 };
            let pcm: Vec<i16> = spoken
                .samples
                .iter()
                .map(|sample| sample / softer)
                .collect();
            let mut listener = Listener::default();
            for frame in pcm.chunks(160) {
                frames += 1;
                withheld += u32::from(listener.hear(RATE_HZ, frame));
            }
            assert_eq!(listener.poll(), None, "at {percent} %");
        }
    }
    // Ten minutes of it.
    assert!(frames > 25_000, "{frames}");
    assert!(withheld * 10_000 < frames, "{withheld} of {frames} frames");
}
