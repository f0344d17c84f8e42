// SPDX-License-Identifier: MPL-2.0
//! The SFU itself: rooms, connections, and who hears whom. No I/O here: datagrams and time come in,
//! datagrams go out, and events go to whoever is in a room.
//!
//! [`requests`](super::requests) has what participants may ask, [`hearing`](super::hearing) who hears whom.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use gstsipbridge::rtc::{Action, Certificate, TransportEvent, TransportState};

use super::link::Link;
use super::rooms::{MemberId, Rooms};
use super::router::Router;
use super::seats::Seats;
use super::voice::Voice;
use super::{EmbeddedConfig, LinkId};
use crate::sfu::{SfuEvent, TrackId};

/// A datagram to be sent.
pub(super) struct Datagram {
    /// Whose it is, and whose room for the next one.
    link: LinkId,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct Exchange {
    pub(super) config: Arc<EmbeddedConfig>,
    certificate: Certificate,
    hosts: Vec<SocketAddr>,
    pub(super) rooms: Rooms,
    pub(super) links: HashMap<LinkId, Connection>,
    /// The connection of each track.
    speakers: HashMap<TrackId, LinkId>,
    router: Router,
    out: VecDeque<Datagram>,
    made: u64,
}

/// A connection, whose it is and what for.
pub(super) struct Connection {
    pub(super) link: Link,
    pub(super) member: MemberId,
    pub(super) role: Role,
}

pub(super) enum Role {
    /// Its descriptions are not exchanged yet.
    New,
    Speaks(Speaker),
    Hears(Seats),
}

pub(super) struct Speaker {
    pub(super) track: TrackId,
    pub(super) line: usize,
    pub(super) voice: Voice,
    pub(super) muted: bool,
    /// The connections that hear it.
    pub(super) ears: Vec<LinkId>,
}

impl Exchange {
    /// An SFU that is reached at `hosts`.
    pub(super) fn new(
        config: Arc<EmbeddedConfig>,
        certificate: Certificate,
        hosts: Vec<SocketAddr>,
    ) -> Exchange {
        Exchange {
            rooms: Rooms::new(config.clone()),
            config,
            certificate,
            hosts,
            links: HashMap::new(),
            speakers: HashMap::new(),
            router: Router::default(),
            out: VecDeque::new(),
            made: 0,
        }
    }

    /// Sends what is to be sent, in order. What a packet was in is filled again.
    pub(super) fn send(&mut self, mut send: impl FnMut(&Datagram)) {
        while let Some(datagram) = self.out.pop_front() {
            send(&datagram);
            if let Some(connection) = self.links.get_mut(&datagram.link) {
                connection.link.give_back(datagram.bytes);
            }
        }
    }

