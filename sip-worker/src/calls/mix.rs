// SPDX-License-Identifier: MPL-2.0
//! Where the tracks that a call hears meet: in front of a mixer whose pads are fixed, or at one whose pads
//! come and go.

use gst::prelude::*;

use crate::pipeline::{PartError, PartInstance};

/// More tracks than anybody can tell apart; each costs a connection.
const MIXER_TRACKS: usize = 64;

pub(super) enum Mix {
    /// Funnels in front of a mixer's pads, with the number of the track each hears.
    Slots(Vec<(gst::Element, Option<u64>)>),
    /// A `sipmixer`, in which the phone has a seat, and each track another.
    Mixer { mixer: gst::Element, tracks: usize },
}

impl Mix {
    /// Takes hold of the graph's mixer, and lets `sip` listen to it.
    pub(super) fn of(call: &PartInstance, sip: &gst::Element) -> Result<Mix, PartError> {
        let Some(mixer) = call.optional("mixer") else {
            let slots = call.slots().into_iter();
            return Ok(Mix::Slots(slots.map(|funnel| (funnel, None)).collect()));
        };
        let no_pad = |port: &str, pad| PartError::Pad(port.to_owned(), pad);
        let seat = mixer
            .request_pad_simple("sink_%u")
            .ok_or_else(|| no_pad("mixer", "sink_%u"))?;
        let hears = mixer
            .static_pad(&seat.name().replace("sink_", "minus_"))
            .ok_or_else(|| no_pad("mixer", "minus_%u"))?;
        let phone = sip
            .static_pad("sink")
            .ok_or_else(|| no_pad("sip", "sink"))?;
        hears
            .link(&phone)
            .map_err(|error| PartError::Launch(error.to_string()))?;
        Ok(Mix::Mixer { mixer, tracks: 0 })
    }

    /// How many tracks it can hear at once.
    pub(super) fn capacity(&self) -> usize {
        match self {
            Mix::Slots(slots) => slots.len(),
            Mix::Mixer { .. } => MIXER_TRACKS,
        }
    }

    /// The element that is to give a pad for track `number`; `None`: it hears no more.
    pub(super) fn take(&mut self, number: u64) -> Option<gst::Element> {
        match self {
            Mix::Slots(slots) => {
                let free = slots.iter_mut().find(|(_, heard)| heard.is_none())?;
                free.1 = Some(number);
                Some(free.0.clone())
            }
            Mix::Mixer { mixer, tracks } => (*tracks < MIXER_TRACKS).then(|| {
                *tracks += 1;
                mixer.clone()
            }),
        }
    }

    /// Track `number` is heard no more.
    pub(super) fn give_back(&mut self, number: u64) {
        match self {
            Mix::Slots(slots) => {
                let of_it = slots.iter_mut().find(|(_, heard)| *heard == Some(number));
                if let Some((_, heard)) = of_it {
                    *heard = None;
                }
            }
            Mix::Mixer { tracks, .. } => *tracks = tracks.saturating_sub(1),
        }
    }
}
