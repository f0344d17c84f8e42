// SPDX-License-Identifier: MPL-2.0
//! One participant's stay: a session of WHIP, and one of WHEP for each endpoint that is heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use url::Url;

use super::hearing::{Heard, owner, track};
use super::resource::{Begun, Post, Resource, begin};
use super::template::Values;
use super::{Presence, Server, lock};
use crate::sfu::{
    BoxFuture, Candidate, ConnectionId, Data, Joined, Participant, ParticipantId, Published,
    Session, SfuError, SfuEvent, Subscription, TrackId,
};

/// The connection by which a participant speaks.
const SPEAKS: &str = "whip";

/// Enters a room, as far as there is anything to enter: nothing is asked of the server before there is an offer.
pub(super) fn join(
    server: Arc<Server>,
    endpoint: Url,
    values: Values,
    presence: Presence,
) -> Joined {
    let (events, receiver) = mpsc::unbounded_channel();
    for (number, template) in server.config.whep.iter().enumerate() {
        let who = Participant {
            id: owner(number).0,
            name: template.to_string(),
            ..Participant::default()
        };
        // The receiver is here.
        let _ = events.send(SfuEvent::ParticipantJoined(who));
        let _ = events.send(SfuEvent::TrackAdded(track(number)));
    }
    let shared = Shared {
        server,
        values,
        endpoint,
        inside: Mutex::new(Inside {
            events: Some(events),
            presence: Some(presence),
            ..Inside::default()
        }),
    };
    Joined {
        session: Arc::new(WhipSession {
            shared: Arc::new(shared),
        }),
        events: receiver,
    }
}

struct WhipSession {
    shared: Arc<Shared>,
}

/// What a stay and those who look after its sessions know of it.
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) values: Values,
    /// Where it speaks.
    endpoint: Url,
    pub(super) inside: Mutex<Inside>,
}

#[derive(Default)]
pub(super) struct Inside {
    /// Gone once it left, or was lost.
    pub(super) events: Option<mpsc::UnboundedSender<SfuEvent>>,
    pub(super) spoken: Option<Looked>,
    pub(super) heard: BTreeMap<ConnectionId, Heard>,
    /// What servers offered in the place of our offers, by endpoint.
    pub(super) offered: BTreeMap<usize, (Arc<Resource>, String)>,
    /// Endpoints that are about to be tried again.
    pub(super) retried: BTreeSet<usize>,
    pub(super) made: u64,
    pub(super) tasks: JoinSet<()>,
    /// Gone once it left.
    pub(super) presence: Option<Presence>,
}

/// A session that is looked after.
pub(super) struct Looked {
    pub(super) resource: Arc<Resource>,
    pub(super) watch: AbortHandle,
}

impl Shared {
    pub(super) fn no_such_track(&self, track: &str) -> SfuError {
        SfuError::NoSuchTrack {
            sfu: self.server.config.name.clone(),
            track: track.to_owned(),
        }
    }

    fn unsupported<'a>(&self, what: &'static str) -> BoxFuture<'a, Result<(), SfuError>> {
        let sfu = self.server.config.name.clone();
        Box::pin(async move { Err(SfuError::Unsupported { sfu, what }) })
    }

    pub(super) fn left(&self) -> SfuError {
        SfuError::Lost {
            sfu: self.server.config.name.clone(),
            reason: "we left the room".to_owned(),
        }
    }

    async fn speak(self: &Arc<Self>, offer: &str) -> Result<Published, SfuError> {
        let post = Post {
            endpoint: self.endpoint.clone(),
            room: self.values.room.clone(),
            request: "whip",
            offer: Some(offer.to_owned()),
        };
        let (resource, answer) = match begin(&self.server, post).await? {
            Begun::Answered(resource, answer) => (resource, answer),
            // RFC 9725 knows no such thing.
            Begun::Offered(..) | Begun::NotAcceptable => {
                return Err(SfuError::Refused {
                    sfu: self.server.config.name.clone(),
                    request: "whip",
                    code: 406,
                    reason: "406 Not Acceptable".to_owned(),
                });
            }
        };
        let mut inside = lock(&self.inside);
        if inside.events.is_none() {
            return Err(self.left());
        }
        let shared = Arc::downgrade(self);
        let watched = resource.clone();
        let watch = inside.spawn(async move {
            let reason = watched.lost().await;
            if let Some(shared) = shared.upgrade() {
                shared.lose(reason);
            }
        });
        inside.spoken = Some(Looked { resource, watch });
        Ok(Published {
            connection: ConnectionId(SPEAKS.to_owned()),
            answer,
        })
    }

    /// The stay is over: the events end with this.
    fn lose(&self, reason: String) {
        let events = lock(&self.inside).events.take();
        if let Some(events) = events {
            // Nobody may follow them any more.
            let _ = events.send(SfuEvent::Lost(reason));
        }
    }

    /// Forgets a connection, and returns its session.
    fn forget(self: &Arc<Self>, connection: &ConnectionId) -> Option<Looked> {
        if connection.0 == SPEAKS {
            return lock(&self.inside).spoken.take();
        }
        let heard = lock(&self.inside).heard.remove(connection)?;
        self.retry(heard.number);
        heard.session
    }

    fn session_of(&self, connection: &ConnectionId) -> Result<Arc<Resource>, SfuError> {
        let inside = lock(&self.inside);
        let looked = match connection.0.as_str() {
            SPEAKS => inside.spoken.as_ref(),
            _ => inside
                .heard
                .get(connection)
                .and_then(|heard| heard.session.as_ref()),
        };
        let looked = looked.ok_or_else(|| self.no_such_track(&connection.0))?;
        Ok(looked.resource.clone())
    }
}

