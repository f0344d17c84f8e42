// SPDX-License-Identifier: MPL-2.0
//! One heard track in a room's pipeline.

use gst::prelude::*;

use super::GraphError;
use super::news::PartName;
use super::room::RoomGraph;

/// One heard track's part of the pipeline.
pub struct TrackGraph {
    /// Its number in this room.
    pub number: u64,
    /// The element that it comes through.
    pub connection: gst::Element,
    bin: gst::Bin,
    mixer: gst::Element,
    mixer_pad: gst::Pad,
    /// Where the mixer is.
    home: gst::Bin,
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

impl RoomGraph {
    /// Makes a `[track]` part and links it into a free slot of the mixer. It stands still until
    /// [`start_track`](Self::start_track).
    pub fn add_track(&self) -> Result<TrackGraph, GraphError> {
        let (number, mixer, home) = self.take_slot()?;
        self.link_track(number, mixer, home)
            .inspect_err(|_| self.give_back_slot(number))
    }

    fn link_track(
        &self,
        number: u64,
        mixer: gst::Element,
        home: gst::Bin,
    ) -> Result<TrackGraph, GraphError> {
        let part = |reason: String| self.part_error(reason);
        let template = self.graph.track.as_ref();
        let template = template.ok_or_else(|| part("it has no [track] part".to_owned()))?;
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
            home,
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
        let name = PartName::Track(track.number).text();
        track.bin.set_property("name", name);
        track
            .entry
            .set_active(true)
            .map_err(|error| error.to_string())?;
        track
            .home
            .add_pad(&track.entry)
            .map_err(|error| error.to_string())?;
        self.pipeline
            .add(&track.bin)
            .map_err(|error| error.to_string())?;
        exit.link(&track.entry)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Starts a track's part.
    pub fn start_track(&self, track: &TrackGraph) -> Result<(), GraphError> {
        track
            .bin
            .sync_state_with_parent()
            .map_err(|error| self.start_error(error))
    }

    /// Takes a track out again. The rest of the pipeline runs on undisturbed.
    pub fn remove_track(&self, track: TrackGraph) {
        self.unlink_track(&track);
        self.give_back_slot(track.number);
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
        self.take_out(&track.bin);
        if track.entry.parent().is_some() {
            let _ = track.home.remove_pad(&track.entry);
        }
        track.mixer.release_request_pad(&track.mixer_pad);
    }

    /// Stops a part of the pipeline for good.
    pub(super) fn take_out(&self, part: &gst::Bin) {
        part.set_locked_state(true);
        if part.set_state(gst::State::Null).is_err() {
            tracing::warn!(part = %part.name(), "a part of a media graph did not stop");
        }
        if part.parent().is_some() {
            // Fails only where it is not in there.
            let _ = self.pipeline.remove(part);
        }
    }
}
