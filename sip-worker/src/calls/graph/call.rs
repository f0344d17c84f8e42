// SPDX-License-Identifier: MPL-2.0
//! One phone in a room's pipeline: the graph's `[call]` part.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;
use tokio::sync::mpsc;

use super::news::PartName;
use super::room::RoomGraph;
use super::seat::Seat;
use super::uplink::Uplink;
use super::{GraphError, GraphNews};
use crate::pipeline::{PartError, PartInstance};
use crate::plain;

/// A call's part of a pipeline. Dropping it takes it out on a thread of its own.
pub struct CallGraph {
    room: Arc<RoomGraph>,
    number: u64,
    call: PartInstance,
    /// Where others share the mixer.
    seat: Option<Arc<Seat>>,
    muted: Arc<AtomicBool>,
    uplink: Uplink,
    stopped: bool,
}

impl CallGraph {
    /// Makes the `[call]` part for the call of this name. It stands still until [`start`](Self::start),
    /// so that its connection can be set up first.
    pub fn new(
        room: Arc<RoomGraph>,
        call_name: &str,
        news: mpsc::UnboundedSender<GraphNews>,
    ) -> Result<CallGraph, GraphError> {
        let instance = room.graph.call.instantiate();
        let call = instance.map_err(|error| room.part_error(error))?;
        let sip = call
            .element("sip")
            .map_err(|error| room.part_error(error))?;
        sip.set_property("call", call_name);
        let muted = Arc::new(AtomicBool::new(false));
        if let Some(pad) = sip.static_pad("src") {
            let muted = muted.clone();
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                match muted.load(Ordering::Relaxed) {
                    true => gst::PadProbeReturn::Handled,
                    false => gst::PadProbeReturn::Ok,
                }
            });
        }
        let publisher = call.element("publish");
        let publisher = publisher.map_err(|error| room.part_error(error))?;
        let uplink = Uplink::to(&publisher)
            .ok_or_else(|| room.part_error("nothing holds its `publish` element"))?;
        let seat = room.place(&call)?;
        let number = room.next_call();
        let call_graph = CallGraph {
            number,
            call,
            seat,
            muted,
            uplink,
            stopped: false,
            room,
        };
        let (room, call) = (&call_graph.room, &call_graph.call);
        let name = PartName::Call(number).text();
        call.bin.set_property("name", name);
        room.listeners.add(number, news);
        let added = room.pipeline.add(&call.bin);
        added.map_err(|error| room.part_error(error))?;
        Ok(call_graph)
    }

    /// Starts the `[call]` part.
    pub fn start(&self) -> Result<(), GraphError> {
        let Some(seat) = &self.seat else {
            return self.room.start();
        };
        let started = self.call.bin.sync_state_with_parent();
        started.map_err(|error| self.room.start_error(error))?;
        let seated = self.room.sit_down(self.number, seat);
        seated.map_err(|why| self.room.start_error(why))?;
        self.room.recalculate_latency();
        Ok(())
    }

    /// The connection through which the room hears the phone.
    pub fn publisher(&self) -> Result<gst::Element, GraphError> {
        let publisher = self.call.element("publish");
        publisher.map_err(|error| self.room.part_error(error))
    }

    /// Takes that connection out, stopped. What the phone says is dropped from now on.
    pub fn drop_publisher(&mut self) -> Result<(), GraphError> {
        if self.stopped {
            return Err(GraphError::Stopped);
        }
        let publisher = self.publisher()?;
        self.uplink
            .cut(&publisher)
            .map_err(|reason| self.room.part_error(reason))
    }

    /// Puts a fresh one in its place. It stands still until
    /// [`start_publisher`](Self::start_publisher), so that its connection can be set up first.
    pub fn renew_publisher(&mut self) -> Result<gst::Element, GraphError> {
        if self.stopped {
            return Err(GraphError::Stopped);
        }
        let former = self.publisher()?;
        let spare = self.spare(&former)?;
        let fresh = self
            .uplink
            .renew(&former, spare)
            .map_err(|reason| self.room.part_error(reason))?;
        self.call.replace("publish", fresh.clone());
        Ok(fresh)
    }

    /// A connection that is made of several elements, once more: out of a part of its own.
    fn spare(&self, former: &gst::Element) -> Result<Option<gst::Element>, GraphError> {
        if !plain::is_one(former) {
            return Ok(None);
        }
        let part = self.room.graph.call.instantiate();
        let taken = part.and_then(|part| {
            let spare = part.element("publish")?;
            let home = spare.parent().and_downcast::<gst::Bin>();
            let home = home.ok_or_else(|| PartError::Port("publish".to_owned()))?;
            let taken = home.remove(&spare);
            taken.map_err(|error| PartError::Launch(error.to_string()))?;
            Ok(spare)
        });
        taken.map(Some).map_err(|error| self.room.part_error(error))
    }

    /// The RTP source that it is to send, where that is settled already.
    pub fn ssrc(&self) -> Option<u32> {
        self.uplink.ssrc()
    }

    /// Starts that fresh connection.
    pub fn start_publisher(&self) -> Result<(), GraphError> {
        self.uplink
            .open(&self.publisher()?)
            .map_err(|reason| self.room.start_error(reason))
    }

    /// While this is true the room does not hear the phone.
    pub fn muted(&self) -> Arc<AtomicBool> {
        self.muted.clone()
    }

    /// Takes the phone out of the pipeline; where the call has that to itself, stops all of it.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.room.listeners.remove(self.number);
        match &self.seat {
            Some(seat) => {
                self.room.get_up(self.number, seat);
                self.room.take_out(&self.call.bin);
            }
            None => self.room.stop(),
        }
    }
}

impl Drop for CallGraph {
    fn drop(&mut self) {
        self.room.listeners.remove(self.number);
        // Without a seat it is the room's own part, and goes with it.
        if let Some(seat) = self.seat.take().filter(|_| !self.stopped) {
            // Whoever gives up half-way may be on a thread that must not wait.
            let (room, number, bin) = (self.room.clone(), self.number, self.call.bin.clone());
            self.call.bin.call_async(move |_| {
                room.get_up(number, &seat);
                room.take_out(&bin);
            });
        }
    }
}
