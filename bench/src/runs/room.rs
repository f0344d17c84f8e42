// SPDX-License-Identifier: MPL-2.0
//! Fifty phones in a room of the worker's in which twenty people talk by WebRTC. Each of these is decoded once
//! and not once for each phone, so that a phone more costs no more than one that is alone.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sip_ua::sdp::Codec;

use super::Bench;
use super::load::{repeated, under_load};
use super::strain::Strain;
use crate::load::{Network, Schedule, Stream, Tally, heard_as};
use crate::peers::{Meeting, Seats};

const PHONES: usize = 50;
const TALKING: usize = 20;

/// Connections come up, jitter buffers fill.
const SETTLED: Duration = Duration::from_secs(3);

/// What one room took.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Phones, silent but for faint noise.
    pub phones: usize,
    pub seats: Seats,
    /// People who talk, all of them and all the time.
    pub talking: usize,
    /// Tracks of people that were decoded.
    pub decoders: usize,
    /// Of one core, by the worker: phones, room and SFU.
    pub cpu_percent: f64,
    /// Of what the phones heard.
    pub tally: Tally,
    pub clean: bool,
    /// How loud it was, at the first phone.
    pub heard_dbfs: f32,
    pub threads: usize,
    pub descriptors: usize,
    pub memory_kib: u64,
    #[serde(flatten)]
    pub strain: Strain,
}

/// All of them, and what follows.
#[derive(Debug, Clone, Serialize)]
pub struct Room {
    pub lines: Vec<Line>,
    /// What a phone more takes, of one core, in a room of its own where nobody else is.
    pub leg_percent: f64,
    /// What one phone took with all who talk, and as many more phones at that price.
    pub allowed_percent: f64,
    /// What they took.
    pub taken_percent: f64,
    /// They took no more, each voice was decoded once, and no phone missed anything.
    pub holds: bool,
}

impl Line {
    /// Who was there.
    pub fn what(&self) -> String {
        described(self.phones, self.seats, self.talking)
    }
}

fn described(phones: usize, seats: Seats, talking: usize) -> String {
    let phones = match phones {
        1 => "1 phone".to_owned(),
        _ => format!("{phones} phones"),
    };
    match seats {
        Seats::Apart => format!("{phones}, each in a room of its own"),
        Seats::Together => format!("{phones} where {talking} talk"),
    }
}

pub fn room(bench: &mut Bench, measured: Duration) -> Result<Room> {
    let schedule = Schedule {
        warm_up: SETTLED,
        measured,
    };
    let mut lines = Vec::new();
    for (phones, seats, talking) in [
        (1, Seats::Apart, 0),
        (PHONES, Seats::Apart, 0),
        (1, Seats::Together, TALKING),
        (PHONES, Seats::Together, TALKING),
    ] {
        let line = repeated(bench, |bench| {
            let line = take(bench, phones, seats, talking, schedule)?;
            Ok((line.strain.clone(), line))
        })?;
        bench.progress.note(&format!(
            "{} took {:.1} % of a core, {} decoders",
            line.what(),
            line.cpu_percent,
            line.decoders
        ));
        lines.push(line);
    }
    let [alone, all_alone, one, crowd] = &lines[..] else {
        bail!("not all rooms were measured");
    };
    let more = (PHONES - 1) as f64;
    let leg_percent = (all_alone.cpu_percent - alone.cpu_percent) / more;
    let allowed_percent = one.cpu_percent + more * leg_percent;
    let taken_percent = crowd.cpu_percent;
    let holds = taken_percent <= allowed_percent && crowd.decoders == TALKING && crowd.clean;
    Ok(Room {
        leg_percent,
        allowed_percent,
        taken_percent,
        holds,
        lines,
    })
}

fn take(
    bench: &mut Bench,
    phones: usize,
    seats: Seats,
    talking: usize,
    schedule: Schedule,
) -> Result<Line> {
    bench.progress.step(
        &described(phones, seats, talking),
        schedule.warm_up + schedule.measured,
    );
    let ports = bench.generator.ports()?;
    let socket = |number: usize| number % ports.len();
    let there: Vec<u16> = (0..phones)
        .filter_map(|number| ports.get(socket(number)).copied())
        .collect();
    let far = bench.cores.generator;
    let mut meeting = Meeting::start(&bench.stage, &there, seats, talking, far)
        .context("the worker's room cannot be set up")?;
    let streams: Vec<Stream> = meeting
        .legs
        .iter()
        .enumerate()
        .map(|(number, leg)| Stream {
            socket: socket(number),
            to: leg.to,
            from: leg.from,
            payload_type: leg.payload_type,
            media: bench.speech.pcmu.rest.clone(),
            first_frame: number * 37,
            recorded: number == 0,
            network: Network::Clean,
        })
        .collect();
    let people = [meeting.people()];
    let (outcome, used) = under_load(bench, &meeting.process, &people, &streams, schedule)?;
    meeting.process.must_run()?;
    let decoders = meeting.decoded()?;
    let strain = Strain::of(&outcome, &used);
    let tally = outcome.total();
    let heard = outcome.heard.get(&0).context("it was recorded")?;
    Ok(Line {
        phones,
        seats,
        talking,
        decoders,
        cpu_percent: strain.cpu_percent,
        tally,
        clean: tally.is_clean(streams.len()),
        heard_dbfs: heard_as(&heard.received, Codec::Pcmu)?.level_dbfs(),
        threads: used.last.threads,
        descriptors: used.last.descriptors,
        memory_kib: used.last.memory_kib,
        strain,
    })
}
