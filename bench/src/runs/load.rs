// SPDX-License-Identifier: MPL-2.0
//! One load on one peer: calls that talk all the time, both ways, and what it took.

use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sip_ua::sdp::Codec;
use sipbridge_measure::{Wave, compare};

use super::Bench;
use super::strain::{Moment, Strain, Used};
use crate::load::{
    Delays, Heard, Mark, Network, Outcome, Schedule, Stream, TURN, Tally, delays, heard_as,
};
use crate::machine;
use crate::peers::{Call, Settings, Transcoder};
use crate::process::{Process, Usage};

/// Calls whose sound is swept, for the delay.
const SWEPT: usize = 4;
/// Calls that are listened to.
const LISTENED: usize = 1;

/// What a load came to.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    pub peer: String,
    pub settings: Settings,
    pub calls: usize,
    /// Of one core.
    pub cpu_percent: f64,
    pub calls_per_core: f64,
    pub tally: Tally,
    /// Nothing was lost or late, in any call.
    pub clean: bool,
    pub pcmu_to_opus: Direction,
    pub opus_to_pcmu: Direction,
    pub threads: usize,
    pub descriptors: usize,
    pub memory_kib: u64,
    #[serde(flatten)]
    pub strain: Strain,
}

/// One direction of the calls.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Direction {
    pub delay_p50_ms: Option<f64>,
    pub delay_p99_ms: Option<f64>,
    pub sweeps: usize,
    pub sweeps_missing: usize,
    /// How much what was heard is like what was said.
    pub correlation: f32,
    pub speech_gaps: usize,
    /// What was heard, at the telephone's rate.
    #[serde(skip)]
    pub wave: Option<(Wave, Wave)>,
}

/// Who talks when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Both sides, all the time.
    Always,
    /// One side at a time, each 45 % of it; pauses are left out where they can be.
    InTurn,
}

impl Talk {
    /// The least that is to be measured: everybody has had their turn.
    pub fn round(self) -> Duration {
        match self {
            Talk::Always => Duration::ZERO,
            Talk::InTurn => TURN,
        }
    }
}

/// How often a measurement is taken again that did not count.
pub(super) const AGAIN: usize = 6;

/// How long to wait, before the next time, for what disturbed to be over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts a load on a peer for as long as `schedule` says.
pub fn measure(
    bench: &mut Bench,
    peer: &dyn Transcoder,
    talk: Talk,
    calls: usize,
    schedule: Schedule,
) -> Result<Figures> {
    repeated(bench, |bench| {
        let figures = take(bench, peer, talk, calls, schedule)?;
        Ok((figures.strain.clone(), figures))
    })
}

/// Measures until nothing disturbs it. What does is often over soon: a virtual machine's host has others to
/// serve.
pub(super) fn repeated<T>(
    bench: &mut Bench,
    take: impl Fn(&mut Bench) -> Result<(Strain, T)>,
) -> Result<T> {
    for again in (0..=AGAIN).rev() {
        let (strain, figures) = take(bench)?;
        match strain.disturbance().filter(|_| !bench.despite_load) {
            None => return Ok(figures),
            Some(disturbance) if again > 0 => {
                bench.progress.note(&format!("again, for {disturbance}"));
                machine::wait_until_quiet(PATIENCE);
            }
            Some(disturbance) => bail!(
                "{disturbance}: this measurement does not count. Try again when the machine is quiet"
            ),
        }
    }
    bail!("nothing was measured")
}

fn take(
    bench: &mut Bench,
    peer: &dyn Transcoder,
    talk: Talk,
    calls: usize,
    schedule: Schedule,
) -> Result<Figures> {
    let what = format!("{}: {calls} calls", peer.name());
    bench
        .progress
        .step(&what, schedule.warm_up + schedule.measured);
    let places = Places::of(bench)?;
    let mut running = peer
        .start(&bench.stage, &places.phones(calls))
        .with_context(|| format!("{} cannot be set up", peer.name()))?;
    let mut streams = Vec::new();
    for (number, call) in running.calls.iter().enumerate() {
        let sockets = places.sockets(number);
        streams.extend(legs(bench, talk, number, call, peer.codecs(), sockets));
    }
    let (outcome, used) = under_load(bench, &running.process, &[], &streams, schedule)?;
    running.process.must_run()?;
    let strain = Strain::of(&outcome, &used);
    let cpu_percent = strain.cpu_percent;
    let tally = outcome.total();
    Ok(Figures {
        peer: peer.name(),
        settings: peer.settings(),
        calls,
        cpu_percent,
        calls_per_core: calls as f64 / (cpu_percent / 100.0).max(0.001),
        tally,
        clean: tally.is_clean(streams.len()),
        // What is said in one codec is heard in the other.
        pcmu_to_opus: direction(&outcome, peer.codecs(), calls, 0)?,
        opus_to_pcmu: direction(&outcome, peer.codecs(), calls, 1)?,
        threads: used.last.threads,
        descriptors: used.last.descriptors,
        memory_kib: used.last.memory_kib,
        strain,
    })
}

/// Which of the generator's sockets plays which phone.
pub(super) struct Places(Vec<u16>);

impl Places {
    pub(super) fn of(bench: &Bench) -> Result<Places> {
        Ok(Places(bench.generator.ports()?))
    }

