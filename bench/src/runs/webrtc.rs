// SPDX-License-Identifier: MPL-2.0
//! What a WebRTC connection costs: rtcbin beside webrtcbin, and calls between phones and rtcbin beside
//! rtpengine's plain ones.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use gstsipbridge::codec::OpusSettings;
use serde::Serialize;

use super::Bench;
use super::load::{Places, Talk, repeated, under_load};
use super::strain::{Moment, Strain, Used};
use super::transcode::{Line, Terms, most};
use crate::load::{Network, OPUS, Schedule, Stream, Tally};
use crate::peers::{Ours, Pairs, Rtpengine, Settings};
use crate::process::Usage;

/// Connections: what one more takes is what lies between two of these. The last is more than one core
/// carries of what is measured beside us.
const COUNTS: [usize; 3] = [1, 41, 201];

/// How calls are encoded: with a bridge's settings (those of the other comparisons), with the elements' own, and
/// as rtpengine does it.
fn encodings() -> [Encoding; 3] {
    let [bridge, elements, rtpengine] = [Ours::bridge(), Ours::defaults(), Ours::as_rtpengine()];
    [
        Encoding::explicit(Terms::Own, &bridge),
        Encoding {
            terms: Terms::Own,
            // Encoded by `sipbin` itself, at the rate that it heard.
            launch: "audio/x-opus".to_owned(),
            settings: over_rtcbin(&elements),
        },
        Encoding::explicit(Terms::EqualToRtpengine, &rtpengine),
    ]
}

struct Encoding {
    terms: Terms,
    /// What stands between `sipbin` and the payloader.
    launch: String,
    settings: Settings,
}

impl Encoding {
    fn explicit(terms: Terms, ours: &Ours) -> Encoding {
        let OpusSettings {
            complexity,
            bitrate_bps,
            inband_fec,
            packet_loss_percent,
            ..
        } = ours.opus;
        Encoding {
            terms,
            launch: format!(
                "audio/x-raw,rate={} ! sipopusenc complexity={complexity} bitrate={bitrate_bps} \
                 inband-fec={inband_fec} packet-loss-percentage={packet_loss_percent}",
                ours.rate_hz
            ),
            settings: over_rtcbin(ours),
        }
    }
}

/// `sipbin` plays what it hears out of a jitter buffer.
fn over_rtcbin(ours: &Ours) -> Settings {
    Settings::of_ours(&ours.opus, ours.rate_hz)
}

/// What is said over connections alone: encoded beforehand, as a browser does it.
fn talked(element: &str) -> Settings {
    Settings {
        jitter_buffer: match element {
            "webrtcbin" => "rtpjitterbuffer, 200 ms",
            _ => "in order, 40 ms at most",
        },
        ..Settings::of_ours(&OPUS, 48_000)
    }
}

/// The share of a core that calls are to take.
const AIM: f64 = 0.5;
const PILOT: usize = 10;
/// What the far ends carry beside the load on one core.
const MOST: usize = 150;

const SETTLED: Duration = Duration::from_secs(3);

/// What one more connection takes, one Opus track and 50 packets a second each way.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    pub element: String,
    /// What is said, encoded beforehand.
    pub settings: Settings,
    /// Between how many and how many.
    pub from: usize,
    pub to: usize,
    pub cpu_percent: f64,
    pub threads: f64,
    pub descriptors: f64,
    pub memory_kib: f64,
    /// Of the packets that were to come.
    pub lost_percent: f64,
}

/// Calls between a PCMU phone and Opus over ICE, DTLS and SRTP.
#[derive(Debug, Clone, Serialize)]
pub struct Secured {
    pub terms: Terms,
    pub settings: Settings,
    /// What stands between `sipbin` and the payloader.
    pub encoding: String,
    pub calls: usize,
    pub cpu_percent: f64,
    pub calls_per_core: f64,
    /// Of what the phones heard.
    pub tally: Tally,
    pub clean: bool,
    /// Of what the far ends heard.
    pub lost_percent: f64,
    pub threads: usize,
    pub descriptors: usize,
    pub memory_kib: u64,
    pub times_rtpengine: Option<f64>,
    #[serde(flatten)]
    pub strain: Strain,
}

