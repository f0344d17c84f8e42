// SPDX-License-Identifier: MPL-2.0
//! The rooms in which this worker has calls: what the calls of one room share.
//!
//! [`audience`] decides what is heard, and by whose stay; [`hear`] does it. [`Member`] is what one call has of it.

mod audience;
mod hear;
mod member;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gstsipbridge::context::Context;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::graph::{Comfort, GraphError, GraphNews, RoomGraph};
use crate::pipeline::Graph;
use crate::sfu::{Candidate, ConnectionId, Session, TrackId};
use crate::webrtc::{PeerConfig, PeerEvent};
use audience::{Attempt, Audience, Failed, MemberId};
use hear::{Events, Heard, hear, may_pass, release};
pub(super) use member::Member;

/// Who leaves waits so long for others to hear what they heard for all.
const HAND_OVER_WITHIN: Duration = Duration::from_millis(500);
/// Several latency messages come with each change; they are worked off together.
const LATENCY_AFTER: Duration = Duration::from_millis(20);

/// Which calls share what they hear: those in one room of one SFU, by one media graph, if all may hear the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoomKey {
    pub(crate) sfu: String,
    pub(crate) room: String,
    /// The call, where each is to hear something else.
    pub(crate) alone: Option<String>,
}

/// All rooms that calls are in.
#[derive(Default)]
pub(crate) struct Rooms {
    all: Mutex<Vec<Known>>,
}

struct Known {
    /// What the SFU calls it.
    name: String,
    /// Of those that several calls share.
    key: Option<(RoomKey, String)>,
    room: Weak<Room>,
}

impl Rooms {
    /// A place in a room, for a call that enters it. `hearing` is called whenever there is somebody to be heard.
    pub(super) fn enter(
        &self,
        key: RoomKey,
        graph: Arc<Graph>,
        peer: PeerConfig,
        session: Arc<dyn Session>,
        hearing: Hearing,
    ) -> Member {
        let shares = graph.room.is_some();
        let name = key.room.clone();
        let key = shares.then(|| (key, format!("{} {}", graph.name, graph.hash)));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.room.strong_count() > 0);
        let same = |known: &&Known| key.is_some() && known.key == key;
        let known = all
            .iter()
            .filter(same)
            .filter_map(|known| known.room.upgrade());
        for room in known {
            if let Some(id) = room.admit(&session, &hearing) {
                return Member { room, id };
            }
        }
        let room = Arc::new(Room {
            graph,
            peer,
            media: Mutex::default(),
            inside: Mutex::default(),
            handed_over: Notify::new(),
        });
        all.push(Known {
            name,
            key,
            room: Arc::downgrade(&room),
        });
        // A new room is not closed.
        let id = room.admit(&session, &hearing).unwrap_or_default();
        Member { room, id }
    }

    /// The media threads on which what the calls of this room share is mixed; of one that is being made, none yet.
    pub(crate) fn contexts(&self, key: &RoomKey) -> Vec<Context> {
        let rooms: Vec<_> = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            let same = |known: &&Known| known.key.as_ref().is_some_and(|(of, _)| of == key);
            let known = all.iter().filter(same);
            known.filter_map(|known| known.room.upgrade()).collect()
        };
        let graph = |room: &Arc<Room>| Some(room.inside().media.as_ref()?.graph.clone());
        let graphs = rooms.iter().filter_map(graph);
        graphs.filter_map(|graph| graph.context()).collect()
    }

    /// The pipelines of all rooms; of one that is being made, none yet.
    pub(crate) fn all_pipelines(&self) -> Vec<gst::Pipeline> {
        let rooms: Vec<_> = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter()
                .filter_map(|known| known.room.upgrade())
                .collect()
        };
        let pipeline =
            |room: &Arc<Room>| Some(room.inside().media.as_ref()?.graph.pipeline().clone());
        rooms.iter().filter_map(pipeline).collect()
    }

    /// The pipelines of the rooms of this name. May wait for one that is being made.
    pub(crate) fn pipelines(&self, name: &str) -> Vec<gst::Pipeline> {
        let rooms: Vec<_> = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            let called = all.iter().filter(|known| known.name == name);
            called.filter_map(|known| known.room.upgrade()).collect()
        };
        let media = |room: &Arc<Room>| {
            let media = room.media.lock().unwrap_or_else(PoisonError::into_inner);
            media.as_ref().map(|graph| graph.pipeline().clone())
        };
        rooms.iter().filter_map(media).collect()
    }

    /// How many rooms there are, and how many tracks are heard in them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let rooms: Vec<_> = {
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter()
                .filter_map(|known| known.room.upgrade())
                .collect()
        };
        let of = |room: &Arc<Room>| room.inside().audience.heard().count();
        (rooms.len(), rooms.iter().map(of).sum())
    }
}

/// Tells a call that it can hear somebody.
pub(super) type Hearing = Arc<dyn Fn() + Send + Sync>;

