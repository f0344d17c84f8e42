// SPDX-License-Identifier: MPL-2.0
//! What happens in a room, told from what happens to a participant's handles.

use std::sync::{Arc, Weak};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::connection::Handle;
use super::message::HandleEvent;
use super::rooms::Server;
use super::roster::Roster;
use super::session::subscriber_body;
use crate::sfu::{ConnectionId, ParticipantId, SfuError, SfuEvent};

/// Follows a room for as long as the stay lasts, and holds nothing of it.
pub(super) struct Follower {
    pub(super) roster: Roster,
    pub(super) server: Weak<Server>,
    /// Our own handle, by its number.
    pub(super) publisher: (u64, Weak<Handle>),
    pub(super) room: String,
    pub(super) me: ParticipantId,
    /// Links our subscriptions to us where the room wants that.
    pub(super) private_id: Value,
}

impl Follower {
    pub(super) async fn follow(
        mut self,
        mut handle_events: mpsc::UnboundedReceiver<(u64, HandleEvent)>,
        events: mpsc::UnboundedSender<SfuEvent>,
    ) {
        while let Some((handle, event)) = handle_events.recv().await {
            for change in self.changes(handle, event).await {
                let last = matches!(change, SfuEvent::Lost(_) | SfuEvent::Expelled(_));
                if events.send(change).is_err() || last {
                    return;
                }
            }
        }
    }

    async fn changes(&mut self, handle: u64, event: HandleEvent) -> Vec<SfuEvent> {
        let connection = ConnectionId(handle.to_string());
        let is_ours = handle == self.publisher.0;
        match event {
            HandleEvent::Plugin { data, sdp: None } if is_ours => self.roster.apply(&data),
            HandleEvent::Plugin {
                sdp: Some(offer), ..
            } => {
                vec![SfuEvent::Offer { connection, offer }]
            }
            HandleEvent::Candidate(Some(candidate)) => vec![SfuEvent::Candidate {
                connection,
                candidate,
            }],
            HandleEvent::Hangup(reason) => vec![SfuEvent::ConnectionClosed { connection, reason }],
            HandleEvent::Detached if is_ours => {
                vec![SfuEvent::Lost("the SFU took us out of the room".to_owned())]
            }
            HandleEvent::Claimed if is_ours => {
                let missed = self.missed().await;
                missed.unwrap_or_else(|error| vec![SfuEvent::Lost(error.to_string())])
            }
            HandleEvent::Plugin { .. }
            | HandleEvent::Candidate(None)
            | HandleEvent::Detached
            | HandleEvent::Claimed => Vec::new(),
            HandleEvent::Lost(reason) => vec![SfuEvent::Lost(reason)],
        }
    }

    /// What happened while the connection was broken.
    async fn missed(&mut self) -> Result<Vec<SfuEvent>, SfuError> {
        let handles = self.server.upgrade().zip(self.publisher.1.upgrade());
        let Some((server, publisher)) = handles else {
            // We left, and follow no more.
            return Ok(Vec::new());
        };
        let body = json!({"room": server.room_id(&self.room)?});
        let list = publisher.message("listparticipants", body, None).await?;
        let Some((mut changes, unknown)) = self.roster.resume(&self.me, &list.data) else {
            return Err(SfuError::Lost {
                sfu: server.config().name.clone(),
                reason: "we are not in the room any more".to_owned(),
            });
        };
        for feed in unknown {
            match self.published(&server, &feed).await {
                Ok(publisher) => changes.extend(self.roster.apply(&publisher)),
                // They may have stopped meanwhile, which will be told.
                Err(error) => tracing::debug!(%error, "what somebody publishes is not known"),
            }
        }
        Ok(changes)
    }

    /// What this participant publishes, in the words of the plugin's own events. VideoRoom lists it to nobody who is in
    /// the room already; but who asks for all of it is told what that is.
    async fn published(&self, server: &Arc<Server>, feed: &Value) -> Result<Value, SfuError> {
        let (events, _) = mpsc::unbounded_channel();
        // Let go of again, when it drops.
        let asking = server.connection().attach(events).await?;
        let all = json!([{"feed": feed}]);
        let body = subscriber_body(server, &self.room, &self.private_id, all)?;
        let reply = asking.message("join", body, None).await?;
        let streams = reply.data["streams"].as_array().into_iter().flatten();
        let streams: Vec<Value> = streams
            .map(|stream| json!({"type": stream["type"], "mid": stream["feed_mid"]}))
            .collect();
        Ok(json!({"publishers": [{"id": feed, "streams": streams}]}))
    }
}
