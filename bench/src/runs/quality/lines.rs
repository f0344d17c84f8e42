// SPDX-License-Identifier: MPL-2.0
//! Calls between PCMU and Opus over bad networks: each kind of network several times in one run of a peer.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use sip_ua::sdp::Codec;
use sipbridge_measure::{Wave, compare};

use super::super::Bench;
use super::super::load::{Places, crossed, repeated, swept, under_load};
use super::super::strain::Strain;
use super::{FAR_END, LISTENED, WARM_UP};
use crate::load::{Band, Delays, Heard, Network, Outcome, Schedule, Score, Sound, Stream, played};
use crate::peers::{Ours, Rtpengine, Settings, Stock, TRANSCODED, Transcoder};

/// Calls over a network of each kind.
const EACH: usize = 4;

/// Calls that measure the delay, over a clean network.
const SWEPT: usize = 4;

/// Of them all at a time: what a peer cannot carry sounds bad over any network, and the dearest one carries
/// little more than thirty.
const AT_A_TIME: usize = 20;

const RATE_HZ: u32 = 8_000;

/// More than any peer's delay.
const UNDER_WAY: Duration = Duration::from_millis(500);

const NETWORKS: [Network; 9] = [
    Network::Clean,
    Network::Loss(1.0),
    Network::Loss(3.0),
    Network::Loss(5.0),
    Network::Loss(10.0),
    Network::Bursts(5.0),
    Network::Jitter(30.0),
    Network::Jitter(60.0),
    Network::Jitter(120.0),
];

/// Which way speech went; the network is before the peer, which is what has to cope with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    PcmuToOpus,
    OpusToPcmu,
}

impl Way {
    pub const BOTH: [Way; 2] = [Way::PcmuToOpus, Way::OpusToPcmu];

    fn codecs(self) -> [Codec; 2] {
        match self {
            Way::PcmuToOpus => [Codec::Pcmu, Codec::Opus],
            Way::OpusToPcmu => [Codec::Opus, Codec::Pcmu],
        }
    }

    fn said(self) -> Sound {
        match self {
            Way::PcmuToOpus => Sound::Phone,
            Way::OpusToPcmu => Sound::Room,
        }
    }
}

/// What one peer made of one network.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub peer: String,
    /// None: nobody was between.
    pub settings: Option<Settings>,
    /// Settings as near to rtpengine's as can be.
    pub equal: bool,
    pub way: Way,
    pub network: String,
    /// The mean, MOS-LQO; none where too little was heard of a call to tell.
    pub pesq: Option<f64>,
    /// The worst call.
    pub pesq_least: Option<f64>,
    /// Silence where something was said, in all calls together.
    pub gaps: usize,
    /// Of sweeps, over a clean network.
    pub delay_p50_ms: Option<f64>,
    pub delay_p99_ms: Option<f64>,
}

pub fn lines(bench: &mut Bench, score: &mut Score, only: Option<&str>) -> Result<Vec<Line>> {
    let peers: [(bool, Box<dyn Transcoder>); 9] = [
        (false, Box::new(Rtpengine::DEFAULT)),
        (false, Box::new(Stock::defaults())),
        (false, Box::new(Stock::patient())),
        (false, Box::new(Ours::bridge())),
        (false, Box::new(Ours::endpoint())),
        (false, Box::new(Ours::defaults())),
        (
            true,
            Box::new(Rtpengine {
                mono: true,
                ..Rtpengine::DEFAULT
            }),
        ),
        (true, Box::new(Stock::set(48_000, 24_000, 10))),
        (true, Box::new(Ours::as_rtpengine())),
    ];
    let mut lines = Vec::new();
    for (equal, peer) in peers {
        if only.is_none_or(|only| peer.name().contains(only)) {
            let outcome = listen(bench, peer.as_ref())?;
            judge(bench, score, (peer.as_ref(), equal), &outcome, &mut lines)?;
            if !lines.iter().any(|line: &Line| line.settings.is_none()) {
                unaided(bench, score, &outcome, &mut lines)?;
            }
        }
    }
    Ok(lines)
}

/// The network of a call, where it is one over a network.
fn network(call: usize) -> Option<Network> {
    NETWORKS.get(call.checked_sub(SWEPT)? / EACH).copied()
}

fn listen(bench: &mut Bench, peer: &dyn Transcoder) -> Result<Outcome> {
    let calls = SWEPT + EACH * NETWORKS.len();
    let mut outcome = Outcome::default();
    for first in (0..calls).step_by(AT_A_TIME) {
        let round = first..calls.min(first + AT_A_TIME);
        outcome.append(listen_to(bench, peer, round)?);
    }
    Ok(outcome)
}

