// SPDX-License-Identifier: MPL-2.0
//! Comfort noise: what a phone hears while its room is away, as both graphs make it.

use anyhow::{Context as _, Result, bail, ensure};
use sip_worker::measure::Wave;
use std::time::Duration;

/// Its level, and how far from it a piece of it may be.
const DBFS: f32 = -50.0;
const TOLERANCE_DB: f32 = 6.0;
/// Above this a line is not silent.
const SILENT_DBFS: f32 = -60.0;
const PIECE: Duration = Duration::from_millis(200);
/// What is in the phone's jitter buffer, and in that of the graph, comes first.
const SETTLE: Duration = Duration::from_millis(700);

/// Fails unless every piece of what was heard is noise of that level.
pub fn assert_is(heard: &Wave) -> Result<()> {
    let levels = levels(heard);
    ensure!(!levels.is_empty(), "nothing was heard at all");
    let wrong = levels
        .iter()
        .position(|level| (level - DBFS).abs() >= TOLERANCE_DB);
    if let Some(piece) = wrong {
        bail!(
            "no comfort noise {:?} into the outage: every {PIECE:?} there are {levels:.0?} dBFS",
            PIECE * piece as u32
        );
    }
    println!("comfort noise of {:.1} dBFS", heard.level_dbfs());
    Ok(())
}

/// Of each piece.
fn levels(heard: &Wave) -> Vec<f32> {
    let pieces = heard.duration().as_millis() / PIECE.as_millis();
    (0..pieces as u32)
        .map(|piece| heard.slice(PIECE * piece, PIECE * (piece + 1)).level_dbfs())
        .collect()
}

/// Fails if the line is not silent again.
pub fn assert_is_over(heard: &Wave) -> Result<()> {
    let level = heard.level_dbfs();
    ensure!(
        level < SILENT_DBFS,
        "after the outage {level:.0} dBFS are heard while nobody speaks"
    );
    Ok(())
}

/// Fails unless the recording ends with an outage of that length, and nothing was heard before it.
pub fn assert_heard_at_the_end_of(heard: &Wave, outage: Duration) -> Result<()> {
    let end = heard.duration();
    let before = heard.slice(Duration::ZERO, end.saturating_sub(outage + SETTLE));
    ensure!(
        before.level_dbfs() < SILENT_DBFS,
        "something is heard before the outage"
    );
    assert_is(&heard.slice(end.saturating_sub(outage - SETTLE), end))
        .with_context(|| format!("in all there are {:.0?} dBFS", levels(heard)))
}
