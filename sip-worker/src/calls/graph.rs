// SPDX-License-Identifier: MPL-2.0
//! The media of one call: a pipeline of its own, made of the graph's `[call]` part and of one
//! `[track]` part for each track it hears.
//!
//! Everything here may wait for a streaming thread, so none of it runs on the runtime's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;
use tokio::sync::mpsc;

use super::mix::Mix;
use super::uplink::Uplink;
use crate::pipeline::{Graph, PartInstance};

/// What the pipeline reports, from whatever thread of it.
#[derive(Debug)]
pub enum GraphNews {
    /// The call's own part broke.
    Broken(String),
    /// The part of the `n`th track broke; the call goes on.
    TrackBroken(u64, String),
    /// Latency is to be worked out anew.
    Latency,
}

/// Why a graph could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// A part could not be made.
    #[error("the media graph '{graph}' cannot be made: {reason}")]
    Part {
        /// Its name.
        graph: String,
        /// One sentence.
        reason: String,
    },
    /// A state change failed.
    #[error("the media graph '{graph}' does not start: {reason}")]
    Start {
        /// Its name.
        graph: String,
        /// What its pipeline says.
        reason: String,
    },
    /// The call is over.
    #[error("the call is over")]
    Stopped,
    /// Every mixer slot hears a track already.
    #[error("the media graph '{graph}' hears {slots} tracks at most")]
    NoSlot {
        /// Its name.
        graph: String,
        /// How many slots it has.
        slots: usize,
    },
}

/// A call's pipeline. Dropping it stops it on a thread of its own.
pub struct CallGraph {
    pipeline: gst::Pipeline,
    graph: Arc<Graph>,
    call: PartInstance,
    mix: Mix,
    tracks: u64,
    muted: Arc<AtomicBool>,
    uplink: Uplink,
    stopped: bool,
}

/// One heard track's part of the pipeline.
pub struct TrackGraph {
    /// Its number in this call.
    pub number: u64,
    /// The element that it comes through.
    pub connection: gst::Element,
    bin: gst::Bin,
    mixer: gst::Element,
    mixer_pad: gst::Pad,
    entry: gst::GhostPad,
}

impl TrackGraph {
    /// What counts the packet times that were filled because nothing had come: the decoder of its part,
    /// or the mixer's jitter buffer.
    pub fn concealed(&self) -> Concealed {
        Concealed {
            part: self.bin.clone(),
            pad: self.mixer_pad.clone(),
        }
    }
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

/// Reads how much of a track was concealed.
pub struct Concealed {
    part: gst::Bin,
    pad: gst::Pad,
}

impl Concealed {
    /// Packet times, where something counts them.
    pub fn read(&self) -> Option<u64> {
        let mut decoders = self.part.iterate_all_by_element_factory_name("opusdec");
        if let Ok(Some(decoder)) = decoders.next() {
            let stats = decoder.property::<gst::Structure>("stats");
            return stats.get("num-gap").ok();
        }
        self.pad.find_property("stats")?;
        let stats = self.pad.property::<Option<gst::Structure>>("stats")?;
        stats.get("missed").ok()
    }
}

impl CallGraph {
    /// Makes the `[call]` part for the call of this name. It stands still until [`start`](Self::start),
    /// so that its connection can be set up first.
    pub fn new(
        graph: Arc<Graph>,
        call_name: &str,
        news: mpsc::UnboundedSender<GraphNews>,
    ) -> Result<CallGraph, GraphError> {
        let part = |reason: String| GraphError::Part {
            graph: graph.name.clone(),
            reason,
        };
        let call = graph
            .call
            .instantiate()
            .map_err(|error| part(error.to_string()))?;
        let sip = call
            .element("sip")
            .map_err(|error| part(error.to_string()))?;
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
        let mix = Mix::of(&call, &sip).map_err(|error| part(error.to_string()))?;
        let publisher = call
            .element("publish")
            .map_err(|error| part(error.to_string()))?;
        let uplink = Uplink::to(&publisher)
            .ok_or_else(|| part("nothing holds its `publish` element".to_owned()))?;
        let pipeline = gst::Pipeline::new();
        pipeline
            .add(&call.bin)
            .map_err(|error| part(error.to_string()))?;
        report(&pipeline, news);
        Ok(CallGraph {
            pipeline,
            graph,
            call,
            mix,
            tracks: 0,
            muted,
            uplink,
            stopped: false,
        })
    }

    /// Starts the `[call]` part.
    pub fn start(&self) -> Result<(), GraphError> {
        self.pipeline
            .set_state(gst::State::Playing)
            .map(drop)
            .map_err(|error| self.does_not_start(error.to_string()))
    }

