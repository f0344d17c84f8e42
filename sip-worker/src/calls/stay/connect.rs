// SPDX-License-Identifier: MPL-2.0
//! How a stay's connections come about: each as a task that reports what came of it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::{Inside, Means, Report};
use crate::calls::ending::Ending;
use crate::calls::graph::{CallGraph, Comfort, GraphError, TrackGraph};
use crate::sfu::{ConnectionId, MediaKind, Negotiation, Session, SfuError, TrackId};
use crate::webrtc::{Peer, PeerConfig, PeerError, PeerEvent};

/// Why media did not come about.
#[derive(Debug, thiserror::Error)]
pub(in crate::calls) enum StayError {
    #[error(transparent)]
    Sfu(#[from] SfuError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("a thread that builds media graphs broke down")]
    Thread(#[from] JoinError),
    #[error(
        "this SFU wants to be offered what is heard, which a graph of one track each cannot do"
    )]
    OfferWanted,
}

impl StayError {
    /// Is it of the SFU or the way there, so that another attempt may fare better?
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, StayError::Sfu(_) | StayError::Peer(_))
    }
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

/// A call's media, which outlasts what it has in the room.
#[derive(Clone)]
pub(in crate::calls) struct Media {
    pub(super) graph: Shared,
    /// How many tracks the graph can hear at once.
    pub(super) slots: usize,
    pub(super) muted: Arc<AtomicBool>,
    /// Heard while the room is away.
    pub(super) comfort: Option<Comfort>,
}

/// What the phone says, on its way into the room.
pub(in crate::calls) struct Publication {
    pub(super) peer: Peer,
    pub(super) connection: ConnectionId,
}

/// A track that is negotiated.
pub(in crate::calls) struct Heard {
    pub(super) part: TrackGraph,
    pub(super) peer: Peer,
    pub(super) connection: ConnectionId,
}

/// Whatever it does may wait for a streaming thread; never lock it on the runtime's threads.
pub(super) type Shared = Arc<Mutex<CallGraph>>;

type Events = mpsc::UnboundedReceiver<PeerEvent>;

/// Builds the call's graph and publishes what the phone says.
pub(super) async fn open(
    session: Arc<dyn Session>,
    means: Means,
    visit: u64,
    report: Report,
) -> Result<(Media, Publication), StayError> {
    let news = forward(&report, Inside::Graph);
    let made = spawn_blocking(move || {
        let graph = CallGraph::new(means.graph, &means.call, news)?;
        let (peer, events) = Peer::new(&graph.publisher()?, means.peer)?;
        graph.start()?;
        Ok::<_, StayError>((graph, peer, events))
    });
    let (graph, peer, events) = made.await??;
    let media = Media {
        slots: graph.slots(),
        muted: graph.muted(),
        comfort: graph.comfort(),
        graph: Arc::new(Mutex::new(graph)),
    };
    let publication = publish(session, peer, events, visit, &report).await?;
    Ok((media, publication))
}

/// Publishes what the phone says once more, by a new connection, once `cleared` is done.
pub(super) async fn reopen(
    session: Arc<dyn Session>,
    graph: Shared,
    config: PeerConfig,
    cleared: Option<JoinHandle<Result<(), GraphError>>>,
    visit: u64,
    report: Report,
) -> Result<Publication, StayError> {
    if let Some(cleared) = cleared {
        cleared.await??;
    }
    let made = spawn_blocking(move || {
        let mut graph = lock(&graph);
        let publisher = graph.renew_publisher()?;
        let config = PeerConfig {
            ssrc: graph.ssrc(),
            ..config
        };
        let made = Peer::new(&publisher, config)?;
        graph.start_publisher()?;
        Ok::<_, StayError>(made)
    });
    let (peer, events) = made.await??;
    publish(session, peer, events, visit, &report).await
}

async fn publish(
    session: Arc<dyn Session>,
    peer: Peer,
    events: Events,
    visit: u64,
    report: &Report,
) -> Result<Publication, StayError> {
    pass_on(events, report, move |event| Inside::Publisher(visit, event));
    let offer = peer.create_offer().await?;
    let published = session.publish(MediaKind::Audio, &offer).await?;
    peer.accept_answer(&published.answer).await?;
    Ok(Publication {
        peer,
        connection: published.connection,
    })
}

/// Subscribes to a track and mixes it in.
pub(super) async fn hear(
    session: Arc<dyn Session>,
    graph: Shared,
    config: PeerConfig,
    track: &TrackId,
    visit: u64,
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
        move |event| Inside::Track(visit, track.clone(), event)
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
) -> Result<(TrackGraph, Peer, Events), StayError> {
    let part = graph.add_track()?;
    let begun = Peer::new(&part.connection, config)
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

/// Takes everything a visit to the room had out of the graph.
pub(super) fn clear(
    graph: &Shared,
    publication: Option<Publication>,
    heard: Vec<Heard>,
) -> Result<(), GraphError> {
    // Shuts its gate.
    drop(publication);
    let mut graph = lock(graph);
    for heard in heard {
        drop(heard.peer);
        graph.remove_track(heard.part);
    }
    graph.drop_publisher()
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

pub(super) fn lock(graph: &Shared) -> MutexGuard<'_, CallGraph> {
    graph.lock().unwrap_or_else(PoisonError::into_inner)
}
