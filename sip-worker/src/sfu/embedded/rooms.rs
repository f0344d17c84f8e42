// SPDX-License-Identifier: MPL-2.0
//! Who is in which room, and who is told of what. No I/O here, and no media.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::{EmbeddedConfig, LinkId};
use crate::route::matches;
use crate::sfu::{Data, MediaKind, Participant, ParticipantId, SfuError, SfuEvent, Track, TrackId};

/// Names a stay in a room; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MemberId(u64);

/// A room as whoever looks at it sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RoomView {
    /// In the order of their coming.
    pub participants: Vec<PersonView>,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonView {
    pub id: String,
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    /// Can be heard, be it silent now.
    pub speaks: bool,
    /// Is heard right now.
    pub talking: bool,
    pub muted: bool,
}

pub(super) struct Rooms {
    config: Arc<EmbeddedConfig>,
    rooms: HashMap<String, Room>,
    members: BTreeMap<MemberId, Member>,
    joined: u64,
}

#[derive(Default)]
struct Room {
    members: Vec<MemberId>,
    view: watch::Sender<RoomView>,
}

pub(super) struct Member {
    room: String,
    who: Participant,
    events: mpsc::UnboundedSender<SfuEvent>,
    /// What they publish, and how it stands.
    tracks: Vec<(Track, State)>,
    /// Their connections.
    pub(super) links: Vec<LinkId>,
    /// They are of this machine, and reach us by the addresses that it has.
    pub(super) is_inside: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    talking: bool,
    muted: bool,
}

impl Rooms {
    pub(super) fn new(config: Arc<EmbeddedConfig>) -> Rooms {
        Rooms {
            config,
            rooms: HashMap::new(),
            members: BTreeMap::new(),
            joined: 0,
        }
    }

    /// Lets somebody in, and tells those who are there.
    pub(super) fn join(
        &mut self,
        room: &str,
        mut who: Participant,
    ) -> Result<(MemberId, ParticipantId, mpsc::UnboundedReceiver<SfuEvent>), SfuError> {
        self.may_be(room)?;
        let sfu = self.config.name.clone();
        let there = self.rooms.get(room).map(|room| room.members.as_slice());
        let there = there.unwrap_or_default();
        if there.len() >= self.config.max_participants {
            return Err(SfuError::Full {
                sfu,
                room: room.to_owned(),
                reason: format!("{} are there, and no more are let in", there.len()),
            });
        }
        if who.id.is_empty() {
            who.id = format!("{:016x}", rand::random::<u64>());
        }
        let taken = |id: &MemberId| self.members.get(id).is_some_and(|m| m.who.id == who.id);
        if there.iter().any(taken) {
            return Err(SfuError::Taken {
                sfu,
                room: room.to_owned(),
                participant: who.id,
            });
        }
        let (events, receiver) = mpsc::unbounded_channel();
        for other in there.iter().filter_map(|id| self.members.get(id)) {
            // Whoever does not listen will be told nothing; that is known when they leave.
            let _ = events.send(SfuEvent::ParticipantJoined(other.who.clone()));
            for (track, state) in &other.tracks {
                let _ = events.send(SfuEvent::TrackAdded(track.clone()));
                if state.muted {
                    let _ = events.send(SfuEvent::Muted {
                        track: track.id.clone(),
                        muted: true,
                    });
                }
            }
        }
        self.joined += 1;
        let id = MemberId(self.joined);
        let me = ParticipantId(who.id.clone());
        self.tell_others(room, id, &SfuEvent::ParticipantJoined(who.clone()));
        self.rooms
            .entry(room.to_owned())
            .or_default()
            .members
            .push(id);
        self.members.insert(
            id,
            Member {
                room: room.to_owned(),
                who,
                events,
                tracks: Vec::new(),
                links: Vec::new(),
                is_inside: false,
            },
        );
        self.show(room);
        Ok((id, me, receiver))
    }

    /// Somebody is gone. Returns what they were, once.
    pub(super) fn leave(&mut self, id: MemberId) -> Option<Member> {
        let member = self.members.remove(&id)?;
        let room = member.room.clone();
        if let Some(room) = self.rooms.get_mut(&room) {
            room.members.retain(|other| *other != id);
        }
        for (track, _) in &member.tracks {
            self.tell_others(&room, id, &SfuEvent::TrackRemoved(track.id.clone()));
        }
        let left = ParticipantId(member.who.id.clone());
        self.tell_others(&room, id, &SfuEvent::ParticipantLeft(left));
        self.show(&room);
        self.sweep();
        Some(member)
    }

    pub(super) fn member(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members.get_mut(&id)
    }

    /// The connections of everybody else in somebody's room.
    pub(super) fn links_beside(&self, id: MemberId) -> Vec<LinkId> {
        let room = self.members.get(&id).and_then(|m| self.rooms.get(&m.room));
        let members = room.map(|room| room.members.as_slice()).unwrap_or_default();
        members
            .iter()
            .filter(|other| **other != id)
            .filter_map(|other| self.members.get(other))
            .flat_map(|member| member.links.iter().copied())
            .collect()
    }

    /// Somebody publishes by this connection. Returns the track.
    pub(super) fn publishes(&mut self, id: MemberId, link: LinkId) -> Option<TrackId> {
        let member = self.members.get_mut(&id)?;
        let track = Track {
            id: TrackId(format!("{}/{}", member.who.id, link.0)),
            participant: ParticipantId(member.who.id.clone()),
            kind: MediaKind::Audio,
        };
        let added = track.id.clone();
        member.tracks.push((track.clone(), State::default()));
        let room = member.room.clone();
        self.tell_others(&room, id, &SfuEvent::TrackAdded(track));
        self.show(&room);
        Some(added)
    }

