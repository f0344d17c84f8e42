// SPDX-License-Identifier: MPL-2.0
//! What somebody in a conference of 4 or of 40 hears who is silent: one or three who talk, or all others at once.

use anyhow::{Context as _, Result};
use serde::Serialize;
use sip_ua::sdp::Codec;
use sipbridge_measure::Wave;

use super::super::Bench;
use super::super::load::{repeated, under_load};
use super::super::strain::Strain;
use super::{FAR_END, LISTENED, WARM_UP};
use crate::load::{Band, Network, Outcome, Schedule, Score, Sound, Stream, played};
use crate::peers::{AudioBridge, Mixes, Rooms, Settings, Sipmixer};

/// How many there are, and how many of them talk.
const KINDS: [(usize, usize); 4] = [(4, 1), (4, 3), (40, 3), (40, 39)];

/// What is compared: all that both bands of PESQ know.
const RATE_HZ: u32 = 16_000;

/// What one mixer sounds like.
#[derive(Debug, Clone, Serialize)]
pub struct Room {
    pub peer: String,
    pub settings: Settings,
    pub codec: String,
    pub size: usize,
    pub talking: usize,
    pub equal: bool,
    /// In the telephone's band, MOS-LQO.
    pub narrow: Option<f64>,
    /// Up to 7 kHz, MOS-LQO; G.711 holds no more than the telephone's.
    pub wide: Option<f64>,
}

pub fn rooms(bench: &mut Bench, score: &mut Score, only: Option<&str>) -> Result<Vec<Room>> {
    let mut heard = Vec::new();
    for codec in [Codec::Pcmu, Codec::Opus] {
        for equal in [false, true] {
            let rate_hz = match codec {
                Codec::Pcmu if equal => 8_000,
                _ => 16_000,
            };
            let ours = match equal {
                true => Sipmixer::as_audiobridge(rate_hz),
                false => Sipmixer::defaults(),
            };
            let peers: [Box<dyn Mixes>; 2] = [Box::new(AudioBridge { rate_hz }), Box::new(ours)];
            for peer in peers
                .iter()
                .filter(|peer| only.is_none_or(|only| peer.name().contains(only)))
            {
                for (size, talking) in KINDS {
                    let outcome = listen(bench, peer.as_ref(), codec, (size, talking))?;
                    let wave = outcome
                        .heard
                        .get(&(size - 1))
                        .context("it was recorded")
                        .and_then(|heard| played(&heard.received, codec, RATE_HZ, FAR_END))?;
                    let said = mixed(bench, talking);
                    let name = format!(
                        "{}, {codec}, {talking} of {size} talk, {}",
                        peer.name(),
                        if equal {
                            "equal settings"
                        } else {
                            "own settings"
                        },
                    );
                    let wide = match codec {
                        Codec::Opus => score.of(Band::Wide, &said, &wave, &name)?,
                        _ => None,
                    };
                    heard.push(Room {
                        peer: peer.name(),
                        settings: peer.settings(),
                        codec: codec.to_string(),
                        size,
                        talking,
                        equal,
                        narrow: score.of(Band::Narrow, &said, &wave, &name)?,
                        wide,
                    });
                }
            }
        }
    }
    Ok(heard)
}

/// Who says what, from which frame on. The last one listens.
fn seat(number: usize, talking: usize) -> (Sound, usize) {
    match number {
        _ if number >= talking => (Sound::Rest, number * 37),
        _ if number.is_multiple_of(2) => (Sound::Phone, number / 2 * 190),
        _ => (Sound::Room, number / 2 * 190),
    }
}

fn listen(
    bench: &mut Bench,
    peer: &dyn Mixes,
    codec: Codec,
    (size, talking): (usize, usize),
) -> Result<Outcome> {
    let schedule = Schedule {
        warm_up: WARM_UP,
        measured: LISTENED,
    };
    let rooms = Rooms {
        codec,
        size,
        count: 1,
    };
    repeated(bench, |bench| {
        bench.progress.step(
            &format!(
                "{}: {talking} talk in a room of {size}, {codec}",
                peer.name()
            ),
            WARM_UP + LISTENED,
        );
        let ports = bench.generator.ports()?;
        let socket = |number: usize| number % ports.len();
        let phones: Vec<u16> = (0..size)
            .filter_map(|number| ports.get(socket(number)).copied())
            .collect();
        let mut conference = peer
            .start(&bench.stage, rooms, &phones)
            .with_context(|| format!("{} cannot be set up", peer.name()))?;
        let sounds = match codec {
            Codec::Opus => &bench.speech.opus,
            _ => &bench.speech.pcmu,
        };
        let streams: Vec<Stream> = conference
            .legs
            .iter()
            .enumerate()
            .map(|(number, leg)| {
                let (sound, first_frame) = seat(number, talking);
                let media = match sound {
                    Sound::Phone => &sounds.phone,
                    Sound::Room => &sounds.room,
                    _ => &sounds.rest,
                };
                Stream {
                    socket: socket(number),
                    to: leg.to,
                    from: leg.from,
                    payload_type: leg.payload_type,
                    media: media.clone(),
                    first_frame,
                    recorded: number == size - 1,
                    network: Network::Clean,
                }
            })
            .collect();
        let (outcome, used) = under_load(bench, &conference.process, &[], &streams, schedule)?;
        conference.process.must_run()?;
        Ok((Strain::of(&outcome, &used), outcome))
    })
}

/// What the listener should hear, as loud as does not clip; PESQ knows no levels.
fn mixed(bench: &Bench, talking: usize) -> Wave {
    let frame = RATE_HZ as usize / 50;
    let first = WARM_UP.as_millis() as usize / 20;
    let mut sum = vec![0f32; LISTENED.as_millis() as usize / 20 * frame];
    for number in 0..talking {
        let (sound, first_frame) = seat(number, talking);
        let wave = bench.speech.speech.wave(sound).resampled(RATE_HZ);
        let whole = wave.samples.len() / frame * frame;
        let said = wave.samples[..whole].iter().cycle();
        for (sum, sample) in sum
            .iter_mut()
            .zip(said.skip((first + first_frame) * frame % whole.max(1)))
        {
            *sum += f32::from(*sample);
        }
    }
    let peak = sum.iter().fold(1f32, |peak, sample| peak.max(sample.abs()));
    let loudness = f32::from(i16::MAX / 2) / peak;
    Wave {
        rate_hz: RATE_HZ,
        samples: sum
            .into_iter()
            .map(|sample| (sample * loudness) as i16)
            .collect(),
    }
}
