// SPDX-License-Identifier: MPL-2.0
//! How a track comes to be heard: subscribed to, connected, mixed in.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::calls::graph::{RoomGraph, TrackGraph};
use crate::calls::stay::StayError;
use crate::sfu::{ConnectionId, Negotiation, Session, TrackId};
use crate::webrtc::{Peer, PeerConfig, PeerEvent};

/// A track that is negotiated.
pub(super) struct Heard {
    pub(super) part: TrackGraph,
    pub(super) peer: Peer,
    pub(super) connection: ConnectionId,
}

pub(super) type Events = mpsc::UnboundedReceiver<PeerEvent>;

/// Subscribes to a track and mixes it in.
pub(super) async fn hear(
    session: Arc<dyn Session>,
    graph: Arc<RoomGraph>,
    config: PeerConfig,
    track: &TrackId,
) -> Result<(Heard, Events), StayError> {
    let subscription = session.subscribe(track).await?;
    let Negotiation::Offered(offer) = subscription.negotiation else {
        return Err(StayError::OfferWanted);
    };
    let made = spawn_blocking({
        let graph = graph.clone();
        move || begin(&graph, config)
    });
    let (part, peer, events) = made.await??;
    let negotiated = async {
        let answer = peer.answer(&offer).await?;
        session.answer(&subscription.connection, &answer).await?;
        Ok::<_, StayError>(())
    };
    let negotiated = negotiated.await;
    let heard = Heard {
        part,
        peer,
        connection: subscription.connection,
    };
    match negotiated {
        Ok(()) => Ok((heard, events)),
        Err(error) => {
            release(heard, Some(session), graph).await;
            Err(error)
        }
    }
}

/// Makes a track's part and its connection, and starts them.
fn begin(graph: &RoomGraph, config: PeerConfig) -> Result<(TrackGraph, Peer, Events), StayError> {
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

/// Takes a track out of the graph, and out of the session that it still belongs to.
pub(super) async fn release(
    heard: Heard,
    session: Option<Arc<dyn Session>>,
    graph: Arc<RoomGraph>,
) {
    if let Some(session) = session {
        // The track may be gone from the SFU already, and this with it.
        let _ = session.close(&heard.connection).await;
    }
    let removed = spawn_blocking(move || {
        drop(heard.peer);
        graph.remove_track(heard.part);
        graph.recalculate_latency();
    });
    if removed.await.is_err() {
        tracing::warn!("a track could not be taken out of a media graph");
    }
}
