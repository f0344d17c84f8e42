// SPDX-License-Identifier: MPL-2.0
//! Who hears whom: packets of a track go to every connection that has a seat for it.

use std::time::Instant;

use gstsipbridge::rtc::Packet;

use super::LinkId;
use super::exchange::{Connection, Exchange, Role};
use super::rooms::MemberId;
use crate::sfu::TrackId;

impl Exchange {
    /// Somebody says something: whoever hears them gets it.
    pub(super) fn packet(&mut self, now: Instant, id: LinkId, packet: &Packet) {
        let Some(connection) = self.links.get_mut(&id) else {
            return;
        };
        let Role::Speaks(speaker) = &mut connection.role else {
            return;
        };
        if speaker.muted || packet.line != speaker.line || !connection.link.is_agreed(packet) {
            return;
        }
        let level = packet.level.map(|(level, _)| level);
        let changed = speaker.voice.packet(now, level, packet.payload.len());
        // Nobody asks for them meanwhile, and copies with each packet would cost memory.
        let mut ears = std::mem::take(&mut speaker.ears);
        let track = std::mem::replace(&mut speaker.track, TrackId(String::new()));
        ears.retain(|ear| self.forward(now, *ear, &track, packet));
        if let Some(speaker) = self.speaker(id) {
            (speaker.ears, speaker.track) = (ears, track);
        }
        if let Some(talking) = changed {
            self.talks(now, id, talking);
        }
    }

    /// Returns whether the track is still heard there.
    fn forward(&mut self, now: Instant, ear: LinkId, track: &TrackId, packet: &Packet) -> bool {
        let Some(Role::Hears(seats)) = self.links.get_mut(&ear).map(|c| &mut c.role) else {
            return false;
        };
        let Some(seat) = seats.of(track) else {
            return false;
        };
        let numbers = seat
            .splice
            .carry(now, packet.ssrc, packet.sequence, packet.timestamp);
        let line = seat.line;
        if let Some(numbers) = numbers {
            self.with(now, ear, |link| link.forward(now, line, packet, numbers));
        }
        true
    }

    pub(super) fn talks(&mut self, now: Instant, id: LinkId, talking: bool) {
        let Some((member, track)) = self.links.get(&id).and_then(Connection::speech) else {
            return;
        };
        self.rooms.talks(member, &track, talking);
        if !talking {
            return;
        }
        for ear in self.rooms.links_beside(member) {
            let Some(Role::Hears(seats)) = self.links.get_mut(&ear).map(|c| &mut c.role) else {
                continue;
            };
            let displaced = seats.talks(now, &track);
            if seats.of(&track).is_some() {
                self.add_ear(&track, ear);
            }
            if let Some(displaced) = displaced {
                self.remove_ear(&displaced, ear);
            }
        }
    }

    /// Lets a connection hear a track where it has a line to spare.
    pub(super) fn admit(&mut self, ear: LinkId, track: &TrackId) {
        if let Some(Role::Hears(seats)) = self.links.get_mut(&ear).map(|c| &mut c.role)
            && seats.admit(track)
        {
            self.add_ear(track, ear);
        }
    }

    /// Seats whoever is there and not heard.
    pub(super) fn fill(&mut self, ear: LinkId, owner: MemberId) {
        for link in self.rooms.links_beside(owner) {
            if let Some((_, track)) = self.links.get(&link).and_then(Connection::speech) {
                self.admit(ear, &track);
            }
        }
    }

    pub(super) fn add_ear(&mut self, track: &TrackId, ear: LinkId) {
        let speaker = self.speaker_of(track).and_then(|id| self.speaker(id));
        if let Some(speaker) = speaker
            && !speaker.ears.contains(&ear)
        {
            speaker.ears.push(ear);
        }
    }

    fn remove_ear(&mut self, track: &TrackId, ear: LinkId) {
        let speaker = self.speaker_of(track).and_then(|id| self.speaker(id));
        if let Some(speaker) = speaker {
            speaker.ears.retain(|other| *other != ear);
        }
    }
}
