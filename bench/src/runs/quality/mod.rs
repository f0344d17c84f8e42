// SPDX-License-Identifier: MPL-2.0
//! How speech sounds that crossed a network (PESQ), and how long it took.

mod lines;
mod rooms;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

pub use lines::{Line, Way};
pub use rooms::Room;

use super::Bench;
use crate::load::Score;

/// All that was listened to.
#[derive(Debug, Clone, Serialize)]
pub struct Quality {
    pub lines: Vec<Line>,
    pub rooms: Vec<Room>,
}

/// The far end's jitter buffer: three packets.
const FAR_END: Duration = Duration::from_millis(60);

/// What is recorded: two rounds of what is said.
const LISTENED: Duration = Duration::from_secs(18);

/// Before it: peers learn addresses, jitter buffers what the network is like.
const WARM_UP: Duration = Duration::from_secs(4);

/// Everybody in turn. `only`: a part of the name of those wanted.
pub fn quality(bench: &mut Bench, only: Option<&str>) -> Result<Quality> {
    let folder = bench.stage.folder.join("quality");
    let mut score = Score::start(&folder, bench.cores.measured)?;
    Ok(Quality {
        lines: lines::lines(bench, &mut score, only)?,
        rooms: rooms::rooms(bench, &mut score, only)?,
    })
}