    /// Starts a track's part.
    pub fn start_track(&self, track: &TrackGraph) -> Result<(), GraphError> {
        track
            .bin
            .sync_state_with_parent()
            .map_err(|error| self.does_not_start(error.to_string()))
    }

    fn does_not_change(&self, reason: String) -> GraphError {
        GraphError::Part {
            graph: self.graph.name.clone(),
            reason,
        }
    }

    fn does_not_start(&self, reason: String) -> GraphError {
        GraphError::Start {
            graph: self.graph.name.clone(),
            reason,
        }
    }

    /// The connection through which the room hears the phone.
    pub fn publisher(&self) -> Result<gst::Element, GraphError> {
        self.port(&self.call, "publish")
    }

    /// Takes that connection out, stopped. What the phone says is dropped from now on.
    pub fn drop_publisher(&mut self) -> Result<(), GraphError> {
        if self.stopped {
            return Err(GraphError::Stopped);
        }
        let publisher = self.publisher()?;
        self.uplink
            .cut(&publisher)
            .map_err(|reason| self.does_not_change(reason))
    }

    /// Puts a fresh one in its place. It stands still until
    /// [`start_publisher`](Self::start_publisher), so that its connection can be set up first.
    pub fn renew_publisher(&mut self) -> Result<gst::Element, GraphError> {
        if self.stopped {
            return Err(GraphError::Stopped);
        }
        let former = self.publisher()?;
        let fresh = self
            .uplink
            .renew(&former)
            .map_err(|reason| self.does_not_change(reason))?;
        self.call.replace("publish", fresh.clone());
        Ok(fresh)
    }

    /// The RTP source that it is to send, where that is settled already.
    pub fn ssrc(&self) -> Option<u32> {
        self.uplink.ssrc()
    }

    /// Starts that fresh connection.
    pub fn start_publisher(&self) -> Result<(), GraphError> {
        self.uplink
            .open(&self.publisher()?)
            .map_err(|reason| self.does_not_start(reason))
    }

    /// What lets the phone hear comfort noise while its room is away; where the graph has such a thing.
    pub fn comfort(&self) -> Option<Comfort> {
        self.call.optional("comfort").map(Comfort)
    }

    /// Makes a `[track]` part and links it into a free slot of the mixer. It stands still until
    /// [`start_track`](Self::start_track).
    pub fn add_track(&mut self) -> Result<TrackGraph, GraphError> {
        if self.stopped {
            return Err(GraphError::Stopped);
        }
        let number = self.tracks;
        let mixer = self.mix.take(number).ok_or_else(|| GraphError::NoSlot {
            graph: self.graph.name.clone(),
            slots: self.mix.capacity(),
        })?;
        self.tracks += 1;
        self.link_track(number, mixer)
            .inspect_err(|_| self.mix.give_back(number))
    }

    fn link_track(&self, number: u64, mixer: gst::Element) -> Result<TrackGraph, GraphError> {
        let part = |reason: String| GraphError::Part {
            graph: self.graph.name.clone(),
            reason,
        };
        let template = self
            .graph
            .track
            .as_ref()
            .ok_or_else(|| part("it has no [track] part".to_owned()))?;
        let track = template
            .instantiate()
            .map_err(|error| part(error.to_string()))?;
        let connection = track
            .element("subscribe")
            .map_err(|error| part(error.to_string()))?;
        let out = track.pad("out").map_err(|error| part(error.to_string()))?;

        let entry_of = track
            .sink_pad("in")
            .map_err(|error| part(error.to_string()))?;
        connection.connect_pad_added(move |_, pad| {
            // One track is one pad; a second m-line has no place here.
            if pad.direction() == gst::PadDirection::Src
                && !entry_of.is_linked()
                && let Err(error) = pad.link(&entry_of)
            {
                tracing::warn!(%error, "a track's pad does not fit");
            }
        });
        let exit = gst::GhostPad::with_target(&out).map_err(|error| part(error.to_string()))?;
        track
            .bin
            .add_pad(&exit)
            .map_err(|error| part(error.to_string()))?;
        let mixer_pad = mixer
            .request_pad_simple("sink_%u")
            .ok_or_else(|| part(format!("{} gives no pad", mixer.name())))?;
        let entry =
            gst::GhostPad::with_target(&mixer_pad).map_err(|error| part(error.to_string()))?;
        let this = TrackGraph {
            number,
            connection,
            bin: track.bin,
            mixer,
            mixer_pad,
            entry,
        };
        if let Err(reason) = self.attach(&this, &exit) {
            let error = part(reason);
            self.unlink_track(&this);
            return Err(error);
        }
        Ok(this)
    }

