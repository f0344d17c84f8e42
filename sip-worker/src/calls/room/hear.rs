// SPDX-License-Identifier: MPL-2.0
//! How a track comes to be heard: subscribed to, connected, mixed in.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::calls::graph::{RoomGraph, TrackGraph};
use crate::calls::stay::StayError;
use crate::link::Peer;
use crate::sfu::{ConnectionId, Negotiation, Session, SfuError, Subscription, TrackId};
use crate::webrtc::{PeerConfig, PeerEvent};

/// A track that is negotiated.
pub(super) struct Heard {
    pub(super) part: TrackGraph,
    pub(super) peer: Peer,
    pub(super) connection: ConnectionId,
}

/// Whether what could not be heard for this reason may be heard if it is asked for a little later.
pub(super) fn may_pass(error: &StayError) -> bool {
    match error {
        StayError::Sfu(error) => !matches!(
            error,
            SfuError::NoSuchTrack { .. }
                | SfuError::NoSuchRoom { .. }
                | SfuError::Forbidden { .. }
                | SfuError::Unsupported { .. }
        ),
        error => error.may_pass(),
    }
}

pub(super) type Events = mpsc::UnboundedReceiver<PeerEvent>;

/// Subscribes to a track and mixes it in, whichever side offers.
pub(super) async fn hear(
    session: Arc<dyn Session>,
    graph: Arc<RoomGraph>,
    config: PeerConfig,
    track: &TrackId,
) -> Result<(Heard, Events), StayError> {
    let config = config.with_stun(session.stun());
    match subscribe(&session, &graph, config.clone(), track).await {
        // By now it has an offer for us.
        Err(StayError::Sfu(SfuError::OffersItself { .. })) => {
            subscribe(&session, &graph, config, track).await
        }
        heard => heard,
    }
}

async fn subscribe(
    session: &Arc<dyn Session>,
    graph: &Arc<RoomGraph>,
    config: PeerConfig,
    track: &TrackId,
) -> Result<(Heard, Events), StayError> {
    let Subscription {
        connection,
        negotiation,
        ..
    } = session.subscribe(track).await?;
    let made = spawn_blocking({
        let graph = graph.clone();
        move || begin(&graph, config)
    });
    let (part, peer, events) = match made.await.map_err(StayError::from).flatten() {
        Ok(made) => made,
        Err(error) => {
            // It is this side that fails.
            let _ = session.close(&connection).await;
            return Err(error);
        }
    };
    let negotiated = negotiate(&**session, &connection, negotiation, &peer).await;
    let heard = Heard {
        part,
        peer,
        connection,
    };
    match negotiated {
        Ok(()) => Ok((heard, events)),
        Err(error) => {
            release(heard, Some(session.clone()), graph.clone()).await;
            Err(error)
        }
    }
}

async fn negotiate(
    session: &dyn Session,
    connection: &ConnectionId,
    negotiation: Negotiation,
    peer: &Peer,
) -> Result<(), StayError> {
    match negotiation {
        Negotiation::Offered(offer) => {
            let answer = peer.answer(&offer).await?;
            session.answer(connection, &answer).await?;
        }
        Negotiation::OfferWanted => {
            let offer = peer.create_offer_to_hear().await?;
            let answer = session.offer(connection, &offer).await?;
            peer.accept_answer(&answer).await?;
        }
    }
    Ok(())
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