#[derive(Debug, Clone, Serialize)]
pub struct Webrtc {
    pub connections: Vec<Connection>,
    pub calls: Vec<Secured>,
    /// rtpengine with plain RTP, in the same run, once for each kind of settings.
    pub rtpengine: Vec<Line>,
}

/// `only`: a part of the name of what is wanted: an element's, or "calls".
pub fn webrtc(bench: &mut Bench, measured: Duration, only: Option<&str>) -> Result<Webrtc> {
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    let mut found = Webrtc {
        connections: Vec::new(),
        calls: Vec::new(),
        rtpengine: Vec::new(),
    };
    // What the process takes for talking is everybody's, and no connection's.
    let mut alone = None;
    for (element, counts) in [("rtcbin", &COUNTS[..]), ("webrtcbin", &COUNTS[..2])] {
        if !wanted(element) {
            continue;
        }
        let alone = match &alone {
            Some(alone) => alone,
            None => alone.insert(connections(bench, "identity", &COUNTS, measured)?),
        };
        let lines = connections(bench, element, counts, measured)?;
        for (mut line, alone) in lines.into_iter().zip(alone) {
            line.cpu_percent -= alone.cpu_percent;
            line.threads -= alone.threads;
            line.descriptors -= alone.descriptors;
            line.memory_kib -= alone.memory_kib;
            bench.progress.note(&format!(
                "{element}: one more than {} takes {:.3} % of a core, {:.0} KiB",
                line.from, line.cpu_percent, line.memory_kib
            ));
            found.connections.push(line);
        }
    }
    if wanted("calls") {
        for (terms, mono) in [(Terms::Own, false), (Terms::EqualToRtpengine, true)] {
            let peer = Rtpengine {
                mono,
                ..Rtpengine::DEFAULT
            };
            let figures = most(bench, &peer, Talk::Always, measured)?;
            for encoding in encodings().iter().filter(|one| one.terms == terms) {
                let mut calls = secured(bench, encoding, measured)?;
                calls.times_rtpengine = Some(calls.calls_per_core / figures.calls_per_core);
                found.calls.push(calls);
            }
            found.rtpengine.push(Line { terms, figures });
        }
    }
    Ok(found)
}

/// What a process of so many connections takes.
struct Taken {
    cpu_percent: f64,
    usage: Usage,
    lost_percent: f64,
}

/// What one more takes, from each of these counts to the next.
fn connections(
    bench: &mut Bench,
    element: &str,
    counts: &[usize],
    measured: Duration,
) -> Result<Vec<Connection>> {
    let mut found = Vec::new();
    for count in counts {
        found.push((*count, taken(bench, element, *count, measured)?));
    }
    let steps = found.windows(2).filter_map(|step| match step {
        [few, many] => Some(one_more(element, few, many)),
        _ => None,
    });
    Ok(steps.collect())
}

fn one_more(
    element: &str,
    (from, few): &(usize, Taken),
    (to, many): &(usize, Taken),
) -> Connection {
    let each = |value: fn(&Taken) -> f64| (value(many) - value(few)) / (to - from) as f64;
    Connection {
        element: element.to_owned(),
        settings: talked(element),
        from: *from,
        to: *to,
        cpu_percent: each(|taken| taken.cpu_percent),
        threads: each(|taken| taken.usage.threads as f64),
        descriptors: each(|taken| taken.usage.descriptors as f64),
        memory_kib: each(|taken| taken.usage.memory_kib as f64),
        lost_percent: many.lost_percent,
    }
}

