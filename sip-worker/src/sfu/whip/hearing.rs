// SPDX-License-Identifier: MPL-2.0
//! The hearing half of a stay: a session of WHEP for each endpoint that is heard, tried again where it gives nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use url::Url;

use super::resource::{Begun, Post, Resource, begin};
use super::session::{Looked, Shared};
use super::template::Values;
use super::{FIRST_PAUSE, LONGEST_SILENCE, lock};
use crate::sfu::{
    ConnectionId, MediaKind, Negotiation, ParticipantId, SfuError, SfuEvent, Subscription, Track,
    TrackId,
};

/// Who is heard by an endpoint: nobody knows who that is. No participant is called so.
pub(super) fn owner(number: usize) -> ParticipantId {
    ParticipantId(format!("whep/{number}"))
}

pub(super) fn track(number: usize) -> Track {
    Track {
        id: TrackId(owner(number).0),
        participant: owner(number),
        kind: MediaKind::Audio,
    }
}

/// A connection by which an endpoint is heard, or is about to be.
pub(super) struct Heard {
    pub(super) number: usize,
    /// None until it is negotiated.
    pub(super) session: Option<Looked>,
}

impl Shared {
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

    /// The endpoint that a track is heard by.
    pub(super) fn number(&self, track: &TrackId) -> Result<usize, SfuError> {
        let mut numbers = 0..self.server.config.whep.len();
        let number = numbers.find(|number| owner(*number).0 == track.0);
        number.ok_or_else(|| self.no_such_track(&track.0))
    }

    pub(super) fn subscribe(&self, number: usize) -> Result<Subscription, SfuError> {
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

    pub(super) async fn hear(
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
    pub(super) fn heard(
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
    pub(super) fn retry(self: &Arc<Self>, number: usize) {
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
}
