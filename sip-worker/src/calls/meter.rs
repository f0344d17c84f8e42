// SPDX-License-Identifier: MPL-2.0
//! Measures one call while it lasts: the phone's side each second, the room's side and the event
//! stream as often as is configured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gstsipbridge::call::Call as Leg;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::figures::{HeardFigures, PhoneFigures, PublishedFigures, RoomFigures};
use super::graph::Concealed;
use crate::link::Probe;
use crate::worker::Worker;

/// A connection that takes longer is busy with something else.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// At the end of a call nobody waits for long.
const LAST_WITHIN: Duration = Duration::from_millis(100);

/// The connections of a call with its room, for as long as it takes to measure them.
#[derive(Default)]
pub(super) struct RoomProbes {
    pub(super) published: Option<Probe>,
    pub(super) heard: Vec<HeardProbe>,
}

/// One heard track.
pub(super) struct HeardProbe {
    pub(super) track: String,
    /// By the call that measures it, for all of its room.
    pub(super) carried: bool,
    pub(super) connection: Probe,
    pub(super) concealed: Concealed,
}

pub(super) struct Meter {
    worker: Arc<Worker>,
    id: String,
    every: Duration,
    due: Option<Instant>,
    measuring: Option<JoinHandle<()>>,
}

impl Meter {
    pub(super) fn new(worker: Arc<Worker>, id: String) -> Meter {
        let every = worker.config.figures_every();
        Meter {
            worker,
            id,
            every,
            due: None,
            measuring: None,
        }
    }

    /// A second passed.
    pub(super) fn tick(&mut self, leg: &Leg, probes: impl FnOnce() -> RoomProbes) {
        let now = Instant::now();
        self.measure_phone(leg);
        let busy = self.measuring.as_ref().is_some_and(|of| !of.is_finished());
        if busy || self.due.is_some_and(|due| now < due) {
            return;
        }
        self.due = Some(now + self.every);
        let (worker, id, probes) = (self.worker.clone(), self.id.clone(), probes());
        self.measuring = Some(tokio::spawn(async move {
            let room = room(probes, ANSWER_WITHIN).await;
            worker.calls.room_measured(&id, room);
            worker.calls.tell_figures(&id);
        }));
    }

    fn measure_phone(&self, leg: &Leg) {
        if let Some(stats) = leg.stats() {
            let phone = PhoneFigures::from(&stats);
            self.worker.calls.phone_measured(&self.id, phone);
        }
    }

    /// The call is over: what is left to measure is measured now.
    pub(super) async fn finish(&mut self, leg: &Leg, probes: Option<RoomProbes>) {
        if let Some(measuring) = self.measuring.take() {
            measuring.abort();
        }
        self.measure_phone(leg);
        if let Some(probes) = probes {
            let room = room(probes, LAST_WITHIN).await;
            // Torn down by the far end in this moment, perhaps: what was known stays.
            if room.published.is_some() {
                self.worker.calls.room_measured(&self.id, room);
            }
        }
        self.worker.calls.tell_figures(&self.id);
    }
}

async fn room(probes: RoomProbes, within: Duration) -> RoomFigures {
    let read = |probe: Probe| async move { timeout(within, probe.read()).await.ok().flatten() };
    let published = async {
        let link = read(probes.published?).await?;
        Some(PublishedFigures::from(&link))
    };
    let heard = join_all(probes.heard.into_iter().map(|heard| async move {
        let link = read(heard.connection).await?;
        let concealed = heard.concealed.read();
        Some(HeardFigures::new(
            heard.track,
            heard.carried,
            &link,
            concealed,
        ))
    }));
    let (published, heard) = tokio::join!(published, heard);
    let mut heard: Vec<HeardFigures> = heard.into_iter().flatten().collect();
    heard.sort_by(|a, b| a.track.cmp(&b.track));
    RoomFigures { published, heard }
}