impl Inside {
    /// Looks after something for as long as the stay lasts.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        // What is done is not kept until then.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task)
    }

    /// In the place of a watch, where there is nothing to look after yet.
    pub(super) fn idle(&mut self) -> AbortHandle {
        self.spawn(async {})
    }

    /// All sessions; nothing happens here any more.
    fn close(&mut self) -> Vec<Arc<Resource>> {
        (self.events, self.presence) = (None, None);
        self.tasks.abort_all();
        let heard = std::mem::take(&mut self.heard).into_values();
        let offered = std::mem::take(&mut self.offered).into_values();
        let looked = self.spoken.take().into_iter();
        looked
            .chain(heard.filter_map(|heard| heard.session))
            .map(|looked| looked.resource)
            .chain(offered.map(|(resource, _)| resource))
            .collect()
    }
}

impl Session for WhipSession {
    fn me(&self) -> ParticipantId {
        ParticipantId(self.shared.values.participant.clone())
    }

    fn stun(&self) -> Option<String> {
        lock(&self.shared.server.stun).clone()
    }

    fn publish<'a>(&'a self, offer: &'a str) -> BoxFuture<'a, Result<Published, SfuError>> {
        Box::pin(async move { self.shared.speak(offer).await })
    }

    fn subscribe<'a>(
        &'a self,
        track: &'a TrackId,
    ) -> BoxFuture<'a, Result<Subscription, SfuError>> {
        Box::pin(async move {
            let number = self.shared.number(track)?;
            let subscribed = self.shared.subscribe(number);
            if subscribed.is_err() {
                self.shared.retry(number);
            }
            subscribed
        })
    }

    fn answer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let resource = self.shared.session_of(connection)?;
            resource.answer(&self.shared.values.room, answer).await?;
            self.shared.heard(connection, resource)
        })
    }

    fn offer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        offer: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>> {
        Box::pin(self.shared.hear(connection, offer))
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            if let Some(looked) = self.shared.forget(connection) {
                looked.watch.abort();
                looked.resource.end().await;
            }
            Ok(())
        })
    }

    fn trickle<'a>(
        &'a self,
        connection: &'a ConnectionId,
        candidate: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let resource = self.shared.session_of(connection)?;
            resource.trickle(&self.shared.values.room, candidate).await
        })
    }

    /// Nothing: a phone that is muted sends silence, and there is no word for it in WHIP.
    fn mute<'a>(&'a self, _: &'a ConnectionId, _: bool) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async { Ok(()) })
    }

    fn send<'a>(&'a self, _: &'a Data) -> BoxFuture<'a, Result<(), SfuError>> {
        self.shared
            .unsupported("carry data: WHIP and WHEP have no word for it")
    }

    fn change_attributes<'a>(
        &'a self,
        _: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        self.shared
            .unsupported("tell attributes: WHIP and WHEP have no word for them")
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        let sessions = lock(&self.shared.inside).close();
        Box::pin(async move {
            let mut ending = JoinSet::new();
            for session in sessions {
                ending.spawn(async move { session.end().await });
            }
            while ending.join_next().await.is_some() {}
        })
    }
}

impl Drop for WhipSession {
    fn drop(&mut self) {
        // Each session ends with its resource.
        drop(lock(&self.shared.inside).close());
    }
}
