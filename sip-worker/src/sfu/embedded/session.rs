// SPDX-License-Identifier: MPL-2.0
//! One participant's stay in a room of ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::EmbeddedConfig;
use super::exchange::Exchange;
use super::link::Restart;
use super::rooms::MemberId;
use super::task::Asker;
use crate::sfu::{
    BoxFuture, Candidate, ConnectionId, Data, ParticipantId, Published, Session, SfuError,
    Subscription, TrackId,
};

/// A stay. Leaves when dropped.
pub struct Stay {
    pub(super) config: Arc<EmbeddedConfig>,
    pub(super) desk: Asker,
    pub(super) member: MemberId,
    pub(super) me: ParticipantId,
}

impl Stay {
    /// Answers an offer to hear whoever is in the room, on as many lines as it has.
    pub(crate) async fn listen(&self, offer: &str) -> Result<Published, SfuError> {
        let (member, offer) = (self.member, offer.to_owned());
        self.ask(move |exchange, now| exchange.listen(now, member, &offer))
            .await
    }

    /// Begins ICE anew on a connection, with what the far end says of itself. Returns what we say.
    pub(crate) async fn restart(
        &self,
        connection: &ConnectionId,
        restart: Restart,
    ) -> Result<Restart, SfuError> {
        let (member, connection) = (self.member, connection.clone());
        self.ask(move |exchange, now| exchange.restart(now, member, &connection, restart))
            .await
    }

    /// Whether a connection is there (still). Where it is, its end is told from now on.
    pub(crate) async fn has(&self, connection: &ConnectionId) -> bool {
        let (member, connection) = (self.member, connection.clone());
        let asked = self
            .desk
            .ask(move |exchange, _| exchange.has(member, &connection));
        asked.await.unwrap_or(false)
    }

    async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Exchange, Instant) -> Result<T, SfuError> + Send + 'static,
    ) -> Result<T, SfuError> {
        let asked = self.desk.ask(request).await;
        asked.unwrap_or_else(|| Err(self.config.gone()))
    }
}

impl Session for Stay {
    fn me(&self) -> ParticipantId {
        self.me.clone()
    }

    fn publish<'a>(&'a self, offer: &'a str) -> BoxFuture<'a, Result<Published, SfuError>> {
        let (member, offer) = (self.member, offer.to_owned());
        Box::pin(async move {
            self.ask(move |exchange, now| exchange.publish(now, member, &offer))
                .await
        })
    }

    fn subscribe<'a>(
        &'a self,
        track: &'a TrackId,
    ) -> BoxFuture<'a, Result<Subscription, SfuError>> {
        let (member, track) = (self.member, track.clone());
        Box::pin(self.ask(move |exchange, now| exchange.subscribe(now, member, &track)))
    }

    fn answer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        let (member, connection, answer) = (self.member, connection.clone(), answer.to_owned());
        Box::pin(
            self.ask(move |exchange, now| exchange.answered(now, member, &connection, &answer)),
        )
    }

    fn offer<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>> {
        Box::pin(async move {
            Err(SfuError::Unsupported {
                sfu: self.config.name.clone(),
                what: "be offered a subscription; it offers",
            })
        })
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>> {
        let (member, connection) = (self.member, connection.clone());
        Box::pin(self.ask(move |exchange, now| exchange.closed(now, member, &connection)))
    }

    fn trickle<'a>(
        &'a self,
        connection: &'a ConnectionId,
        candidate: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        let (member, connection, candidate) = (self.member, connection.clone(), candidate.cloned());
        Box::pin(async move {
            // That there are no more is nothing to one who makes no checks.
            let Some(candidate) = candidate else {
                return Ok(());
            };
            self.ask(move |exchange, now| exchange.trickled(now, member, &connection, &candidate))
                .await
        })
    }

    fn mute<'a>(
        &'a self,
        connection: &'a ConnectionId,
        muted: bool,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        let (member, connection) = (self.member, connection.clone());
        Box::pin(self.ask(move |exchange, now| exchange.muted(now, member, &connection, muted)))
    }

    fn send<'a>(&'a self, data: &'a Data) -> BoxFuture<'a, Result<(), SfuError>> {
        let (member, data) = (self.member, data.clone());
        Box::pin(self.ask(move |exchange, _| exchange.rooms.send(member, &data)))
    }

    fn change_attributes<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        let (member, attributes) = (self.member, attributes.clone());
        Box::pin(self.ask(move |exchange, _| exchange.rooms.change_attributes(member, attributes)))
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        let member = self.member;
        Box::pin(async move {
            let left = self
                .desk
                .ask(move |exchange, now| exchange.leave(now, member));
            // An SFU that is gone has forgotten us.
            let _ = left.await;
        })
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let member = self.member;
        self.desk
            .tell(move |exchange, now| exchange.leave(now, member));
    }
}
