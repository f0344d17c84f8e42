// SPDX-License-Identifier: MPL-2.0
//! The bridge: two phone legs a call, with plain RTP.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::Bench;
use super::super::load::{Places, under_load};
use super::super::strain::Strain;
use super::Soak;
use crate::load::{Media, Network, Schedule, Stream};
use crate::peers::{Bridge, Call, Ours};

pub(super) const NAME: &str = "bridge";

/// Calls at a time.
const CALLS: usize = 100;
/// So many end, and as many begin, in each turn.
const TURNOVER: usize = 10;
/// A turn: calls change, then all talk.
const TURN: Schedule = Schedule {
    warm_up: Duration::from_secs(1),
    measured: Duration::from_secs(9),
};

/// A load that is so late makes a gap by itself: one is 45 ms between packets of 20 ms.
const LATE: Duration = Duration::from_millis(25);

const OF_THE_LOAD: &str = "gaps in turns that were disturbed, or in which the load itself was late";
const OF_NEW_CALLS: &str = "gaps in the first turn of a call";
const OF_OLD_CALLS: &str = "gaps in later turns";

pub(super) fn soak(bench: &mut Bench, length: Duration) -> Result<Soak> {
    let places = Places::of(bench)?;
    let phones = places.phones(CALLS);
    let ours = Ours::bridge();
    let mut bridge = Bridge::start(&bench.stage)?;
    // The number of the call at the bridge, its place among the phones, its legs.
    let mut calls: VecDeque<(usize, usize, Call)> = VecDeque::new();
    let mut soak = Soak::of(NAME, CALLS);
    let started = Instant::now();
    while started.elapsed() < length {
        let mut free: Vec<usize> = (calls.len()..CALLS).collect();
        if calls.len() == CALLS {
            for (number, place, _) in calls.drain(..TURNOVER) {
                bridge.remove(number)?;
                free.push(place);
            }
        }
        let older = calls.len();
        for place in free {
            let Some(phones) = phones.get(place) else {
                continue;
            };
            let (number, call) = bridge.add(&ours, *phones)?;
            calls.push_back((number, place, call));
            soak.calls += 1;
        }
        soak.says(bench, started, length);
        let streams: Vec<Stream> = calls
            .iter()
            .flat_map(|(number, place, call)| streams(bench, &places, *number, *place, call))
            .collect();
        let (outcome, used) = under_load(bench, &bridge.process, &[], &streams, TURN)?;
        bridge.process.must_run()?;
        let strain = Strain::of(&outcome, &used);
        let late = u128::from(outcome.generator.late_max_us) > LATE.as_micros();
        let disturbed = soak.turn(bench, started, &strain, &used) || late;
        for (stream, tally) in outcome.tallies.iter().enumerate() {
            let whose = match (disturbed, stream / 2 < older) {
                (true, _) => OF_THE_LOAD,
                (false, true) => OF_OLD_CALLS,
                (false, false) => OF_NEW_CALLS,
            };
            *soak.counts.entry(whose).or_default() += tally.gaps;
        }
        soak.tally.add(&outcome.total());
    }
    Ok(soak.judged())
}

fn streams(
    bench: &Bench,
    places: &Places,
    number: usize,
    place: usize,
    call: &Call,
) -> [Stream; 2] {
    let (pcmu, opus) = places.sockets(place);
    let stream = |socket, leg: crate::peers::Leg, media: &std::sync::Arc<Media>| Stream {
        socket,
        to: leg.to,
        from: leg.from,
        payload_type: leg.payload_type,
        media: media.clone(),
        first_frame: number * 37,
        recorded: false,
        network: Network::Clean,
    };
    [
        stream(pcmu, call.pcmu, &bench.speech.pcmu.phone),
        stream(opus, call.opus, &bench.speech.opus.room),
    ]
}