    /// A datagram came to `local`. Whatever is nobody's is not answered.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        if let Some(id) = self.router.route(local, from, bytes) {
            self.with(now, id, |link| link.receive(now, local, from, bytes));
        }
    }

    /// When [`Exchange::timeout`] is called for.
    pub(super) fn due(&self) -> Option<Instant> {
        self.links.values().filter_map(Connection::due).min()
    }

    /// Time has passed.
    pub(super) fn timeout(&mut self, now: Instant) {
        let due = |(_, connection): &(&LinkId, &Connection)| {
            connection.due().is_some_and(|due| due <= now)
        };
        let due: Vec<LinkId> = self.links.iter().filter(due).map(|(id, _)| *id).collect();
        for id in due {
            self.with(now, id, |link| link.timeout(now));
            let lapsed = self
                .speaker(id)
                .and_then(|speaker| speaker.voice.lapse(now));
            if let Some(talking) = lapsed {
                self.talks(now, id, talking);
            }
        }
    }

    /// Makes a connection of a member's, and does with it what makes it one. Nothing is left where that
    /// fails.
    pub(super) fn connect<T, E>(
        &mut self,
        now: Instant,
        member: MemberId,
        begin: impl FnOnce(&mut Link) -> Result<T, E>,
    ) -> Result<Option<(LinkId, T)>, E> {
        self.made += 1;
        let id = LinkId(self.made);
        let owner = self.rooms.member(member);
        let is_inside = owner.is_some_and(|owner| owner.is_inside);
        let advertise = self.config.advertise.filter(|_| !is_inside);
        let mut link = Link::new(&self.certificate, &self.hosts, advertise);
        let begun = begin(&mut link)?;
        let Some(owner) = self.rooms.member(member) else {
            return Ok(None);
        };
        owner.links.push(id);
        self.router.name(link.ufrag(), id);
        self.links.insert(
            id,
            Connection {
                link,
                member,
                role: Role::New,
            },
        );
        self.pump(now, id);
        Ok(Some((id, begun)))
    }

    /// A connection brings what its owner says, on this line.
    pub(super) fn speaks(&mut self, now: Instant, id: LinkId, line: usize) {
        let Some(member) = self.links.get(&id).map(|connection| connection.member) else {
            return;
        };
        let Some(track) = self.rooms.publishes(member, id) else {
            return;
        };
        self.speakers.insert(track.clone(), id);
        self.take_role(
            id,
            Role::Speaks(Speaker {
                track: track.clone(),
                line,
                voice: Voice::default(),
                muted: false,
                ears: Vec::new(),
            }),
        );
        for ear in self.rooms.links_beside(member) {
            self.admit(ear, &track);
        }
        self.pump(now, id);
    }

    /// A connection hears these.
    pub(super) fn hears(&mut self, id: LinkId, seats: Seats) {
        let Some(member) = self.links.get(&id).map(|connection| connection.member) else {
            return;
        };
        self.take_role(id, Role::Hears(seats));
        self.fill(id, member);
    }

    /// A connection hears this track, which it was made for.
    pub(super) fn hears_only(&mut self, id: LinkId, track: &TrackId) {
        self.take_role(id, Role::Hears(Seats::reserved(track.clone())));
        self.add_ear(track, id);
    }

    /// The connection of a track.
    pub(super) fn speaker_of(&self, track: &TrackId) -> Option<LinkId> {
        self.speakers.get(track).copied()
    }

    /// A member's connection.
    pub(super) fn link(&mut self, member: MemberId, id: LinkId) -> Option<&mut Link> {
        let connection = self.links.get_mut(&id);
        let own = connection.filter(|connection| connection.member == member);
        own.map(|connection| &mut connection.link)
    }

    /// Whether a connection is this member's.
    pub(super) fn owns(&self, member: MemberId, id: LinkId) -> bool {
        let connection = self.links.get(&id);
        connection.is_some_and(|connection| connection.member == member)
    }

    /// Checks may name it otherwise from now on.
    pub(super) fn renamed(&mut self, now: Instant, id: LinkId) {
        if let Some(connection) = self.links.get(&id) {
            self.router.name(connection.link.ufrag(), id);
        }
        self.pump(now, id);
    }

    /// Forwards nothing of a speaker, or does so again.
    pub(super) fn mute(&mut self, now: Instant, id: LinkId, muted: bool) {
        let Some(speaker) = self.speaker(id) else {
            return;
        };
        speaker.muted = muted;
        let track = speaker.track.clone();
        if let Some(talking) = speaker.voice.hush() {
            self.talks(now, id, talking);
        }
        if let Some(connection) = self.links.get(&id) {
            self.rooms.mutes(connection.member, &track, muted);
        }
    }

    /// Ends a connection; its owner stays.
    pub(super) fn close(&mut self, now: Instant, id: LinkId) {
        self.with(now, id, Link::close);
        self.remove(id);
    }

    /// A member and all connections of theirs are gone.
    pub(super) fn leave(&mut self, now: Instant, member: MemberId) {
        // First, so that the others are told of one thing and not of many.
        let Some(gone) = self.rooms.leave(member) else {
            return;
        };
        for id in gone.links {
            self.close(now, id);
        }
    }

    /// Does something to a link, and carries out what comes of it. A link that panics takes nobody along.
    pub(super) fn with(&mut self, now: Instant, id: LinkId, act: impl FnOnce(&mut Link)) {
        if let Some(connection) = self.links.get_mut(&id) {
            match catch_unwind(AssertUnwindSafe(|| act(&mut connection.link))) {
                Ok(()) => self.pump(now, id),
                Err(_) => self.end(id, "it broke down"),
            }
        }
    }

    /// Carries out what a link wants done.
    pub(super) fn pump(&mut self, now: Instant, id: LinkId) {
        while let Some(connection) = self.links.get_mut(&id) {
            let Ok(action) = catch_unwind(AssertUnwindSafe(|| connection.link.poll())) else {
                return self.end(id, "it broke down");
            };
            match action {
                Action::Send { from, to, bytes } => {
                    self.router.sends(id, from, to, &bytes);
                    self.out.push_back(Datagram {
                        link: id,
                        from,
                        to,
                        bytes,
                    });
                }
                Action::Packet(packet) => self.packet(now, id, &packet),
                Action::Event(TransportEvent::State(state, why)) => match state {
                    TransportState::Failed => self.end(id, &why.unwrap_or_default()),
                    TransportState::Closed => self.end(id, "the far end closed it"),
                    _ => {}
                },
                Action::Event(TransportEvent::Ice(_)) => {}
                Action::Wait(_) => return,
            }
        }
    }

    pub(super) fn speaker(&mut self, id: LinkId) -> Option<&mut Speaker> {
        match &mut self.links.get_mut(&id)?.role {
            Role::Speaks(speaker) => Some(speaker),
            _ => None,
        }
    }

    fn take_role(&mut self, id: LinkId, role: Role) {
        if let Some(connection) = self.links.get_mut(&id) {
            connection.role = role;
        }
    }

    /// A connection has ended by itself: its owner is told.
    fn end(&mut self, id: LinkId, reason: &str) {
        if let Some(connection) = self.links.get(&id) {
            let event = SfuEvent::ConnectionClosed {
                connection: id.into(),
                reason: reason.to_owned(),
            };
            self.rooms.tell(connection.member, event);
        }
        self.remove(id);
    }

    fn remove(&mut self, id: LinkId) {
        let Some(connection) = self.links.remove(&id) else {
            return;
        };
        self.router.forget(id);
        if let Some(member) = self.rooms.member(connection.member) {
            member.links.retain(|other| *other != id);
        }
        let Role::Speaks(speaker) = connection.role else {
            return;
        };
        self.speakers.remove(&speaker.track);
        self.rooms.unpublishes(connection.member, &speaker.track);
        for ear in speaker.ears {
            let Some(Connection { member, role, .. }) = self.links.get_mut(&ear) else {
                continue;
            };
            let owner = *member;
            if let Role::Hears(seats) = role
                && seats.remove(&speaker.track)
            {
                self.fill(ear, owner);
            }
        }
    }
}

impl Connection {
    fn due(&self) -> Option<Instant> {
        let lapse = match &self.role {
            Role::Speaks(speaker) => speaker.voice.due(),
            _ => None,
        };
        [self.link.wake(), lapse].into_iter().flatten().min()
    }

    /// What its owner says by it.
    pub(super) fn speech(&self) -> Option<(MemberId, TrackId)> {
        match &self.role {
            Role::Speaks(speaker) => Some((self.member, speaker.track.clone())),
            _ => None,
        }
    }
}
