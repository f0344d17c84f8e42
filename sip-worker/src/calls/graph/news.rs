// SPDX-License-Identifier: MPL-2.0
//! What a room's pipeline reports, and to whom: each call hears of its own part, all of them of what they share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use tokio::sync::mpsc;

/// What a pipeline reports, from whatever thread of it.
#[derive(Clone, Debug)]
pub enum GraphNews {
    /// The call's own part broke, or what it shares with others.
    Broken(String),
    /// The part of the `n`th track broke; the calls go on.
    TrackBroken(u64, String),
    /// Latency is to be worked out anew.
    Latency,
}

/// A part, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartName {
    Call(u64),
    Track(u64),
}

impl PartName {
    /// What its bin is called: by that a message from inside is known to be this part's.
    pub(super) fn text(self) -> String {
        match self {
            PartName::Call(number) => format!("call-{number}"),
            PartName::Track(number) => format!("track-{number}"),
        }
    }

    fn read(name: &str) -> Option<PartName> {
        let (kind, number) = name.split_once('-')?;
        let number = number.parse().ok()?;
        match kind {
            "call" => Some(PartName::Call(number)),
            "track" => Some(PartName::Track(number)),
            _ => None,
        }
    }

    /// The part that a message's sender is in.
    fn of(source: Option<&gst::Object>) -> Option<PartName> {
        let mut object = source.cloned();
        while let Some(current) = object {
            if let Some(name) = PartName::read(&current.name()) {
                return Some(name);
            }
            object = current.parent();
        }
        None
    }
}

type Listener = mpsc::UnboundedSender<GraphNews>;

/// Who wants to know.
#[derive(Default)]
pub(super) struct Listeners {
    calls: Mutex<BTreeMap<u64, Listener>>,
}

impl Listeners {
    fn calls(&self) -> MutexGuard<'_, BTreeMap<u64, Listener>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, call: u64, listener: Listener) {
        self.calls().insert(call, listener);
    }

    pub(super) fn remove(&self, call: u64) {
        self.calls().remove(&call);
    }

    fn tell(&self, part: Option<PartName>, why: String, room: &Listener) {
        // Whoever listened may be gone already.
        match part {
            Some(PartName::Track(number)) => {
                let _ = room.send(GraphNews::TrackBroken(number, why));
            }
            Some(PartName::Call(number)) => {
                if let Some(call) = self.calls().get(&number) {
                    let _ = call.send(GraphNews::Broken(why));
                }
            }
            None => {
                for call in self.calls().values() {
                    let _ = call.send(GraphNews::Broken(why.clone()));
                }
            }
        }
    }
}

/// Sends on what matters as it happens; nothing piles up on the bus. `room` hears what concerns no call alone.
pub(super) fn report(pipeline: &gst::Pipeline, listeners: &Arc<Listeners>, room: Listener) {
    let Some(bus) = pipeline.bus() else { return };
    let listeners = listeners.clone();
    bus.set_sync_handler(move |_, message| {
        let from = || {
            message
                .src()
                .map_or_else(String::new, |source| source.name().to_string())
        };
        match message.view() {
            gst::MessageView::Error(error) => {
                tracing::debug!(debug = ?error.debug(), "{}: {}", from(), error.error());
                let why = format!("{}: {}", from(), error.error());
                listeners.tell(PartName::of(message.src()), why, &room);
            }
            gst::MessageView::Warning(warning) => {
                // Such as a room that is late: nobody hears why it sounds as it does.
                tracing::warn!(debug = ?warning.debug(), "{}: {}", from(), warning.error());
            }
            gst::MessageView::Latency(_) => {
                let _ = room.send(GraphNews::Latency);
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}
