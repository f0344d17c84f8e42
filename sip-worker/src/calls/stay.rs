// SPDX-License-Identifier: MPL-2.0
//! A call's stay in its room: what it publishes, what it hears, and how it leaves.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::ending::Ending;
use super::graph::{CallGraph, GraphError, GraphNews, TrackGraph};
use crate::pipeline::Graph;
use crate::sfu::{
    ConnectionId, MediaKind, Negotiation, Session, SfuError, SfuEvent, Track, TrackId,
};
use crate::webrtc::{Peer, PeerConfig, PeerError, PeerEvent};

/// The SFU is told that we leave; it may take this long to take note.
const LEAVE_WITHIN: Duration = Duration::from_millis(700);
/// A pipeline that takes longer to stop is left to itself.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What the parts of a stay report to its call.
pub(super) enum Inside {
    /// Our own publication is negotiated, or is not to be.
    Opened(Result<Open, StayError>),
    /// Our own publication's connection.
    Publisher(PeerEvent),
    /// A track is negotiated, or is not to be.
    Heard(TrackId, Result<Heard, StayError>),
    /// A heard track's connection.
    Track(TrackId, PeerEvent),
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
    /// The stay is over.
    Over(Ending),
}

/// Why media did not come about.
#[derive(Debug, thiserror::Error)]
pub(super) enum StayError {
    #[error(transparent)]
    Sfu(#[from] SfuError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("a thread that builds media graphs broke down")]
    Thread(#[from] tokio::task::JoinError),
    #[error(
        "this SFU wants to be offered what is heard, which a graph of one track each cannot do"
    )]
    OfferWanted,
}

impl From<StayError> for Ending {
    fn from(error: StayError) -> Ending {
        match error {
            StayError::Sfu(error) => error.into(),
            StayError::Graph(_) | StayError::Thread(_) => Ending::new(500, error.to_string()),
            StayError::Peer(_) | StayError::OfferWanted => Ending::new(503, error.to_string()),
        }
    }
}

/// A publication that is negotiated.
pub(super) struct Open {
    graph: Shared,
    /// How many tracks the graph can hear at once.
    slots: usize,
    muted: Arc<AtomicBool>,
    peer: Peer,
    connection: ConnectionId,
}

/// A track that is negotiated.
pub(super) struct Heard {
    part: TrackGraph,
    peer: Peer,
    connection: ConnectionId,
}

type Shared = Arc<Mutex<CallGraph>>;
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
    session: Arc<dyn Session>,
    means: Means,
    report: Report,
    open: Option<Open>,
    /// Tracks that wait for our own media to be up, or for a slot.
    waiting: VecDeque<Track>,
    /// Tracks on their way in, and those that are in.
    heard: HashMap<TrackId, Option<Heard>>,
    tasks: JoinSet<()>,
}

impl Stay {
    /// Begins to publish. What comes of it is told by `inside`.
    pub(super) fn begin(
        session: Arc<dyn Session>,
        means: Means,
    ) -> (Stay, mpsc::UnboundedReceiver<Inside>) {
        let (report, inside) = mpsc::unbounded_channel();
        let mut stay = Stay {
            session,
            means,
            report,
            open: None,
            waiting: VecDeque::new(),
            heard: HashMap::new(),
            tasks: JoinSet::new(),
        };
        let (session, means, report) = (
            stay.session.clone(),
            stay.means.clone(),
            stay.report.clone(),
        );
        stay.tasks.spawn(async move {
            let opened = open(session, means, &report).await;
            let _ = report.send(Inside::Opened(opened));
        });
        (stay, inside)
    }