/// What the calls of a room share.
struct Room {
    graph: Arc<Graph>,
    peer: PeerConfig,
    /// Made for the first of them, on a thread that may wait.
    media: Mutex<Option<Arc<RoomGraph>>>,
    inside: Mutex<Inside>,
    handed_over: Notify,
}

#[derive(Default)]
struct Inside {
    calls: BTreeMap<MemberId, Call>,
    admitted: MemberId,
    audience: Audience<Heard>,
    media: Option<Media>,
    tasks: JoinSet<()>,
    latency_due: bool,
    /// The last call has left: who comes next enters a room of its own.
    closed: bool,
}

/// What is asked of the graph again and again, where nobody may wait.
#[derive(Clone)]
struct Media {
    graph: Arc<RoomGraph>,
    slots: usize,
    comfort: Option<Comfort>,
}

struct Call {
    /// None while the SFU is away.
    session: Option<Arc<dyn Session>>,
    hearing: Hearing,
}

impl Room {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, session: &Arc<dyn Session>, hearing: &Hearing) -> Option<MemberId> {
        let mut inside = self.inside();
        if inside.closed {
            return None;
        }
        inside.admitted += 1;
        let id = inside.admitted;
        let call = Call {
            session: Some(session.clone()),
            hearing: hearing.clone(),
        };
        inside.calls.insert(id, call);
        inside.audience.enter(id, session.me());
        Some(id)
    }

    /// Its graph, made where there is none yet. May wait.
    fn graph(self: &Arc<Self>) -> Result<Arc<RoomGraph>, GraphError> {
        let mut media = self.media.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(graph) = &*media {
            return Ok(graph.clone());
        }
        let (sender, mut news) = mpsc::unbounded_channel();
        let graph = Arc::new(RoomGraph::new(self.graph.clone(), sender)?);
        let room = Arc::downgrade(self);
        Handle::current().spawn(async move {
            while let Some(news) = news.recv().await
                && let Some(room) = room.upgrade()
            {
                room.on_graph(news);
            }
        });
        Ok(media.insert(graph).clone())
    }

    fn on_graph(self: &Arc<Self>, news: GraphNews) {
        match news {
            GraphNews::Latency => self.latency_changed(),
            GraphNews::TrackBroken(number, why) => {
                tracing::warn!(number, %why, "a track's part of the media graph broke");
                let found = {
                    let inside = self.inside();
                    let mut heard = inside.audience.heard();
                    let of_it = heard.find(|(_, _, heard)| heard.part.number == number);
                    of_it.map(|(track, attempt, _)| (track.clone(), attempt))
                };
                if let Some((track, attempt)) = found {
                    self.fail(&track, attempt, true);
                }
            }
            // Told to each call that it concerns.
            GraphNews::Broken(_) => {}
        }
    }

    fn latency_changed(self: &Arc<Self>) {
        let mut inside = self.inside();
        if std::mem::replace(&mut inside.latency_due, true) {
            return;
        }
        let room = Arc::downgrade(self);
        inside.spawn(async move {
            sleep(LATENCY_AFTER).await;
            let Some(room) = room.upgrade() else { return };
            let media = {
                let mut inside = room.inside();
                inside.latency_due = false;
                inside.media.clone()
            };
            if let Some(media) = media {
                tokio::task::spawn_blocking(move || media.graph.recalculate_latency());
            }
        });
    }

    /// Subscribes to whatever is to be heard and is not yet.
    fn attend(self: &Arc<Self>) {
        let mut inside = self.inside();
        let Some(media) = inside.media.clone() else {
            return;
        };
        while let Some((track, attempt)) = inside.audience.next(media.slots) {
            let session = inside.calls.get(&attempt.by);
            let Some(session) = session.and_then(|call| call.session.clone()) else {
                inside.audience.failed(&track, attempt, false);
                continue;
            };
            let (room, graph) = (Arc::downgrade(self), media.graph.clone());
            let peer = self.peer.clone();
            inside.spawn(async move {
                let heard = hear(session.clone(), graph.clone(), peer, &track).await;
                match (room.upgrade(), heard) {
                    (Some(room), heard) => room.on_heard(track, attempt, session, heard),
                    (None, Ok((heard, _))) => release(heard, None, graph).await,
                    (None, Err(_)) => {}
                }
            });
        }
    }

    fn on_heard(
        self: Arc<Self>,
        track: TrackId,
        attempt: Attempt,
        session: Arc<dyn Session>,
        heard: Result<(Heard, Events), super::stay::StayError>,
    ) {
        let (heard, mut events) = match heard {
            Ok(heard) => heard,
            Err(error) => {
                tracing::warn!(%track, %error, "a track cannot be heard");
                self.fail(&track, attempt, may_pass(&error));
                return;
            }
        };
        let connected = {
            let mut inside = self.inside();
            match inside.audience.opened(&track, attempt, heard) {
                Ok(heard) => heard.peer.is_verified(),
                // Gone from the room while it was being negotiated, or carried by somebody who is.
                Err(heard) => {
                    inside.release(heard, Some(session));
                    return;
                }
            }
        };
        if connected {
            self.connected(&track, attempt);
        }
        let room = Arc::downgrade(&self);
        // Ends with its connection.
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Some(room) = room.upgrade() else { return };
                room.on_track(&track, attempt, event);
            }
        });
    }

    fn on_track(self: &Arc<Self>, track: &TrackId, attempt: Attempt, event: PeerEvent) {
        match event {
            PeerEvent::Connected => self.connected(track, attempt),
            PeerEvent::Candidate(candidate) => self.trickle(track, attempt, candidate),
            PeerEvent::Failed(why) => {
                tracing::warn!(%track, %why, "a track is lost");
                self.fail(track, attempt, true);
            }
            PeerEvent::Closed => self.fail(track, attempt, true),
        }
    }

    fn connected(self: &Arc<Self>, track: &TrackId, attempt: Attempt) {
        let hearing = {
            let mut inside = self.inside();
            let (news, former) = inside.audience.connected(track, attempt);
            if let Some((attempt, heard)) = former {
                inside.release_of(attempt, heard);
                self.handed_over.notify_waiters();
            }
            match news {
                true => inside.hearing(),
                false => Vec::new(),
            }
        };
        hearing.iter().for_each(|hearing| hearing());
    }

    /// An attempt came to nothing. Where the reason may pass, the same is tried again after a rest; by another at once.
    fn fail(self: &Arc<Self>, track: &TrackId, attempt: Attempt, may_pass: bool) {
        {
            let mut inside = self.inside();
            let Failed { had, rests } = inside.audience.failed(track, attempt, may_pass);
            let released = had.and_then(|(attempt, heard)| inside.releasing_of(attempt, heard));
            let (room, track) = (Arc::downgrade(self), track.clone());
            inside.spawn(async move {
                // An SFU that knows connections by their track must not take the next one for this.
                if let Some(released) = released {
                    released.await;
                }
                let Some(rest) = rests else { return };
                sleep(rest).await;
                if let Some(room) = room.upgrade() {
                    room.inside().audience.rested(&track, attempt);
                    room.attend();
                }
            });
            self.handed_over.notify_waiters();
        }
        self.attend();
    }

    fn trickle(&self, track: &TrackId, attempt: Attempt, candidate: Candidate) {
        let mut inside = self.inside();
        let mut heard = inside.audience.heard();
        let of_it = heard.find(|(id, of, _)| *id == track && *of == attempt);
        let connection = of_it.map(|(_, _, heard)| heard.connection.clone());
        drop(heard);
        let call = inside.calls.get(&attempt.by);
        let session = call.and_then(|call| call.session.clone());
        if let (Some(connection), Some(session)) = (connection, session) {
            inside.spawn(trickled(session, connection, candidate));
        }
    }
}