    /// Somebody publishes this no more.
    pub(super) fn unpublishes(&mut self, id: MemberId, track: &TrackId) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.tracks.retain(|(known, _)| known.id != *track);
        let room = member.room.clone();
        self.tell_others(&room, id, &SfuEvent::TrackRemoved(track.clone()));
        self.show(&room);
    }

    /// A track carries voice, or does so no longer.
    pub(super) fn talks(&mut self, id: MemberId, track: &TrackId, talking: bool) {
        let Some(room) = self.change(id, track, |state| state.talking = talking) else {
            return;
        };
        let event = SfuEvent::Talking {
            track: track.clone(),
            talking,
        };
        self.tell_others(&room, id, &event);
        self.show(&room);
    }

    /// Somebody has silenced their track, or has not any more.
    pub(super) fn mutes(&mut self, id: MemberId, track: &TrackId, muted: bool) {
        let mut before = muted;
        let room = self.change(id, track, |state| {
            before = std::mem::replace(&mut state.muted, muted);
        });
        let Some(room) = room.filter(|_| before != muted) else {
            return;
        };
        let event = SfuEvent::Muted {
            track: track.clone(),
            muted,
        };
        self.tell_others(&room, id, &event);
        self.show(&room);
    }

    /// Somebody tells others something.
    pub(super) fn send(&self, id: MemberId, data: &Data) -> Result<(), SfuError> {
        let me = self.members.get(&id).ok_or_else(|| self.left())?;
        let event = SfuEvent::Data {
            from: Some(ParticipantId(me.who.id.clone())),
            data: data.clone(),
        };
        if data.to.is_empty() {
            self.tell_others(&me.room, id, &event);
            return Ok(());
        }
        let there = self.rooms.get(&me.room).map(|room| room.members.iter());
        for other in there.into_iter().flatten() {
            let named = |member: &Member| data.to.iter().any(|to| to.0 == member.who.id);
            if self.members.get(other).is_some_and(named) {
                self.tell(*other, event.clone());
            }
        }
        Ok(())
    }

    /// Changes those of a member's attributes that are named; an empty one goes.
    pub(super) fn change_attributes(
        &mut self,
        id: MemberId,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), SfuError> {
        let left = self.left();
        let member = self.members.get_mut(&id).ok_or(left)?;
        let before = member.who.attributes.clone();
        member.who.attributes.extend(attributes);
        member.who.attributes.retain(|_, value| !value.is_empty());
        if member.who.attributes == before {
            return Ok(());
        }
        let event = SfuEvent::AttributesChanged {
            participant: ParticipantId(member.who.id.clone()),
            attributes: member.who.attributes.clone(),
        };
        let room = member.room.clone();
        self.tell_others(&room, id, &event);
        self.show(&room);
        Ok(())
    }

    fn left(&self) -> SfuError {
        SfuError::Lost {
            sfu: self.config.name.clone(),
            reason: "we left the room".to_owned(),
        }
    }

    /// Tells one member alone.
    pub(super) fn tell(&self, id: MemberId, event: SfuEvent) {
        if let Some(member) = self.members.get(&id) {
            let _ = member.events.send(event);
        }
    }

    /// A room as it is and will be, whether or not somebody is in it.
    pub(super) fn watch(&mut self, room: &str) -> Result<watch::Receiver<RoomView>, SfuError> {
        self.may_be(room)?;
        self.sweep();
        let room = self.rooms.entry(room.to_owned()).or_default();
        Ok(room.view.subscribe())
    }

    /// Rooms that nobody is in and nobody looks at are none.
    fn sweep(&mut self) {
        self.rooms
            .retain(|_, room| !room.members.is_empty() || room.view.receiver_count() > 0);
    }

    fn may_be(&self, room: &str) -> Result<(), SfuError> {
        let fits = |pattern: &String| matches(pattern, room);
        if self.config.rooms.iter().any(fits) {
            return Ok(());
        }
        Err(SfuError::NoSuchRoom {
            sfu: self.config.name.clone(),
            room: room.to_owned(),
            detail: "none of its `rooms` is that".to_owned(),
        })
    }

    fn change(
        &mut self,
        id: MemberId,
        track: &TrackId,
        change: impl FnOnce(&mut State),
    ) -> Option<String> {
        let member = self.members.get_mut(&id)?;
        let (_, state) = member.tracks.iter_mut().find(|(t, _)| t.id == *track)?;
        change(state);
        Some(member.room.clone())
    }

    fn tell_others(&self, room: &str, id: MemberId, event: &SfuEvent) {
        let members = self.rooms.get(room).map(|room| room.members.as_slice());
        let others = members.unwrap_or_default().iter();
        for other in others.filter(|other| **other != id) {
            self.tell(*other, event.clone());
        }
    }

    fn show(&self, room: &str) {
        let Some(room) = self.rooms.get(room) else {
            return;
        };
        let members = room.members.iter().filter_map(|id| self.members.get(id));
        let participants = members.map(Member::view).collect();
        room.view.send_replace(RoomView { participants });
    }
}

impl Drop for Rooms {
    /// The SFU is gone; who is in a room may come back once it is there again.
    fn drop(&mut self) {
        for member in self.members.values() {
            let lost = SfuEvent::Lost("the embedded SFU ended".to_owned());
            let _ = member.events.send(lost);
        }
    }
}

impl Member {
    fn view(&self) -> PersonView {
        PersonView {
            id: self.who.id.clone(),
            name: self.who.name.clone(),
            attributes: self.who.attributes.clone(),
            speaks: !self.tracks.is_empty(),
            talking: self.tracks.iter().any(|(_, state)| state.talking),
            muted: !self.tracks.is_empty() && self.tracks.iter().all(|(_, state)| state.muted),
        }
    }
}
