// SPDX-License-Identifier: MPL-2.0
//! The pipeline of a room on this worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use gstsipbridge::context::Context;
use gstsipbridge::sipmixer::SipMixer;
use tokio::sync::mpsc;

use super::mix::Mix;
use super::news::{Listeners, report};
use super::seat::Seat;
use super::{GraphError, GraphNews};
use crate::pipeline::{Graph, PartError, PartInstance};

/// Dropping it stops it on a thread of its own.
pub struct RoomGraph {
    pub(super) pipeline: gst::Pipeline,
    pub(super) graph: Arc<Graph>,
    /// What the calls share, where they share anything.
    shared: Option<PartInstance>,
    pub(super) listeners: Arc<Listeners>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// Of the room; else of the one call that there is.
    mix: Option<Mix>,
    comfort: Option<Comfort>,
    seats: BTreeMap<u64, Arc<Seat>>,
    calls: u64,
    stopped: bool,
}

/// Comfort noise: a muted source of it, or a mixer that makes it.
#[derive(Clone)]
pub struct Comfort(gst::Element);

impl Comfort {
    /// Lets it be heard, or not.
    pub fn let_be_heard(&self, heard: bool) {
        match self.0.find_property("comfort-noise") {
            Some(_) => self.0.set_property("comfort-noise", heard),
            None => self.0.set_property("mute", !heard),
        }
    }
}

impl RoomGraph {
    /// Makes a pipeline with the `[room]` part in it, where there is one, and starts it. Of what concerns no
    /// call alone `news` is told.
    pub fn new(
        graph: Arc<Graph>,
        news: mpsc::UnboundedSender<GraphNews>,
    ) -> Result<RoomGraph, GraphError> {
        let shared = graph.room.as_ref().map(|part| part.instantiate());
        let shared = shared.transpose();
        let room = RoomGraph {
            pipeline: gst::Pipeline::new(),
            shared: shared.map_err(|error| part_error(&graph, error))?,
            listeners: Arc::default(),
            inside: Mutex::default(),
            graph,
        };
        report(&room.pipeline, &room.listeners, news);
        if let Some(shared) = &room.shared {
            let mixer = shared.element("mixer");
            let mixer = mixer.map_err(|error| room.part_error(error))?;
            let mut inside = room.inside();
            inside.mix = Some(Mix::at(mixer, &shared.bin));
            inside.comfort = shared.optional("comfort").map(Comfort);
            drop(inside);
            let added = room.pipeline.add(&shared.bin);
            added.map_err(|error| room.part_error(error))?;
            room.start()?;
        }
        Ok(room)
    }

    /// What all of it is in.
    pub fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }

    /// The media thread on which what the calls share is mixed, where it is one of ours.
    pub fn context(&self) -> Option<Context> {
        let mixer = self.shared.as_ref()?.element("mixer").ok()?;
        mixer.downcast_ref::<SipMixer>()?.context()
    }

    /// Starts all that is in it.
    pub(super) fn start(&self) -> Result<(), GraphError> {
        let started = self.pipeline.set_state(gst::State::Playing);
        started.map(drop).map_err(|error| self.start_error(error))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn part_error(&self, reason: impl ToString) -> GraphError {
        part_error(&self.graph, reason)
    }

    pub(super) fn start_error(&self, reason: impl ToString) -> GraphError {
        GraphError::Start {
            graph: self.graph.name.clone(),
            reason: reason.to_string(),
        }
    }

    /// A number for one more call.
    pub(super) fn next_call(&self) -> u64 {
        let mut inside = self.inside();
        inside.calls += 1;
        inside.calls
    }

    /// A place for a call's phone: a seat at the room's mixer, else the call's own mixer is where what is heard
    /// meets.
    pub(super) fn place(&self, call: &PartInstance) -> Result<Option<Arc<Seat>>, GraphError> {
        if let Some(shared) = &self.shared {
            let mixer = shared.element("mixer");
            let seat = mixer.and_then(|mixer| Seat::take(&mixer, &shared.bin, call));
            return seat.map(Some).map_err(|error| match error {
                PartError::Full => GraphError::Full {
                    graph: self.graph.name.clone(),
                },
                error => self.part_error(error),
            });
        }
        let mix = call.element("sip").and_then(|sip| Mix::of(call, &sip));
        let mut inside = self.inside();
        inside.mix = Some(mix.map_err(|error| self.part_error(error))?);
        inside.comfort = call.optional("comfort").map(Comfort);
        Ok(None)
    }

    /// The phone of this call is there. Where it is not the only one, they hear each other from now on.
    pub(super) fn sit_down(&self, call: u64, seat: &Arc<Seat>) -> Result<(), String> {
        seat.listen()?;
        let mut inside = self.inside();
        inside.seats.insert(call, seat.clone());
        if inside.seats.len() > 1 {
            for seat in inside.seats.values() {
                seat.speak()?;
            }
        }
        Ok(())
    }

    /// It is not there any more. Who is alone speaks to nobody, and costs no decoder.
    pub(super) fn get_up(&self, call: u64, seat: &Seat) {
        let mut inside = self.inside();
        inside.seats.remove(&call);
        seat.leave();
        if inside.seats.len() == 1 {
            inside.seats.values().for_each(|last| last.hush());
        }
    }

    /// What lets the phones hear comfort noise while their room is away; where the graph has such a thing.
    pub fn comfort(&self) -> Option<Comfort> {
        self.inside().comfort.clone()
    }

    /// How many tracks can be heard at once.
    pub fn slots(&self) -> usize {
        self.inside().mix.as_ref().map_or(0, Mix::capacity)
    }

    /// A number for one more track, the element that is to give a pad for it, and the bin that is in.
    pub(super) fn take_slot(&self) -> Result<(u64, gst::Element, gst::Bin), GraphError> {
        let mut inside = self.inside();
        if inside.stopped {
            return Err(GraphError::Stopped);
        }
        let mix = inside.mix.as_mut().ok_or(GraphError::Stopped)?;
        let slots = mix.capacity();
        mix.take().ok_or_else(|| GraphError::NoSlot {
            graph: self.graph.name.clone(),
            slots,
        })
    }

    pub(super) fn give_back_slot(&self, number: u64) {
        if let Some(mix) = &mut self.inside().mix {
            mix.give_back(number);
        }
    }

    /// Works out the latency again, after a part came, went or changed its mind.
    pub fn recalculate_latency(&self) {
        if self.pipeline.recalculate_latency().is_err() {
            tracing::debug!("a pipeline did not take its new latency");
        }
    }

    /// Stops everything and gives back threads, sockets and descriptors. Nothing can be added after.
    pub fn stop(&self) {
        if std::mem::replace(&mut self.inside().stopped, true) {
            return;
        }
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a pipeline did not stop");
        }
    }
}

fn part_error(graph: &Graph, reason: impl ToString) -> GraphError {
    GraphError::Part {
        graph: graph.name.clone(),
        reason: reason.to_string(),
    }
}

impl Drop for RoomGraph {
    fn drop(&mut self) {
        if !self.inside().stopped {
            // Whoever gives up half-way may be on a thread that must not wait.
            self.pipeline.call_async(|pipeline| {
                let _ = pipeline.set_state(gst::State::Null);
            });
        }
    }
}