    /// PCMU phones are on the sockets of even number, Opus phones on those of odd number.
    pub(super) fn sockets(&self, call: usize) -> (usize, usize) {
        let first = (call * 2) % self.0.len();
        (first, first + 1)
    }

    /// The ports of the phones of so many calls.
    pub(super) fn phones(&self, calls: usize) -> Vec<(u16, u16)> {
        let port = |socket: usize| self.0.get(socket).copied().unwrap_or_default();
        (0..calls)
            .map(|call| {
                let (pcmu, opus) = self.sockets(call);
                (port(pcmu), port(opus))
            })
            .collect()
    }
}

/// The two streams of a call: towards the PCMU leg, and towards the Opus leg.
fn legs(
    bench: &Bench,
    talk: Talk,
    number: usize,
    call: &Call,
    codecs: [Codec; 2],
    sockets: (usize, usize),
) -> [Stream; 2] {
    let [pcmu, opus] = codecs.map(|codec| match codec {
        Codec::Opus => &bench.speech.opus,
        _ => &bench.speech.pcmu,
    });
    // Sweeps make no pauses.
    let swept = talk == Talk::Always && number < SWEPT;
    let listened = (SWEPT..SWEPT + LISTENED).contains(&number);
    let first_frame = if swept || listened { 0 } else { number * 37 };
    let media = |sounds: &super::Encoded, say_phone: bool| match (talk, say_phone) {
        (Talk::Always, _) if swept => sounds.sweeps.clone(),
        (Talk::Always, true) => sounds.phone.clone(),
        (Talk::Always, false) => sounds.room.clone(),
        (Talk::InTurn, true) => sounds.phone_in_turn.clone(),
        (Talk::InTurn, false) => sounds.room_in_turn.clone(),
    };
    let stream = |socket, leg: crate::peers::Leg, media| Stream {
        socket,
        to: leg.to,
        from: leg.from,
        payload_type: leg.payload_type,
        media,
        first_frame,
        recorded: swept || listened,
        network: Network::Clean,
    };
    [
        stream(sockets.0, call.pcmu, media(pcmu, true)),
        stream(sockets.1, call.opus, media(opus, false)),
    ]
}

/// Runs the generator on its core, and reads what the peer uses at both ends of what counts. `far`: other
/// processes that are part of it.
pub(super) fn under_load(
    bench: &mut Bench,
    process: &Process,
    far: &[u32],
    streams: &[Stream],
    schedule: Schedule,
) -> Result<(Outcome, Used)> {
    let pid = process.pid();
    let core = bench.cores.generator;
    let generator = &mut bench.generator;
    let (say, said) = channel();
    std::thread::scope(|scope| {
        let load = scope.spawn(move || {
            machine::pin(core)?;
            generator.run(streams, schedule, &say)
        });
        let mut begin = None;
        let mut end = None;
        for mark in said {
            let moment = Moment::now(pid, far)?;
            match mark {
                Mark::Begin => begin = Some(moment),
                Mark::End => end = Some((moment, Usage::of(pid)?)),
            }
        }
        let outcome = load
            .join()
            .map_err(|_| anyhow::anyhow!("the load generator panicked"))??;
        let (Some(from), Some((to, last))) = (begin, end) else {
            bail!("the load generator ended too soon");
        };
        Ok((outcome, Used::between(&from, &to, last)))
    })
}

/// What is said on one side (0: PCMU, 1: Opus) of a call comes out on the other.
pub(super) fn crossed(outcome: &Outcome, call: usize, side: usize) -> Option<Heard> {
    let said = outcome.heard.get(&(2 * call + side))?;
    let heard = outcome.heard.get(&(2 * call + 1 - side))?;
    Some(Heard {
        sent: said.sent.clone(),
        lost: said.lost.clone(),
        received: heard.received.clone(),
    })
}

/// How long the sweeps of a call took that were said on one side.
pub(super) fn swept(
    outcome: &Outcome,
    codecs: [Codec; 2],
    call: usize,
    side: usize,
) -> Result<Delays> {
    match crossed(outcome, call, side) {
        Some(heard) => delays(&heard, codecs[side], codecs[1 - side]),
        None => Ok(Delays::default()),
    }
}

fn direction(
    outcome: &Outcome,
    codecs: [Codec; 2],
    calls: usize,
    side: usize,
) -> Result<Direction> {
    let (said_in, heard_in) = (codecs[side], codecs[1 - side]);
    let mut all = Delays::default();
    for call in 0..SWEPT.min(calls) {
        all.add(swept(outcome, codecs, call, side)?);
    }
    let mut direction = Direction {
        delay_p50_ms: all.percentile(50.0),
        delay_p99_ms: all.percentile(99.0),
        sweeps: all.sorted_ms.len(),
        sweeps_missing: all.missing,
        ..Direction::default()
    };
    if let Some(heard) = crossed(outcome, SWEPT, side) {
        let said = heard_as(&heard.sent, said_in)?;
        let heard = heard_as(&heard.received, heard_in)?;
        let matched = compare(&said, &heard);
        direction.correlation = matched.correlation;
        direction.speech_gaps = matched.gaps.len();
        direction.wave = Some((said, heard));
    }
    Ok(direction)
}