    fn attach(&self, track: &TrackGraph, exit: &gst::GhostPad) -> Result<(), String> {
        // By its name a message from inside is known to be this track's.
        track.bin.set_property("name", track_name(track.number));
        track
            .entry
            .set_active(true)
            .map_err(|error| error.to_string())?;
        self.call
            .bin
            .add_pad(&track.entry)
            .map_err(|error| error.to_string())?;
        self.pipeline
            .add(&track.bin)
            .map_err(|error| error.to_string())?;
        exit.link(&track.entry)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Takes a track out again. The rest of the pipeline runs on undisturbed.
    pub fn remove_track(&mut self, track: TrackGraph) {
        self.mix.give_back(track.number);
        self.unlink_track(&track);
    }

    fn unlink_track(&self, track: &TrackGraph) {
        if let Some(exit) = track.entry.peer() {
            // From here on nothing of this track comes out, so that no thread of it meets an
            // unlinked pad and calls that an error.
            exit.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, |_, _| {
                gst::PadProbeReturn::Handled
            });
            // Fails only where they are not linked, which is what is wanted.
            let _ = exit.unlink(&track.entry);
        }
        track.bin.set_locked_state(true);
        if track.bin.set_state(gst::State::Null).is_err() {
            tracing::warn!(track = track.number, "a track's part did not stop");
        }
        if track.bin.parent().is_some() {
            // Fails only where it is not in there.
            let _ = self.pipeline.remove(&track.bin);
        }
        if track.entry.parent().is_some() {
            let _ = self.call.bin.remove_pad(&track.entry);
        }
        track.mixer.release_request_pad(&track.mixer_pad);
    }

    /// Works out the latency again, after a part came, went or changed its mind.
    pub fn recalculate_latency(&self) {
        if self.pipeline.recalculate_latency().is_err() {
            tracing::debug!("a pipeline did not take its new latency");
        }
    }

    /// While this is true the room does not hear the phone.
    pub fn muted(&self) -> Arc<AtomicBool> {
        self.muted.clone()
    }

    /// How many tracks it can hear at once.
    pub fn slots(&self) -> usize {
        self.mix.capacity()
    }

    /// Stops everything and gives back threads, sockets and descriptors. Nothing can be added after.
    pub fn stop(&mut self) {
        self.stopped = true;
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::warn!("a pipeline did not stop");
        }
    }

    fn port(&self, part: &PartInstance, port: &str) -> Result<gst::Element, GraphError> {
        part.element(port).map_err(|error| GraphError::Part {
            graph: self.graph.name.clone(),
            reason: error.to_string(),
        })
    }
}

impl Drop for CallGraph {
    fn drop(&mut self) {
        if !self.stopped {
            // Whoever gives up half-way may be on a thread that must not wait.
            self.pipeline.call_async(|pipeline| {
                let _ = pipeline.set_state(gst::State::Null);
            });
        }
    }
}

fn track_name(number: u64) -> String {
    format!("track-{number}")
}

/// The track a message came from, by the part its sender is in.
fn track_of(source: Option<&gst::Object>) -> Option<u64> {
    let mut object = source.cloned();
    while let Some(current) = object {
        if let Some(number) = current
            .name()
            .strip_prefix("track-")
            .and_then(|number| number.parse().ok())
        {
            return Some(number);
        }
        object = current.parent();
    }
    None
}

/// Sends on what matters as it happens; nothing piles up on the bus.
fn report(pipeline: &gst::Pipeline, news: mpsc::UnboundedSender<GraphNews>) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| {
        let item = match message.view() {
            gst::MessageView::Error(error) => {
                let from = message.src().map_or_else(String::new, |source| source.name().to_string());
                tracing::debug!(debug = ?error.debug(), "{from}: {}", error.error());
                let sentence = format!("{from}: {}", error.error());
                Some(match track_of(message.src()) {
                    Some(number) => GraphNews::TrackBroken(number, sentence),
                    None => GraphNews::Broken(sentence),
                })
            }
            gst::MessageView::Warning(warning) => {
                tracing::debug!(debug = ?warning.debug(), "{:?}: {}", message.src().map(|s| s.name()), warning.error());
                None
            }
            gst::MessageView::Latency(_) => Some(GraphNews::Latency),
            _ => None,
        };
        if let Some(item) = item {
            // The call may be gone already.
            let _ = news.send(item);
        }
        gst::BusSyncReply::Drop
    });
}
