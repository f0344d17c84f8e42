// SPDX-License-Identifier: MPL-2.0
//! Once a room is as it is, a tick of its mixer takes no memory, whoever speaks.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use gstsipbridge::mixer::{Listening, Mixer, MixerSettings, Participant, Rate};
use sip_ua::sdp::Codec;
use sipbridge_measure::memory::{Counting, asked_here};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn whoever_speaks() {
    let mut mixer = Mixer::new(MixerSettings::default());
    let listening = [
        Listening::Packets(Codec::Opus),
        Listening::Packets(Codec::Pcmu),
        Listening::Packets(Codec::G722),
        Listening::Samples(Rate::Hz48000),
    ];
    let all: Vec<(Rate, Participant)> = (0..40)
        .map(|who| {
            let participant = mixer.join();
            mixer.listen(participant, Some(listening[who % 4]));
            (Rate::ALL[who % 3], participant)
        })
        .collect();
    // Steps of a square wave: loud enough to count.
    let loud: Vec<i16> = (0..960)
        .map(|i| if i / 40 % 2 == 0 { 3_000 } else { -3_000 })
        .collect();
    let mut before = 0;
    for tick in 0..800 {
        // Everybody has their turn in the first half; the second takes nothing new.
        if tick == 400 {
            before = asked_here();
        }
        for (who, (rate, participant)) in all.iter().enumerate() {
            let speaks = tick % 400 / 10 == who || who < 3;
            let frame = if speaks { &loud[..rate.frame()] } else { &[] };
            // Some packets come late.
            if (tick + who) % 50 != 0 {
                mixer.hear(*participant, *rate, frame, None);
            }
        }
        mixer.tick().unwrap();
        let heard = all
            .iter()
            .filter(|(_, who)| mixer.heard(*who).is_some())
            .count();
        assert_eq!(heard, 40);
    }
    assert_eq!(asked_here() - before, 0, "allocations in 400 ticks");
}
