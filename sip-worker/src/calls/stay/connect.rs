// SPDX-License-Identifier: MPL-2.0
//! How a stay's connections come about: each as a task that reports what came of it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::{Inside, Report};
use crate::calls::ending::Ending;
use crate::calls::graph::{CallGraph, Comfort, GraphError, RoomGraph};
use crate::link::Peer;
use crate::sfu::{ConnectionId, Session, SfuError};
use crate::webrtc::{PeerConfig, PeerError, PeerEvent};

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
}

impl StayError {
    /// Is it of the SFU or the way there, so that another attempt may fare better?
    pub(in crate::calls) fn may_pass(&self) -> bool {
        matches!(self, StayError::Sfu(_) | StayError::Peer(_))
    }
}

impl From<StayError> for Ending {
    fn from(error: StayError) -> Ending {
        match error {
            StayError::Sfu(error) => error.into(),
            StayError::Graph(GraphError::Full { .. }) => Ending::new(503, error.to_string()),
            StayError::Graph(_) | StayError::Thread(_) => Ending::new(500, error.to_string()),
            StayError::Peer(_) => Ending::new(503, error.to_string()),
        }
    }
}

/// A call's media, which outlasts what it has in the room.
#[derive(Clone)]
pub(in crate::calls) struct Media {
    pub(super) graph: Shared,
    pub(super) muted: Arc<AtomicBool>,
}

/// What the phone says, on its way into the room.
pub(in crate::calls) struct Publication {
    pub(super) peer: Peer,
    pub(super) connection: ConnectionId,
}

/// Whatever it does may wait for a streaming thread; never lock it on the runtime's threads.
pub(super) type Shared = Arc<Mutex<CallGraph>>;

type Events = mpsc::UnboundedReceiver<PeerEvent>;

/// What a call's media bring to its room's: the graph, how many tracks it can hear at once, and what is heard
/// while the room is away.
pub(in crate::calls) type Part = (Arc<RoomGraph>, usize, Option<Comfort>);

/// Builds the call's part of the graph and publishes what the phone says.
pub(super) async fn open(
    session: Arc<dyn Session>,
    room: impl FnOnce() -> Result<Arc<RoomGraph>, GraphError> + Send + 'static,
    config: PeerConfig,
    call: String,
    report: Report,
) -> Result<(Media, Part, Publication), StayError> {
    let news = forward(&report, Inside::Graph);
    let config = config.with_stun(session.stun());
    let made = spawn_blocking(move || {
        let room = room()?;
        let graph = CallGraph::new(room.clone(), &call, news)?;
        let (peer, events) = Peer::new(&graph.publisher()?, config)?;
        graph.start()?;
        let part = (room.clone(), room.slots(), room.comfort());
        Ok::<_, StayError>((graph, part, peer, events))
    });
    let (graph, part, peer, events) = made.await??;
    let media = Media {
        muted: graph.muted(),
        graph: Arc::new(Mutex::new(graph)),
    };
    let publication = publish(session, peer, events, 0, &report).await?;
    Ok((media, part, publication))
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
    let config = config.with_stun(session.stun());
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
    let published = session.publish(&offer).await?;
    peer.accept_answer(&published.answer).await?;
    Ok(Publication {
        peer,
        connection: published.connection,
    })
}

/// Takes what a visit to the room published out of the graph.
pub(super) fn clear(graph: &Shared, publication: Option<Publication>) -> Result<(), GraphError> {
    // Shuts its gate.
    drop(publication);
    lock(graph).drop_publisher()
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
