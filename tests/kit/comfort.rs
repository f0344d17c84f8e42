// SPDX-License-Identifier: MPL-2.0
//! Comfort noise: what a phone hears while its room is away, as room-stock.toml makes it.

use anyhow::{Result, ensure};
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
    let pieces = heard.duration().as_millis() / PIECE.as_millis();
    ensure!(pieces > 0, "nothing was heard at all");
    for piece in 0..pieces as u32 {
        let level = heard.slice(PIECE * piece, PIECE * (piece + 1)).level_dbfs();
        ensure!(
            (level - DBFS).abs() < TOLERANCE_DB,
            "no comfort noise {:?} into the outage, but {level:.0} dBFS",
            PIECE * piece
        );
    }
    println!("comfort noise of {:.1} dBFS", heard.level_dbfs());
    Ok(())
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
}
