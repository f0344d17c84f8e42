// SPDX-License-Identifier: MPL-2.0
//! Conferences of 4 and of 40, in PCMU and in Opus: all talk, or three talk and the others are silent.
//! Each participant is an RTP stream both ways and hears everybody but themselves.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sip_ua::sdp::Codec;

use super::Bench;
use super::load::{repeated, under_load};
use super::strain::Strain;
use crate::load::{Network, Schedule, Stream, Tally, heard_as};
use crate::peers::{AudioBridge, Mixes, Rooms, Settings, Sipmixer};

const SIZES: [usize; 2] = [4, 40];

/// Participants of the first look.
const PILOT: usize = 40;

/// The share of a core that is aimed at: what both carry without a loss, so that the processor's time is
/// compared and nothing else.
const AIM: f64 = 0.5;

/// Looks until that share is met: many participants share wake-ups and caches, so what one costs is known
/// only under load.
const LOOKS: usize = 3;

/// What the load generator carries beside it on two cores.
const MOST: usize = 400;

/// Who talks in a room where few do.
const TALKERS: usize = 3;

/// What one conference took.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub peer: String,
    pub settings: Settings,
    pub codec: String,
    pub size: usize,
    pub all_talk: bool,
    /// Settings as near to the peer's as can be.
    pub equal: bool,
    pub participants: usize,
    pub cpu_percent: f64,
    pub participants_per_core: f64,
    pub tally: Tally,
    pub clean: bool,
    /// How much louder or quieter a silent listener hears the three who talk than they are together.
    pub level_off_db: Option<f32>,
    pub threads: usize,
    pub memory_kib: u64,
    #[serde(flatten)]
    pub strain: Strain,
}

/// The whole comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Mixing {
    pub lines: Vec<Figures>,
}

impl Mixing {
    /// Our participants per core to the peer's, in the same conference with settings of the same kind.
    pub fn times(&self, line: &Figures) -> Option<f64> {
        let peer = self.lines.iter().find(|other| {
            other.peer != line.peer
                && (&other.codec, other.size, other.all_talk, other.equal)
                    == (&line.codec, line.size, line.all_talk, line.equal)
        })?;
        Some(line.participants_per_core / peer.participants_per_core)
    }
}

/// One kind of conference.
#[derive(Clone, Copy)]
struct Kind {
    codec: Codec,
    size: usize,
    all_talk: bool,
    equal: bool,
}

pub fn mixing(bench: &mut Bench, measured: Duration, only: Option<&str>) -> Result<Mixing> {
    let mut lines = Vec::new();
    for codec in [Codec::Pcmu, Codec::Opus] {
        for equal in [false, true] {
            // AudioBridge's rooms are at 16 kHz by default; G.711 needs 8.
            let rate_hz = match codec {
                Codec::Pcmu if equal => 8_000,
                _ => 16_000,
            };
            let ours = match equal {
                true => Sipmixer::as_audiobridge(rate_hz),
                false => Sipmixer::defaults(),
            };
            let peers: [Box<dyn Mixes>; 2] = [Box::new(AudioBridge { rate_hz }), Box::new(ours)];
            for size in SIZES {
                for all_talk in [true, false] {
                    let kind = Kind {
                        codec,
                        size,
                        all_talk,
                        equal,
                    };
                    for peer in &peers {
                        let named = format!("{} {codec} {size}", peer.name());
                        if only.is_none_or(|only| named.contains(only)) {
                            lines.push(conference(bench, peer.as_ref(), kind, measured)?);
                        }
                    }
                }
            }
        }
    }
    Ok(Mixing { lines })
}

/// As many rooms as fill half a core.
fn conference(
    bench: &mut Bench,
    peer: &dyn Mixes,
    kind: Kind,
    measured: Duration,
) -> Result<Figures> {
    let schedule = |seconds| Schedule {
        warm_up: Duration::from_secs(3),
        measured: seconds,
    };
    let mut rooms = PILOT / kind.size;
    for _ in 0..LOOKS {
        let look = take(bench, peer, kind, rooms, schedule(Duration::from_secs(3)))?;
        let participants = (look.participants_per_core * AIM).min(MOST as f64) as usize;
        let before = std::mem::replace(&mut rooms, (participants / kind.size).max(1));
        if rooms <= before + before / 5 {
            break;
        }
    }
    let figures = repeated(bench, |bench| {
        let figures = take(bench, peer, kind, rooms, schedule(measured))?;
        Ok((figures.strain.clone(), figures))
    })?;
    bench.progress.note(&format!(
        "{}: {} in rooms of {} ({}, {}) took {:.0} % of a core, {:.0} a core",
        figures.peer,
        figures.participants,
        kind.size,
        kind.codec,
        if kind.all_talk {
            "all talk"
        } else {
            "three talk"
        },
        figures.cpu_percent,
        figures.participants_per_core,
    ));
    Ok(figures)
}

fn take(
    bench: &mut Bench,
    peer: &dyn Mixes,
    kind: Kind,
    count: usize,
    schedule: Schedule,
) -> Result<Figures> {
    let Kind {
        codec,
        size,
        all_talk,
        equal,
    } = kind;
    let rooms = Rooms { codec, size, count };
    let participants = size * count;
    bench.progress.step(
        &format!("{}: {participants} in rooms of {size}", peer.name()),
        schedule.warm_up + schedule.measured,
    );
    let ports = bench.generator.ports()?;
    let socket = |number: usize| number % ports.len();
    let phones: Vec<u16> = (0..participants)
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
            let seat = number % size;
            let media = match seat {
                _ if !all_talk && seat >= TALKERS => &sounds.rest,
                _ if seat.is_multiple_of(2) => &sounds.phone,
                _ => &sounds.room,
            };
            Stream {
                socket: socket(number),
                to: leg.to,
                from: leg.from,
                payload_type: leg.payload_type,
                media: media.clone(),
                first_frame: number * 37,
                // In the first room: those who talk, and one who listens.
                recorded: !all_talk && number <= TALKERS,
                network: Network::Clean,
            }
        })
        .collect();
    let (outcome, used) = under_load(bench, &conference.process, &[], &streams, schedule)?;
    conference.process.must_run()?;
    let tally = outcome.total();
    let strain = Strain::of(&outcome, &used);
    let level = |number: usize, received: bool| -> Result<f32> {
        let heard = outcome.heard.get(&number).context("it was recorded")?;
        let packets = if received {
            &heard.received
        } else {
            &heard.sent
        };
        Ok(heard_as(packets, codec)?.level_dbfs())
    };
    let level_off_db = match all_talk {
        true => None,
        false => {
            let power = (0..TALKERS)
                .map(|talker| Ok(10f32.powf(level(talker, false)? / 10.0)))
                .sum::<Result<f32>>()?;
            Some(level(TALKERS, true)? - 10.0 * power.log10())
        }
    };
    Ok(Figures {
        peer: peer.name(),
        settings: peer.settings(),
        codec: codec.to_string(),
        size,
        all_talk,
        equal,
        participants,
        cpu_percent: strain.cpu_percent,
        participants_per_core: participants as f64 / (strain.cpu_percent / 100.0).max(0.001),
        tally,
        clean: tally.is_clean(streams.len()),
        level_off_db,
        threads: used.last.threads,
        memory_kib: used.last.memory_kib,
        strain,
    })
}
