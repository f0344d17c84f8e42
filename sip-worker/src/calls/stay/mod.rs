// SPDX-License-Identifier: MPL-2.0
//! A call's stay in its room: what it publishes, what it hears, how it leaves, and how it comes back
//! when the SFU was away.
//!
//! The call's media outlast the SFU. What depends on it is a visit: a participant, a connection out,
//! a connection for each heard track. When a visit is lost it is cleared away whole, the phone hears
//! comfort noise, and the next visit begins on the same media. Whatever a past visit's tasks still
//! report carries its number, and is put away.

mod connect;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::ending::Ending;
use super::graph::{GraphError, GraphNews};
use super::meter::{HeardProbe, RoomProbes};
use crate::pipeline::Graph;
use crate::sfu::{Candidate, ConnectionId, MediaKind, Session, SfuEvent, Track, TrackId};
use crate::webrtc::{Peer, PeerConfig, PeerEvent};
use connect::{Heard, Media, Publication, StayError, lock};

/// The SFU is told that we leave; it may take this long to take note.
const LEAVE_WITHIN: Duration = Duration::from_millis(700);
/// A pipeline that takes longer to stop is left to itself.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What the parts of a stay report to its call, those of a visit with its number.
pub(super) enum Inside {
    /// The media are there and our own publication is negotiated, or they are not to be.
    Opened(Result<(Media, Publication), StayError>),
    /// A later visit's publication is negotiated, or is not to be.
    Reopened(u64, Result<Publication, StayError>),
    /// Our own publication's connection.
    Publisher(u64, PeerEvent),
    /// A track is negotiated, or is not to be.
    Heard(u64, TrackId, Result<Heard, StayError>),
    /// A heard track's connection.
    Track(u64, TrackId, PeerEvent),
    /// The pipeline.
    Graph(GraphNews),
}

/// What changed for the call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that matters to it.
    None,
    /// The room can hear the phone.
    Published,
    /// The phone can hear a track.
    Hearing,
    /// The pipeline's latency is to be worked out again, soon.
    Latency,
    /// The SFU is away, and may come back. [`Stay::lose`] is called for.
    Lost(Ending),
    /// The stay is over.
    Over(Ending),
}

type Report = mpsc::UnboundedSender<Inside>;

/// What media needs, beside the room.
#[derive(Clone)]
pub struct Means {
    /// The media graph.
    pub graph: Arc<Graph>,
    /// How the SFU is reached.
    pub peer: PeerConfig,
    /// Name of the SIP call, for `sipbin`.
    pub call: String,
}

/// Everything a call has in a room.
pub(super) struct Stay {
    means: Means,
    report: Report,
    /// There from the first publication on.
    media: Option<Media>,
    visit: Visit,
    /// The past visit is being cleared away.
    clearing: Option<JoinHandle<Result<(), GraphError>>>,
    tasks: JoinSet<()>,
}

/// What ends with the SFU.
#[derive(Default)]
struct Visit {
    number: u64,
    /// None while the SFU is away.
    session: Option<Arc<dyn Session>>,
    publication: Option<Publication>,
    /// Tracks that wait for our own media to be up, or for a slot.
    waiting: VecDeque<Track>,
    /// Tracks on their way in, and those that are in.
    heard: HashMap<TrackId, Option<Heard>>,
}

impl Stay {
    /// Begins to publish. What comes of it is told by `inside`.
    pub(super) fn begin(
        session: Arc<dyn Session>,
        means: Means,
    ) -> (Stay, mpsc::UnboundedReceiver<Inside>) {
        let (report, inside) = mpsc::unbounded_channel();
        let mut stay = Stay {
            means,
            report: report.clone(),
            media: None,
            visit: Visit {
                session: Some(session.clone()),
                ..Visit::default()
            },
            clearing: None,
            tasks: JoinSet::new(),
        };
        let opening = connect::open(session, stay.means.clone(), 0, report.clone());
        stay.tasks.spawn(async move {
            let _ = report.send(Inside::Opened(opening.await));
        });
        (stay, inside)
    }

