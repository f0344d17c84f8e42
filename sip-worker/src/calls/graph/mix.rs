// SPDX-License-Identifier: MPL-2.0
//! Where the tracks that a call hears meet: in front of a mixer whose pads are fixed, or at one whose pads
//! come and go.

use gst::prelude::*;

use crate::pipeline::{PartError, PartInstance};

/// More tracks than anybody can tell apart; each costs a connection.
const MIXER_TRACKS: usize = 64;

pub(super) struct Mix {
    kind: Kind,
    /// Where the mixer is.
    home: gst::Bin,
    tracks: u64,
}

enum Kind {
    /// Funnels in front of a mixer's pads, with the number of the track each hears.
    Slots(Vec<(gst::Element, Option<u64>)>),
    /// A `sipmixer`, in which each phone has a seat, and each track another.
    Mixer { mixer: gst::Element, tracks: usize },
}

impl Mix {
    /// A `sipmixer` in `home`, whose seats for phones are others' business.
    pub(super) fn at(mixer: gst::Element, home: &gst::Bin) -> Mix {
        Mix {
            kind: Kind::Mixer { mixer, tracks: 0 },
            home: home.clone(),
            tracks: 0,
        }
    }

    /// Takes hold of the mixer of a call's own, and lets `sip` listen to it.
    pub(super) fn of(call: &PartInstance, sip: &gst::Element) -> Result<Mix, PartError> {
        let Some(mixer) = call.optional("mixer") else {
            let slots = call.slots().into_iter();
            return Ok(Mix {
                kind: Kind::Slots(slots.map(|funnel| (funnel, None)).collect()),
                home: call.bin.clone(),
                tracks: 0,
            });
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
        Ok(Mix::at(mixer, &call.bin))
    }

    /// How many tracks it can hear at once.
    pub(super) fn capacity(&self) -> usize {
        match &self.kind {
            Kind::Slots(slots) => slots.len(),
            Kind::Mixer { .. } => MIXER_TRACKS,
        }
    }

    /// A number for one more track, the element that is to give a pad for it, and where that is; `None`: it
    /// hears no more.
    pub(super) fn take(&mut self) -> Option<(u64, gst::Element, gst::Bin)> {
        let number = self.tracks;
        let element = match &mut self.kind {
            Kind::Slots(slots) => {
                let free = slots.iter_mut().find(|(_, heard)| heard.is_none())?;
                free.1 = Some(number);
                free.0.clone()
            }
            Kind::Mixer { mixer, tracks } => {
                if *tracks >= MIXER_TRACKS {
                    return None;
                }
                *tracks += 1;
                mixer.clone()
            }
        };
        self.tracks += 1;
        Some((number, element, self.home.clone()))
    }

    /// Track `number` is heard no more.
    pub(super) fn give_back(&mut self, number: u64) {
        match &mut self.kind {
            Kind::Slots(slots) => {
                let of_it = slots.iter_mut().find(|(_, heard)| *heard == Some(number));
                if let Some((_, heard)) = of_it {
                    *heard = None;
                }
            }
            Kind::Mixer { tracks, .. } => *tracks = tracks.saturating_sub(1),
        }
    }
}
