// SPDX-License-Identifier: MPL-2.0
//! One participant's stay: a session of WHIP, and one of WHEP for each endpoint that is heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use url::Url;

use super::resource::{Begun, Post, Resource, begin};
use super::template::Values;
use super::{FIRST_PAUSE, LONGEST_SILENCE, Presence, Server, lock};
use crate::sfu::{
    BoxFuture, Candidate, ConnectionId, Joined, MediaKind, Negotiation, Participant, ParticipantId,
    Published, Session, SfuError, SfuEvent, Subscription, Track, TrackId,
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

/// Who is heard by an endpoint: nobody knows who that is. No participant is called so.
fn owner(number: usize) -> ParticipantId {
    ParticipantId(format!("whep/{number}"))
}

fn track(number: usize) -> Track {
    Track {
        id: TrackId(owner(number).0),
        participant: owner(number),
        kind: MediaKind::Audio,
    }
}

struct WhipSession {
    shared: Arc<Shared>,
}

struct Shared {
    server: Arc<Server>,
    values: Values,
    /// Where it speaks.
    endpoint: Url,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// Gone once it left, or was lost.
    events: Option<mpsc::UnboundedSender<SfuEvent>>,
    spoken: Option<Looked>,
    heard: BTreeMap<ConnectionId, Heard>,
    /// What servers offered in the place of our offers, by endpoint.
    offered: BTreeMap<usize, (Arc<Resource>, String)>,
    /// Endpoints that are about to be tried again.
    retried: BTreeSet<usize>,
    made: u64,
    tasks: JoinSet<()>,
    /// Gone once it left.
    presence: Option<Presence>,
}

/// A session that is looked after.
struct Looked {
    resource: Arc<Resource>,
    watch: AbortHandle,
}

struct Heard {
    number: usize,
    /// None until it is negotiated.
    session: Option<Looked>,
}

impl Shared {
    fn no_such_track(&self, track: &str) -> SfuError {
        SfuError::NoSuchTrack {
            sfu: self.server.config.name.clone(),
            track: track.to_owned(),
        }
    }

    fn left(&self) -> SfuError {
        SfuError::Lost {
            sfu: self.server.config.name.clone(),
            reason: "we left the room".to_owned(),
        }
    }

    /// Where a track is heard, once that is known.
    fn place(&self, number: usize) -> Result<Url, SfuError> {
        let server = &self.server;
        let template = server.config.whep.get(number);
        let template = template.ok_or_else(|| self.no_such_track(&owner(number).0))?;
        let session = lock(&self.inside)
            .spoken
            .as_ref()
            .map(|spoken| spoken.resource.name());
        if template.wants_session() && session.is_none() {
            return Err(self.no_such_track(&owner(number).0));
        }
        let values = Values {
            session: session.unwrap_or_default(),
            ..self.values.clone()
        };
        server.url(template, &values)
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

    /// The endpoint that a track is heard by.
    fn number(&self, track: &TrackId) -> Result<usize, SfuError> {
        let mut numbers = 0..self.server.config.whep.len();
        let number = numbers.find(|number| owner(*number).0 == track.0);
        number.ok_or_else(|| self.no_such_track(&track.0))
    }

    fn subscribe(&self, number: usize) -> Result<Subscription, SfuError> {
        let place = self.place(number)?;
        self.server.admits(&place)?;
        let mut inside = lock(&self.inside);
        if inside.events.is_none() {
            return Err(self.left());
        }
        inside.made += 1;
        let connection = ConnectionId(format!("whep-{}", inside.made));
        let (session, negotiation) = match inside.offered.remove(&number) {
            Some((resource, offer)) => {
                let looked = Looked {
                    watch: inside.idle(),
                    resource,
                };
                (Some(looked), Negotiation::Offered(offer))
            }
            None => (None, Negotiation::OfferWanted),
        };
        let heard = Heard { number, session };
        inside.heard.insert(connection.clone(), heard);
        Ok(Subscription {
            connection,
            negotiation,
            mid: None,
        })
    }

    async fn hear(
        self: &Arc<Self>,
        connection: &ConnectionId,
        offer: &str,
    ) -> Result<String, SfuError> {
        let number = lock(&self.inside)
            .heard
            .get(connection)
            .map(|heard| heard.number);
        let number = number.ok_or_else(|| self.no_such_track(&connection.0))?;
        let answer = self.ask_to_hear(connection, number, offer).await;
        // Whoever asked for it need not say that they gave it up.
        if answer.is_err() && lock(&self.inside).heard.remove(connection).is_some() {
            self.retry(number);
        }
        answer
    }

    async fn ask_to_hear(
        self: &Arc<Self>,
        connection: &ConnectionId,
        number: usize,
        offer: &str,
    ) -> Result<String, SfuError> {
        let place = self.place(number)?;
        let post = |offer: Option<String>| Post {
            endpoint: place.clone(),
            room: self.values.room.clone(),
            request: "whep",
            offer,
        };
        let mut begun = begin(&self.server, post(Some(offer.to_owned()))).await;
        if let Ok(Begun::NotAcceptable) = begun {
            begun = begin(&self.server, post(None)).await;
        }
        let fared = begun.as_ref().err();
        self.server.fared(&place, fared, LONGEST_SILENCE);
        match begun? {
            Begun::Answered(resource, answer) => {
                self.heard(connection, resource)?;
                Ok(answer)
            }
            Begun::Offered(resource, offer) => {
                let mut inside = lock(&self.inside);
                inside.heard.remove(connection);
                inside.offered.insert(number, (resource, offer));
                Err(SfuError::OffersItself {
                    sfu: self.server.config.name.clone(),
                })
            }
            Begun::NotAcceptable => Err(SfuError::Refused {
                sfu: self.server.config.name.clone(),
                request: "whep",
                code: 406,
                reason: "406 Not Acceptable, with an offer or without".to_owned(),
            }),
        }
    }

    /// A session of WHEP is there: from now on it is looked after.
    fn heard(
        self: &Arc<Self>,
        connection: &ConnectionId,
        resource: Arc<Resource>,
    ) -> Result<(), SfuError> {
        let mut inside = lock(&self.inside);
        if inside.events.is_none() {
            return Err(self.left());
        }
        let (shared, of) = (Arc::downgrade(self), connection.clone());
        let watched = resource.clone();
        let watch = inside.spawn(async move {
            let reason = watched.lost().await;
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let events = lock(&shared.inside).events.clone();
            if let Some(events) = events {
                let closed = SfuEvent::ConnectionClosed {
                    connection: of,
                    reason,
                };
                let _ = events.send(closed);
            }
        });
        match inside.heard.get_mut(connection) {
            Some(heard) => {
                heard.session = Some(Looked { resource, watch });
                Ok(())
            }
            // Closed meanwhile.
            None => {
                watch.abort();
                Err(self.no_such_track(&connection.0))
            }
        }
    }

    /// A track that is not heard any more, or not yet, may be heard later: it is told of once more.
    fn retry(self: &Arc<Self>, number: usize) {
        let place = self.place(number);
        let mut inside = lock(&self.inside);
        if inside.events.is_none() || !inside.retried.insert(number) {
            return;
        }
        let shared = Arc::downgrade(self);
        inside.spawn(async move {
            let pause = match (&place, shared.upgrade()) {
                (Ok(place), Some(shared)) => shared.server.rests(place),
                _ => Duration::ZERO,
            };
            // Not all at once.
            sleep(pause + FIRST_PAUSE.mul_f64(rand::random_range(1.0..2.0))).await;
            if let Some(shared) = shared.upgrade() {
                shared.announce(number);
            }
        });
    }

    fn announce(&self, number: usize) {
        let mut inside = lock(&self.inside);
        inside.retried.remove(&number);
        let is_heard = inside.heard.values().any(|heard| heard.number == number);
        let Some(events) = inside.events.as_ref().filter(|_| !is_heard) else {
            return;
        };
        let track = track(number);
        // Whoever follows them asks for it again, or is gone.
        let _ = events.send(SfuEvent::TrackRemoved(track.id.clone()));
        let _ = events.send(SfuEvent::TrackAdded(track));
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
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        // What is done is not kept until then.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task)
    }

    /// In the place of a watch, where there is nothing to look after yet.
    fn idle(&mut self) -> AbortHandle {
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