    /// Takes note of what happened in the room.
    pub(super) fn on_room(&mut self, event: SfuEvent) -> Change {
        match event {
            SfuEvent::TrackAdded(track) if track.kind == MediaKind::Audio => {
                self.waiting.push_back(track);
                self.hear_more();
            }
            SfuEvent::TrackRemoved(track) => self.forget(&track),
            SfuEvent::Candidate {
                connection,
                candidate,
            } => {
                if let Some(peer) = self.peer(&connection) {
                    peer.add_candidate(&candidate);
                }
            }
            SfuEvent::ConnectionClosed { connection, reason } => {
                if self
                    .open
                    .as_ref()
                    .is_some_and(|open| open.connection == connection)
                {
                    return Change::Over(Ending::new(
                        503,
                        format!("the SFU closed our connection: {reason}"),
                    ));
                }
                if let Some(track) = self.track_of(|heard| heard.connection == connection) {
                    self.forget(&track);
                }
            }
            SfuEvent::Offer { connection, .. } => {
                tracing::warn!(%connection, "the SFU wants to change a connection, which is not built yet; it stays");
            }
            SfuEvent::Lost(reason) => {
                return Change::Over(Ending::new(503, format!("the SFU is lost: {reason}")));
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
            Inside::Opened(Ok(open)) => {
                let connected = open.peer.is_verified();
                self.open = Some(open);
                self.hear_more();
                if connected {
                    Change::Published
                } else {
                    Change::None
                }
            }
            Inside::Opened(Err(error)) => Change::Over(error.into()),
            Inside::Publisher(PeerEvent::Connected) if self.open.is_some() => Change::Published,
            Inside::Publisher(PeerEvent::Connected) => Change::None,
            Inside::Publisher(PeerEvent::Candidate(candidate)) => {
                if let Some(open) = &self.open {
                    self.trickle(open.connection.clone(), candidate);
                }
                Change::None
            }
            Inside::Publisher(PeerEvent::Failed(why)) => Change::Over(Ending::new(503, why)),
            Inside::Publisher(PeerEvent::Closed) => {
                Change::Over(Ending::new(503, "the SFU closed our WebRTC connection"))
            }
            Inside::Heard(track, Ok(heard)) => match self.heard.get_mut(&track) {
                Some(place) => {
                    let connected = heard.peer.is_verified();
                    *place = Some(heard);
                    if connected {
                        Change::Hearing
                    } else {
                        Change::None
                    }
                }
                None => {
                    // Removed from the room while it was being negotiated.
                    self.release(heard);
                    Change::None
                }
            },
            Inside::Heard(track, Err(error)) => {
                tracing::warn!(%track, %error, "a track cannot be heard");
                self.heard.remove(&track);
                self.hear_more();
                Change::None
            }
            Inside::Track(track, event) => self.on_track(&track, event),
            Inside::Graph(GraphNews::Latency) => Change::Latency,
            Inside::Graph(GraphNews::Broken(why)) => Change::Over(Ending::new(
                500,
                format!("the call's media graph broke: {why}"),
            )),
            Inside::Graph(GraphNews::TrackBroken(number, why)) => {
                tracing::warn!(number, %why, "a track's part of the media graph broke");
                if let Some(track) = self.track_of(|heard| heard.part.number == number) {
                    self.forget(&track);
                }
                Change::None
            }
        }
    }

    fn on_track(&mut self, track: &TrackId, event: PeerEvent) -> Change {
        match event {
            PeerEvent::Connected if matches!(self.heard.get(track), Some(Some(_))) => {
                return Change::Hearing;
            }
            PeerEvent::Connected => {}
            PeerEvent::Candidate(candidate) => {
                if let Some(Some(heard)) = self.heard.get(track) {
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
        let Some(open) = &self.open else { return };
        open.muted.store(muted, Ordering::Relaxed);
        let (session, connection) = (self.session.clone(), open.connection.clone());
        self.tasks.spawn(async move {
            if let Err(error) = session.mute(&connection, muted).await {
                tracing::debug!(%error, "the SFU was not told of a mute");
            }
        });
    }

    /// Works out the pipeline's latency again.
    pub(super) fn recalculate_latency(&mut self) {
        if let Some(graph) = self.open.as_ref().map(|open| open.graph.clone()) {
            self.tasks
                .spawn_blocking(move || lock(&graph).recalculate_latency());
        }
    }

    /// Leaves the room and then stops the media, each within its time.
    pub(super) async fn end(mut self) {
        if timeout(LEAVE_WITHIN, self.session.leave()).await.is_err() {
            tracing::debug!("the SFU took no note of our leaving in time");
        }
        // Whatever is still being negotiated ends here; what it holds of the graph stops with it.
        self.tasks.abort_all();
        let Some(open) = self.open.take() else { return };
        let heard: Vec<_> = self.heard.drain().filter_map(|(_, heard)| heard).collect();
        let stopped = spawn_blocking(move || {
            lock(&open.graph).stop();
            drop(heard);
            drop(open);
        });
        if timeout(STOP_WITHIN, stopped).await.is_err() {
            tracing::warn!("a pipeline takes long to stop");
        }
    }

    fn hear_more(&mut self) {
        let Some((graph, slots)) = self
            .open
            .as_ref()
            .map(|open| (open.graph.clone(), open.slots))
        else {
            return;
        };
        while self.heard.len() < slots {
            let Some(track) = self.waiting.pop_front() else {
                return;
            };
            if self.heard.insert(track.id.clone(), None).is_some() {
                continue;
            }
            let (session, graph, peer, report) = (
                self.session.clone(),
                graph.clone(),
                self.means.peer.clone(),
                self.report.clone(),
            );
            self.tasks.spawn(async move {
                let heard = hear(session, graph, peer, &track.id, &report).await;
                let _ = report.send(Inside::Heard(track.id, heard));
            });
        }
    }

    fn forget(&mut self, track: &TrackId) {
        self.waiting.retain(|waiting| waiting.id != *track);
        if let Some(Some(heard)) = self.heard.remove(track) {
            self.release(heard);
        }
    }

    fn release(&mut self, heard: Heard) {
        let Some(graph) = self.open.as_ref().map(|open| open.graph.clone()) else {
            return;
        };
        let (session, report) = (self.session.clone(), self.report.clone());
        self.tasks.spawn(async move {
            // The track may be gone from the SFU already, and this with it.
            let _ = session.close(&heard.connection).await;
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

    fn trickle(&mut self, connection: ConnectionId, candidate: crate::sfu::Candidate) {
        let session = self.session.clone();
        self.tasks.spawn(async move {
            if let Err(error) = session.trickle(&connection, Some(&candidate)).await {
                tracing::debug!(%error, "a candidate did not reach the SFU");
            }
        });
    }

    fn peer(&self, connection: &ConnectionId) -> Option<&Peer> {
        let own = self.open.iter().map(|open| (&open.connection, &open.peer));
        let others = self
            .heard
            .values()
            .flatten()
            .map(|heard| (&heard.connection, &heard.peer));
        own.chain(others)
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

/// Builds the call's graph and publishes what the phone says.
async fn open(session: Arc<dyn Session>, means: Means, report: &Report) -> Result<Open, StayError> {
    let news = forward(report, Inside::Graph);
    let made = spawn_blocking(move || {
        let graph = CallGraph::new(means.graph, &means.call, news)?;
        let (peer, events) = Peer::new(&graph.publisher()?, means.peer)?;
        graph.start()?;
        Ok::<_, StayError>((graph, peer, events))
    });
    let (graph, peer, events) = made.await??;
    let (slots, muted) = (graph.slots(), graph.muted());
    let graph = Arc::new(Mutex::new(graph));
    pass_on(events, report, Inside::Publisher);
    let offer = peer.create_offer().await?;
    let published = session.publish(MediaKind::Audio, &offer).await?;
    peer.accept_answer(&published.answer).await?;
    Ok(Open {
        graph,
        slots,
        muted,
        peer,
        connection: published.connection,
    })
}

/// Subscribes to a track and mixes it in.
async fn hear(
    session: Arc<dyn Session>,
    graph: Shared,
    config: PeerConfig,
    track: &TrackId,
    report: &Report,
) -> Result<Heard, StayError> {
    let subscription = session.subscribe(track).await?;
    let Negotiation::Offered(offer) = subscription.negotiation else {
        return Err(StayError::OfferWanted);
    };
    let made = spawn_blocking({
        let graph = graph.clone();
        move || begin_track(&mut lock(&graph), config)
    });
    let (part, peer, events) = made.await??;
    pass_on(events, report, {
        let track = track.clone();
        move |event| Inside::Track(track.clone(), event)
    });
    let negotiated = async {
        let answer = peer.answer(&offer).await?;
        session.answer(&subscription.connection, &answer).await?;
        Ok::<_, StayError>(())
    };
    match negotiated.await {
        Ok(()) => Ok(Heard {
            part,
            peer,
            connection: subscription.connection,
        }),
        Err(error) => {
            let _ = session.close(&subscription.connection).await;
            let removed = spawn_blocking(move || {
                drop(peer);
                lock(&graph).remove_track(part);
            });
            removed.await?;
            Err(error)
        }
    }
}

/// Makes a track's part and its connection, and starts them.
fn begin_track(
    graph: &mut CallGraph,
    config: PeerConfig,
) -> Result<(TrackGraph, Peer, mpsc::UnboundedReceiver<PeerEvent>), StayError> {
    let part = graph.add_track()?;
    let begun = Peer::new(&part.webrtcbin, config)
        .map_err(StayError::from)
        .and_then(|made| {
            graph.start_track(&part)?;
            Ok(made)
        });
    match begun {
        Ok((peer, events)) => Ok((part, peer, events)),
        Err(error) => {
            graph.remove_track(part);
            Err(error)
        }
    }
}

/// Passes a part's events on to its call, for as long as both are there.
fn pass_on<T: Send + 'static>(
    mut events: mpsc::UnboundedReceiver<T>,
    report: &Report,
    wrap: impl Fn(T) -> Inside + Send + 'static,
) {
    let report = report.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if report.send(wrap(event)).is_err() {
                return;
            }
        }
    });
}

fn forward<T: Send + 'static>(
    report: &Report,
    wrap: impl Fn(T) -> Inside + Send + 'static,
) -> mpsc::UnboundedSender<T> {
    let (sender, events) = mpsc::unbounded_channel();
    pass_on(events, report, wrap);
    sender
}

fn lock(graph: &Shared) -> MutexGuard<'_, CallGraph> {
    graph.lock().unwrap_or_else(PoisonError::into_inner)
}
