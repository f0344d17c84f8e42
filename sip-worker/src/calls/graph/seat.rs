// SPDX-License-Identifier: MPL-2.0
//! A phone's place at the mixer that all phones of a room share: it hears everybody but itself there, and is
//! heard by the other phones, if there are any.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;

use crate::pipeline::{PartError, PartInstance};

pub(super) struct Seat {
    mixer: gst::Element,
    /// What the phone says goes in here.
    intake: gst::Pad,
    /// Where the mixer is.
    room: gst::Bin,
    /// What the phone hears, on its way out of there.
    heard: gst::GhostPad,
    call: gst::Bin,
    /// Where it comes to the phone.
    ear: gst::GhostPad,
    /// What the phone says, for whoever wants it.
    voice: gst::Element,
    speaking: Mutex<Option<Speaking>>,
}

struct Speaking {
    branch: gst::Pad,
    out: gst::GhostPad,
    into: gst::GhostPad,
}

fn launch(error: impl std::fmt::Display) -> PartError {
    PartError::Launch(error.to_string())
}

/// Whether mixing takes as much of its thread as it may; other mixers than ours know no such thing.
fn is_full(mixer: &gst::Element) -> bool {
    if mixer.find_property("max-load").is_none() {
        return false;
    }
    let stats = mixer.property::<Option<gst::Structure>>("stats");
    let load = stats.and_then(|stats| stats.get::<f64>("load").ok());
    load.is_some_and(|load| load >= mixer.property::<f64>("max-load"))
}

impl Seat {
    /// Takes a seat at `mixer`, which is in `room`, for the phone of this call.
    pub(super) fn take(
        mixer: &gst::Element,
        room: &gst::Bin,
        call: &PartInstance,
    ) -> Result<Arc<Seat>, PartError> {
        let no_pad = |port: &str, pad| PartError::Pad(port.to_owned(), pad);
        let voice = call.element("voice")?;
        let phone = call.sink_pad("sip")?;
        let ear = gst::GhostPad::with_target(&phone).map_err(launch)?;
        call.bin.add_pad(&ear).map_err(launch)?;
        let intake = mixer
            .request_pad_simple("sink_%u")
            .ok_or_else(|| match is_full(mixer) {
                true => PartError::Full,
                false => no_pad("mixer", "sink_%u"),
            })?;
        let leads_out = || {
            let minus = mixer
                .static_pad(&intake.name().replace("sink_", "minus_"))
                .ok_or_else(|| no_pad("mixer", "minus_%u"))?;
            let heard = gst::GhostPad::with_target(&minus).map_err(launch)?;
            heard.set_active(true).map_err(launch)?;
            room.add_pad(&heard).map_err(launch)?;
            Ok(heard)
        };
        let heard = leads_out().inspect_err(|_| mixer.release_request_pad(&intake))?;
        Ok(Arc::new(Seat {
            mixer: mixer.clone(),
            intake,
            room: room.clone(),
            heard,
            call: call.bin.clone(),
            ear,
            voice,
            speaking: Mutex::new(None),
        }))
    }

    fn speaking(&self) -> MutexGuard<'_, Option<Speaking>> {
        self.speaking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the phone hear the room. It takes part in the pipeline by now, and runs.
    pub(super) fn listen(&self) -> Result<(), String> {
        let linked = self.heard.link(&self.ear);
        linked.map(drop).map_err(|error| error.to_string())
    }

    /// Lets the other phones of the room hear it.
    pub(super) fn speak(&self) -> Result<(), String> {
        let mut speaking = self.speaking();
        if speaking.is_some() {
            return Ok(());
        }
        let branch = self
            .voice
            .request_pad_simple("src_%u")
            .ok_or("the port `voice` gives no pad")?;
        match self.lead(&branch) {
            Ok((out, into)) => {
                *speaking = Some(Speaking { branch, out, into });
                Ok(())
            }
            Err(error) => {
                self.voice.release_request_pad(&branch);
                Err(error.to_string())
            }
        }
    }

    fn lead(
        &self,
        branch: &gst::Pad,
    ) -> Result<(gst::GhostPad, gst::GhostPad), gst::glib::BoolError> {
        let out = gst::GhostPad::with_target(branch)?;
        // A phone that hangs up ends its own part in the conversation, and nobody else's.
        out.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
            match info.event().map(|event| event.type_()) {
                Some(gst::EventType::Eos) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            }
        });
        let into = gst::GhostPad::with_target(&self.intake)?;
        let joined = || {
            out.set_active(true)?;
            self.call.add_pad(&out)?;
            into.set_active(true)?;
            self.room.add_pad(&into)?;
            let linked = out.link(&into);
            linked.map_err(|error| gst::glib::bool_error!("its voice does not fit: {error}"))
        };
        match joined() {
            Ok(_) => Ok((out, into)),
            Err(error) => {
                self.part(&out, &into);
                Err(error)
            }
        }
    }

    /// The phone is alone again.
    pub(super) fn hush(&self) {
        if let Some(spoke) = self.speaking().take() {
            self.part(&spoke.out, &spoke.into);
            self.voice.release_request_pad(&spoke.branch);
        }
    }

    fn part(&self, out: &gst::GhostPad, into: &gst::GhostPad) {
        // Fails only where they are not linked, or not in there, which is what is wanted.
        let _ = out.unlink(into);
        let _ = self.room.remove_pad(into);
        let _ = self.call.remove_pad(out);
    }

    /// Gives the seat up. The call's part may still run, and stops next.
    pub(super) fn leave(&self) {
        self.hush();
        let _ = self.heard.unlink(&self.ear);
        self.mixer.release_request_pad(&self.intake);
        let _ = self.room.remove_pad(&self.heard);
    }
}