/// Passes a candidate on to the SFU.
pub(super) async fn trickled(
    session: Arc<dyn Session>,
    connection: ConnectionId,
    candidate: Candidate,
) {
    if let Err(error) = session.trickle(&connection, Some(&candidate)).await {
        tracing::debug!(%error, "a candidate did not reach the SFU");
    }
}

impl Inside {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // What is done is not kept for as long as the room lasts.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task);
    }

    /// Whom to tell that there is somebody to be heard.
    fn hearing(&self) -> Vec<Hearing> {
        self.calls
            .values()
            .map(|call| call.hearing.clone())
            .collect()
    }

    fn release_of(&mut self, attempt: Attempt, heard: Heard) {
        if let Some(releasing) = self.releasing_of(attempt, heard) {
            self.spawn(releasing);
        }
    }

    fn releasing_of(
        &self,
        attempt: Attempt,
        heard: Heard,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let call = self.calls.get(&attempt.by);
        let session = call.and_then(|call| call.session.clone());
        self.releasing(heard, session)
    }

    fn release(&mut self, heard: Heard, session: Option<Arc<dyn Session>>) {
        if let Some(releasing) = self.releasing(heard, session) {
            self.spawn(releasing);
        }
    }

    fn releasing(
        &self,
        heard: Heard,
        session: Option<Arc<dyn Session>>,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let graph = self.media.as_ref()?.graph.clone();
        Some(release(heard, session, graph))
    }

    /// The phones hear that the line is up, while none of them is in the room.
    fn comfort(&self) {
        let away = self.calls.values().all(|call| call.session.is_none());
        if let Some(comfort) = self.media.as_ref().and_then(|media| media.comfort.as_ref()) {
            comfort.let_be_heard(away && !self.calls.is_empty());
        }
    }

    /// The track that comes by this connection of a call's.
    fn by_connection(&self, by: MemberId, connection: &ConnectionId) -> Option<(TrackId, Attempt)> {
        let mut heard = self.audience.heard();
        let of_it = heard.find(|(_, of, heard)| of.by == by && heard.connection == *connection);
        of_it.map(|(track, attempt, _)| (track.clone(), attempt))
    }
}
