// SPDX-License-Identifier: MPL-2.0
//! The worker as it is shipped: phones call it over SIP, their media encrypted, each into a room where others are.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::Bench;
use super::super::strain::{Moment, Strain, Used};
use super::Soak;
use crate::load::Tally;
use crate::peers::Office;
use crate::process::Usage;

pub(super) const NAME: &str = "sip-worker";

/// Calls at a time: about half a core of them, each heard by two others.
const CALLS: usize = 24;
const ROOMS: usize = 8;
/// So many end, and as many begin, in each turn: one of most rooms.
const TURNOVER: usize = 6;
/// A turn: calls change, then all talk.
const TALK: Duration = Duration::from_secs(9);

pub(super) fn soak(bench: &mut Bench, length: Duration) -> Result<Soak> {
    let mut office = Office::start(&bench.stage, bench.cores.generator)?;
    let (pid, far) = (office.process.pid(), [office.phones.process.pid()]);
    let mut soak = Soak::of(NAME, CALLS);
    let started = Instant::now();
    while started.elapsed() < length {
        let coming = if soak.calls == 0 { CALLS } else { TURNOVER };
        if soak.calls > 0 {
            office.phones.hang_up(TURNOVER)?;
        }
        for _ in 0..coming {
            // Whoever comes takes the place of the one who left.
            let room = soak.calls % ROOMS;
            office.call(&format!("room-{room}"))?;
            soak.calls += 1;
        }
        office.until_all_are_there(CALLS)?;
        soak.says(bench, started, length);
        let from = Moment::now(pid, &far)?;
        std::thread::sleep(TALK);
        let used = Used::between(&from, &Moment::now(pid, &far)?, Usage::of(pid)?);
        soak.turn(bench, started, &Strain::unloaded(&used), &used);
    }
    let heard = office.heard()?;
    soak.tally = Tally {
        sent: heard.packets + heard.lost,
        received: heard.packets,
        lost: heard.lost,
        ..Tally::default()
    };
    soak.counts
        .insert("packets too late to be played", heard.late);
    soak.counts
        .insert("packet times concealed", heard.concealed);
    Ok(soak.judged())
}