fn taken(bench: &mut Bench, element: &str, count: usize, measured: Duration) -> Result<Taken> {
    repeated(bench, |bench| {
        bench.progress.step(
            &format!("{element}: {count} connections"),
            SETTLED + measured,
        );
        let mut pairs = Pairs::of(&bench.stage, element, count, bench.cores.generator)?;
        std::thread::sleep(SETTLED);
        let (pid, far) = (pairs.measured.process.pid(), [pairs.far.process.pid()]);
        let heard = pairs.measured.state()?.heard;
        let from = Moment::now(pid, &far)?;
        std::thread::sleep(measured);
        let to = Moment::now(pid, &far)?;
        let heard = pairs.measured.state()?.heard - heard;
        let used = Used::between(&from, &to, Usage::of(pid)?);
        let strain = Strain::unloaded(&used);
        let due = (used.time.as_millis() as u64 / 20 * count as u64).max(1);
        let taken = Taken {
            cpu_percent: strain.cpu_percent,
            usage: used.last,
            lost_percent: 100.0 * due.saturating_sub(heard) as f64 / due as f64,
        };
        Ok((strain, taken))
    })
}

fn secured(bench: &mut Bench, encoding: &Encoding, measured: Duration) -> Result<Secured> {
    let schedule = |measured| Schedule {
        warm_up: SETTLED,
        measured,
    };
    let look = take(bench, encoding, PILOT, schedule(SETTLED))?;
    let calls = ((look.calls_per_core * AIM) as usize).clamp(PILOT, MOST);
    let calls = repeated(bench, |bench| {
        let calls = take(bench, encoding, calls, schedule(measured))?;
        Ok((calls.strain.clone(), calls))
    })?;
    bench.progress.note(&format!(
        "sipbin and rtcbin ({}): {} calls took {:.0} % of a core, {:.0} a core",
        calls.encoding, calls.calls, calls.cpu_percent, calls.calls_per_core
    ));
    Ok(calls)
}

fn take(
    bench: &mut Bench,
    encoding: &Encoding,
    calls: usize,
    schedule: Schedule,
) -> Result<Secured> {
    bench.progress.step(
        &format!("sipbin and rtcbin: {calls} calls"),
        schedule.warm_up + schedule.measured,
    );
    let places = Places::of(bench)?;
    let phones: Vec<u16> = places.phones(calls).iter().map(|(pcmu, _)| *pcmu).collect();
    let far = bench.cores.generator;
    let mut pairs = Pairs::of_phones(&bench.stage, &encoding.launch, &phones, far)
        .context("calls between phones and rtcbin cannot be set up")?;
    let streams: Vec<Stream> = pairs
        .phones
        .iter()
        .enumerate()
        .map(|(number, leg)| Stream {
            socket: places.sockets(number).0,
            to: leg.to,
            from: leg.from,
            payload_type: leg.payload_type,
            media: bench.speech.pcmu.phone.clone(),
            first_frame: number * 37,
            recorded: false,
            network: Network::Clean,
        })
        .collect();
    let from = Instant::now();
    let heard = pairs.far.state()?.heard;
    let far = [pairs.far.process.pid()];
    let (outcome, used) = under_load(bench, &pairs.measured.process, &far, &streams, schedule)?;
    let heard = pairs.far.state()?.heard - heard;
    let due = (from.elapsed().as_millis() as u64 / 20 * calls as u64).max(1);
    let strain = Strain::of(&outcome, &used);
    let tally = outcome.total();
    Ok(Secured {
        terms: encoding.terms,
        settings: encoding.settings.clone(),
        encoding: encoding.launch.clone(),
        calls,
        cpu_percent: strain.cpu_percent,
        calls_per_core: calls as f64 / (strain.cpu_percent / 100.0).max(0.001),
        tally,
        clean: tally.is_clean(streams.len()),
        lost_percent: 100.0 * due.saturating_sub(heard) as f64 / due as f64,
        threads: used.last.threads,
        descriptors: used.last.descriptors,
        memory_kib: used.last.memory_kib,
        times_rtpengine: None,
        strain,
    })
}