/// The calls of these numbers, at a time.
fn listen_to(bench: &mut Bench, peer: &dyn Transcoder, numbers: Range<usize>) -> Result<Outcome> {
    let schedule = Schedule {
        warm_up: WARM_UP,
        measured: LISTENED,
    };
    let calls = numbers.len();
    repeated(bench, |bench| {
        bench.progress.step(
            &format!("{}: {calls} calls over networks good and bad", peer.name()),
            WARM_UP + LISTENED,
        );
        let places = Places::of(bench)?;
        let mut running = peer
            .start(&bench.stage, &places.phones(calls))
            .with_context(|| format!("{} cannot be set up", peer.name()))?;
        let mut streams = Vec::new();
        for (place, (number, call)) in numbers.clone().zip(&running.calls).enumerate() {
            let sockets = places.sockets(place);
            let (pcmu, opus) = (&bench.speech.pcmu, &bench.speech.opus);
            let (from_pcmu, from_opus) = match network(number) {
                None => (&pcmu.sweeps, &opus.sweeps),
                Some(_) => (&pcmu.phone, &opus.room),
            };
            for (socket, leg, media) in [
                (sockets.0, call.pcmu, from_pcmu),
                (sockets.1, call.opus, from_opus),
            ] {
                streams.push(Stream {
                    socket,
                    to: leg.to,
                    from: leg.from,
                    payload_type: leg.payload_type,
                    media: media.clone(),
                    first_frame: number * 37,
                    recorded: true,
                    network: network(number).unwrap_or_default(),
                });
            }
        }
        let (outcome, used) = under_load(bench, &running.process, &[], &streams, schedule)?;
        running.process.must_run()?;
        Ok((Strain::of(&outcome, &used), outcome))
    })
}

fn judge(
    bench: &mut Bench,
    score: &mut Score,
    (peer, equal): (&dyn Transcoder, bool),
    outcome: &Outcome,
    lines: &mut Vec<Line>,
) -> Result<()> {
    for way in Way::BOTH {
        let mut delays = Delays::default();
        for call in 0..SWEPT {
            delays.add(swept(outcome, TRANSCODED, call, way as usize)?);
        }
        for network in NETWORKS {
            let clean = network == Network::Clean;
            let kind = if equal { ", equal settings" } else { "" };
            let name = format!("{}{kind}, {network}", peer.name());
            let [_, heard_in] = way.codecs();
            let judged = each(bench, score, way, network, &name, outcome, |heard| {
                played(&heard.received, heard_in, RATE_HZ, FAR_END)
            })?;
            lines.push(Line {
                peer: peer.name(),
                settings: Some(peer.settings()),
                equal,
                delay_p50_ms: delays.percentile(50.0).filter(|_| clean),
                delay_p99_ms: delays.percentile(99.0).filter(|_| clean),
                ..judged
            });
        }
    }
    Ok(())
}

/// What is heard of a lossy stream without anybody's help: holes are silence.
fn unaided(
    bench: &mut Bench,
    score: &mut Score,
    outcome: &Outcome,
    lines: &mut Vec<Line>,
) -> Result<()> {
    let way = Way::PcmuToOpus;
    let lossy = |network: &Network| !matches!(network, Network::Jitter(_));
    for network in NETWORKS.into_iter().filter(lossy) {
        let name = format!("not concealed, {network}");
        let judged = each(bench, score, way, network, &name, outcome, |heard| {
            let mut all = heard.sent.clone();
            for packet in &mut all {
                if heard.lost.contains(&packet.sequence) {
                    // What PCMU has for silence.
                    packet.payload.fill(0xff);
                }
            }
            played(&all, Codec::Pcmu, RATE_HZ, FAR_END)
        })?;
        lines.push(Line {
            peer: "not concealed".to_owned(),
            ..judged
        });
    }
    Ok(())
}

/// Scores all calls over one kind of network.
fn each(
    bench: &mut Bench,
    score: &mut Score,
    way: Way,
    network_: Network,
    name: &str,
    outcome: &Outcome,
    heard_as: impl Fn(&Heard) -> Result<Wave>,
) -> Result<Line> {
    bench.progress.step(name, Duration::ZERO);
    let mut scores = Vec::new();
    let mut gaps = 0;
    let side = way as usize;
    let calls = outcome.tallies.len() / 2;
    for call in (0..calls).filter(|call| network(*call) == Some(network_)) {
        let heard = crossed(outcome, call, side).context("it was recorded")?;
        // The last words are still under way when recording ends.
        let said = said(bench, way, call).slice(Duration::ZERO, LISTENED - UNDER_WAY);
        let wave = heard_as(&heard)?;
        gaps += compare(&said, &wave).gaps.len();
        let codec = way.codecs()[0];
        scores.push(score.of(
            Band::Narrow,
            &said,
            &wave,
            &format!("{name}, {codec}, {call}"),
        )?);
    }
    let all: Option<Vec<f64>> = scores.into_iter().collect();
    let all = all.as_ref();
    Ok(Line {
        peer: String::new(),
        settings: None,
        equal: false,
        way,
        network: network_.to_string(),
        pesq: all.map(|scores| scores.iter().sum::<f64>() / scores.len().max(1) as f64),
        pesq_least: all.and_then(|scores| scores.iter().copied().min_by(f64::total_cmp)),
        gaps,
        delay_p50_ms: None,
        delay_p99_ms: None,
    })
}

/// What was said while it was recorded, before any codec.
fn said(bench: &Bench, way: Way, call: usize) -> Wave {
    let frames = |time: Duration| time.as_millis() as usize / 20;
    let wave = bench.speech.speech.wave(way.said()).resampled(RATE_HZ);
    let frame = RATE_HZ as usize / 50;
    let whole = wave.samples.len() / frame * frame;
    let first = call * 37 + frames(WARM_UP);
    let samples = wave.samples[..whole].iter().copied().cycle();
    Wave {
        rate_hz: RATE_HZ,
        samples: samples
            .skip(first * frame % whole.max(1))
            .take(frames(LISTENED) * frame)
            .collect(),
    }
}
