// SPDX-License-Identifier: MPL-2.0
//! What the table knows of a call beyond its description: how its media fare, and its SIP messages.

use std::ops::AddAssign;
use std::time::Instant;

use gstsipbridge::call::Signalling;
use sip_ua::ladder::LadderStep;

use super::{CallInfo, CallTable, Event};
use crate::calls::figures::{Figures, PhoneFigures, Received, RoomFigures, Sent};

/// A call's SIP messages.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// The call.
    pub call: CallInfo,
    /// When it began.
    pub began: Instant,
    /// In order, secrets masked.
    pub steps: Vec<LadderStep>,
}

/// RTP of all calls since the start, one side and direction each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MediaTotals {
    /// From phones.
    pub phone_received: Stream,
    /// To phones.
    pub phone_sent: Stream,
    /// From SFUs.
    pub room_received: Stream,
    /// To SFUs.
    pub room_sent: Stream,
}

/// Sums of one side and direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stream {
    /// Packets.
    pub packets: u64,
    /// Packets that never came; of ours, as the far ends report.
    pub lost: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packet times that were concealed.
    pub concealed: u64,
}

impl AddAssign<&Received> for Stream {
    fn add_assign(&mut self, received: &Received) {
        self.packets += received.packets;
        self.lost += received.lost.max(0).unsigned_abs();
        self.late += received.late;
        self.concealed += received.concealed_frames.unwrap_or(0);
    }
}

impl AddAssign<&Sent> for Stream {
    fn add_assign(&mut self, sent: &Sent) {
        self.packets += sent.packets;
        self.lost += sent.lost.unwrap_or(0).max(0).unsigned_abs();
    }
}

impl AddAssign<&Figures> for MediaTotals {
    fn add_assign(&mut self, figures: &Figures) {
        if let Some(phone) = &figures.phone {
            self.phone_received += &phone.received;
            self.phone_sent += &phone.sent;
        }
        if let Some(room) = &figures.room {
            if let Some(published) = &room.published {
                self.room_sent += &published.sent;
            }
            for heard in room.heard.iter().filter(|heard| heard.carried) {
                self.room_received += &heard.received;
            }
        }
    }
}

impl CallTable {
    /// From now on the call has these messages, also when it is over.
    pub fn signalled(&self, id: &str, signalling: Signalling) {
        if let Some(entry) = self.lock().calls.get_mut(id) {
            entry.signalling = Some(signalling);
        }
    }

    /// The messages of a call.
    pub fn ladder(&self, id: &str) -> Option<Ladder> {
        let (call, began, signalling) = {
            let inner = self.lock();
            let entry = inner.calls.get(id)?;
            (
                entry.shown(Instant::now()),
                entry.began,
                entry.signalling.clone(),
            )
        };
        let steps = signalling.map(|of| of.ladder()).unwrap_or_default();
        Some(Ladder { call, began, steps })
    }

    /// Takes note of the phone's side.
    pub fn phone_measured(&self, id: &str, phone: PhoneFigures) {
        if let Some(entry) = self.lock().calls.get_mut(id) {
            entry.figures.get_or_insert_default().phone = Some(phone);
        }
    }

    /// Takes note of the room's side.
    pub fn room_measured(&self, id: &str, room: RoomFigures) {
        if let Some(entry) = self.lock().calls.get_mut(id) {
            entry.figures.get_or_insert_default().room = Some(room);
        }
    }

    /// What was measured last.
    pub fn figures(&self, id: &str) -> Option<Figures> {
        self.lock().calls.get(id)?.figures.clone()
    }

    /// Tells the event stream how a call's media fare.
    pub fn tell_figures(&self, id: &str) {
        if let Some(media) = self.figures(id) {
            self.send(Event::Media {
                id: id.to_owned(),
                media: Box::new(media),
            });
        }
    }

    /// Sums over all calls, those that were forgotten too.
    pub fn media_totals(&self) -> MediaTotals {
        let inner = self.lock();
        let mut totals = inner.forgotten_media;
        for figures in inner.calls.values().filter_map(|e| e.figures.as_ref()) {
            totals += figures;
        }
        totals
    }
}