    /// Clears away what a lost visit leaves behind. From now on the phone hears comfort noise.
    pub(super) fn lose(&mut self) {
        let number = self.visit.number + 1;
        let past = std::mem::replace(
            &mut self.visit,
            Visit {
                number,
                ..Visit::default()
            },
        );
        self.comfort(true);
        if let Some(session) = past.session {
            self.tasks.spawn(async move {
                // An SFU that is gone has forgotten us; one that is not had better know.
                let _ = timeout(LEAVE_WITHIN, session.leave()).await;
            });
        }
        let Some(media) = &self.media else { return };
        let graph = media.graph.clone();
        let heard: Vec<_> = past.heard.into_values().flatten().collect();
        let before = self.clearing.take();
        self.clearing = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let cleared =
                spawn_blocking(move || connect::clear(&graph, past.publication, heard)).await;
            cleared.unwrap_or(Ok(()))
        }));
    }

    /// Begins to publish once more, after [`Stay::lose`].
    pub(super) fn come_back(&mut self, session: Arc<dyn Session>) {
        let Some(media) = &self.media else { return };
        let (number, report) = (self.visit.number, self.report.clone());
        self.visit.session = Some(session.clone());
        let reopening = connect::reopen(
            session,
            media.graph.clone(),
            self.means.peer.clone(),
            self.clearing.take(),
            number,
            report.clone(),
        );
        self.tasks.spawn(async move {
            let _ = report.send(Inside::Reopened(number, reopening.await));
        });
    }

    /// Takes note of what happened in the room.
    pub(super) fn on_room(&mut self, event: SfuEvent) -> Change {
        match event {
            SfuEvent::TrackAdded(track) if track.kind == MediaKind::Audio => {
                self.visit.waiting.push_back(track);
                self.hear_more();
            }
            SfuEvent::TrackRemoved(track) => self.forget(&track),
            SfuEvent::Candidate {
                connection,
                candidate,
            } => {
                if let Some(peer) = self.visit.peer(&connection) {
                    peer.add_candidate(&candidate);
                }
            }
            SfuEvent::ConnectionClosed { connection, reason } => {
                let ours = self.visit.publication.as_ref();
                if ours.is_some_and(|ours| ours.connection == connection) {
                    let why = format!("the SFU closed our connection: {reason}");
                    return Change::Lost(Ending::new(503, why));
                }
                if let Some(track) = self.visit.track_of(|heard| heard.connection == connection) {
                    self.forget(&track);
                }
            }
            SfuEvent::Offer { connection, .. } => {
                tracing::warn!(%connection, "the SFU wants to change a connection, which is not built yet; it stays");
            }
            SfuEvent::Lost(reason) => {
                return Change::Lost(Ending::new(503, format!("the SFU is lost: {reason}")));
            }
            SfuEvent::Expelled(reason) => {
                let why = format!("the SFU put the phone out of the room: {reason}");
                return Change::Over(Ending::asked(why));
            }
            SfuEvent::TrackAdded(_)
            | SfuEvent::Talking { .. }
            | SfuEvent::ParticipantJoined(_)
            | SfuEvent::ParticipantLeft(_) => {}
        }
        Change::None
    }

    /// Takes note of what happened to our own parts.
    pub(super) fn on_inside(&mut self, event: Inside) -> Change {
        match event {
            Inside::Opened(Ok((media, publication))) => {
                self.media = Some(media);
                self.published(publication)
            }
            Inside::Opened(Err(error)) => Change::Over(error.into()),
            Inside::Reopened(number, reopened) if number == self.visit.number => match reopened {
                Ok(publication) => self.published(publication),
                Err(error) if error.may_pass() => Change::Lost(error.into()),
                Err(error) => Change::Over(error.into()),
            },
            Inside::Publisher(number, event) if number == self.visit.number => {
                self.on_publisher(event)
            }
            Inside::Heard(number, track, heard) if number == self.visit.number => {
                self.on_heard(track, heard)
            }
            Inside::Track(number, track, event) if number == self.visit.number => {
                self.on_track(&track, event)
            }
            // Negotiated in the moment in which its visit was lost.
            Inside::Heard(_, _, Ok(heard)) => {
                self.release(heard, None);
                Change::None
            }
            Inside::Reopened(..)
            | Inside::Publisher(..)
            | Inside::Heard(..)
            | Inside::Track(..) => Change::None,
            Inside::Graph(GraphNews::Latency) => Change::Latency,
            Inside::Graph(GraphNews::Broken(why)) => Change::Over(Ending::new(
                500,
                format!("the call's media graph broke: {why}"),
            )),
            Inside::Graph(GraphNews::TrackBroken(number, why)) => {
                tracing::warn!(number, %why, "a track's part of the media graph broke");
                if let Some(track) = self.visit.track_of(|heard| heard.part.number == number) {
                    self.forget(&track);
                }
                Change::None
            }
        }
    }

    fn published(&mut self, publication: Publication) -> Change {
        let connected = publication.peer.is_verified();
        self.visit.publication = Some(publication);
        self.hear_more();
        match connected {
            true => self.heard_by_the_room(),
            false => Change::None,
        }
    }

    fn heard_by_the_room(&mut self) -> Change {
        self.comfort(false);
        Change::Published
    }

    fn on_publisher(&mut self, event: PeerEvent) -> Change {
        match event {
            PeerEvent::Connected if self.visit.publication.is_some() => self.heard_by_the_room(),
            PeerEvent::Connected => Change::None,
            PeerEvent::Candidate(candidate) => {
                if let Some(ours) = &self.visit.publication {
                    self.trickle(ours.connection.clone(), candidate);
                }
                Change::None
            }
            PeerEvent::Failed(why) => Change::Lost(Ending::new(503, why)),
            PeerEvent::Closed => {
                let why = "the SFU closed our WebRTC connection";
                Change::Lost(Ending::new(503, why))
            }
        }
    }

    fn on_heard(&mut self, track: TrackId, heard: Result<Heard, StayError>) -> Change {
        match (heard, self.visit.heard.get_mut(&track)) {
            (Ok(heard), Some(place)) => {
                let connected = heard.peer.is_verified();
                *place = Some(heard);
                if connected {
                    return Change::Hearing;
                }
            }
            // Removed from the room while it was being negotiated.
            (Ok(heard), None) => self.release(heard, self.visit.session.clone()),
            (Err(error), _) => {
                tracing::warn!(%track, %error, "a track cannot be heard");
                self.visit.heard.remove(&track);
                self.hear_more();
            }
        }
        Change::None
    }

    fn on_track(&mut self, track: &TrackId, event: PeerEvent) -> Change {
        match event {
            PeerEvent::Connected if matches!(self.visit.heard.get(track), Some(Some(_))) => {
                return Change::Hearing;
            }
            PeerEvent::Connected => {}
            PeerEvent::Candidate(candidate) => {
                if let Some(Some(heard)) = self.visit.heard.get(track) {
                    self.trickle(heard.connection.clone(), candidate);
                }
            }
            PeerEvent::Failed(why) => {
                tracing::warn!(%track, %why, "a track is lost");
                self.forget(track);
            }
            PeerEvent::Closed => self.forget(track),
        }
        Change::None
    }

    /// Withholds what the phone says from the room, or stops doing so: here, and at the SFU too.
    pub(super) fn mute(&mut self, muted: bool) {
        let Some(media) = &self.media else { return };
        media.muted.store(muted, Ordering::Relaxed);
        let ours = self.visit.publication.as_ref();
        let (Some(session), Some(ours)) = (self.visit.session.clone(), ours) else {
            return;
        };
        let connection = ours.connection.clone();
        self.tasks.spawn(async move {
            if let Err(error) = session.mute(&connection, muted).await {
                tracing::debug!(%error, "the SFU was not told of a mute");
            }
        });
    }

    /// Its connections, to be measured.
    pub(super) fn probes(&self) -> RoomProbes {
        let heard = self.visit.heard.iter().filter_map(|(track, heard)| {
            let heard = heard.as_ref()?;
            Some(HeardProbe {
                track: track.to_string(),
                connection: heard.peer.probe(),
                concealed: heard.part.concealed(),
            })
        });
        RoomProbes {
            published: self
                .visit
                .publication
                .as_ref()
                .map(|ours| ours.peer.probe()),
            heard: heard.collect(),
        }
    }

    /// Works out the pipeline's latency again.
    pub(super) fn recalculate_latency(&mut self) {
        if let Some(graph) = self.media.as_ref().map(|media| media.graph.clone()) {
            self.tasks
                .spawn_blocking(move || lock(&graph).recalculate_latency());
        }
    }

    /// Leaves the room and then stops the media, each within its time.
    pub(super) async fn end(mut self) {
        if let Some(session) = &self.visit.session
            && timeout(LEAVE_WITHIN, session.leave()).await.is_err()
        {
            tracing::debug!("the SFU took no note of our leaving in time");
        }
        // Whatever is still being negotiated ends here; what it holds of the graph stops with it.
        self.tasks.abort_all();
        let Some(media) = self.media.take() else {
            return;
        };
        let visit = self.visit;
        let stopped = spawn_blocking(move || {
            lock(&media.graph).stop();
            drop(visit);
            drop(media);
        });
        if timeout(STOP_WITHIN, stopped).await.is_err() {
            tracing::warn!("a pipeline takes long to stop");
        }
    }

    fn comfort(&self, heard: bool) {
        if let Some(comfort) = self.media.as_ref().and_then(|media| media.comfort.as_ref()) {
            comfort.let_be_heard(heard);
        }
    }

    fn hear_more(&mut self) {
        let (Some(media), Some(session)) = (&self.media, &self.visit.session) else {
            return;
        };
        if self.visit.publication.is_none() {
            return;
        }
        while self.visit.heard.len() < media.slots {
            let Some(track) = self.visit.waiting.pop_front() else {
                return;
            };
            if self.visit.heard.insert(track.id.clone(), None).is_some() {
                continue;
            }
            let (session, graph, peer, report) = (
                session.clone(),
                media.graph.clone(),
                self.means.peer.clone(),
                self.report.clone(),
            );
            let visit = self.visit.number;
            self.tasks.spawn(async move {
                let heard = connect::hear(session, graph, peer, &track.id, visit, &report).await;
                let _ = report.send(Inside::Heard(visit, track.id, heard));
            });
        }
    }

    fn forget(&mut self, track: &TrackId) {
        self.visit.waiting.retain(|waiting| waiting.id != *track);
        if let Some(Some(heard)) = self.visit.heard.remove(track) {
            self.release(heard, self.visit.session.clone());
        }
    }

    /// Takes a track out of the graph, and out of the session that it still belongs to.
    fn release(&mut self, heard: Heard, session: Option<Arc<dyn Session>>) {
        let Some(graph) = self.media.as_ref().map(|media| media.graph.clone()) else {
            return;
        };
        let report = self.report.clone();
        self.tasks.spawn(async move {
            if let Some(session) = session {
                // The track may be gone from the SFU already, and this with it.
                let _ = session.close(&heard.connection).await;
            }
            let removed = spawn_blocking(move || {
                drop(heard.peer);
                lock(&graph).remove_track(heard.part);
            });
            if removed.await.is_ok() {
                let _ = report.send(Inside::Graph(GraphNews::Latency));
            }
        });
        self.hear_more();
    }

    fn trickle(&mut self, connection: ConnectionId, candidate: Candidate) {
        let Some(session) = self.visit.session.clone() else {
            return;
        };
        self.tasks.spawn(async move {
            if let Err(error) = session.trickle(&connection, Some(&candidate)).await {
                tracing::debug!(%error, "a candidate did not reach the SFU");
            }
        });
    }
}

impl Visit {
    fn peer(&self, connection: &ConnectionId) -> Option<&Peer> {
        let ours = self.publication.iter();
        let ours = ours.map(|ours| (&ours.connection, &ours.peer));
        let others = self
            .heard
            .values()
            .flatten()
            .map(|heard| (&heard.connection, &heard.peer));
        ours.chain(others)
            .find(|(of, _)| *of == connection)
            .map(|(_, peer)| peer)
    }

    fn track_of(&self, matches: impl Fn(&Heard) -> bool) -> Option<TrackId> {
        self.heard
            .iter()
            .find(|(_, heard)| heard.as_ref().is_some_and(&matches))
            .map(|(track, _)| track.clone())
    }
}
