// SPDX-License-Identifier: MPL-2.0
//! One participant's stay in a VideoRoom.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::connection::{Handle, HandleEvents};
use super::follower::Follower;
use super::message::{Reply, code};
use super::rooms::{Server, Stay};
use super::roster::{Roster, feed_and_mid, participant_id};
use crate::sfu::{
    BoxFuture, Candidate, ConnectionId, Data, Joined, Negotiation, Participant, ParticipantId,
    Published, Session, SfuError, Subscription, TrackId,
};

/// Enters a room, making it where that is wanted.
pub(super) async fn join(
    server: Arc<Server>,
    room: &str,
    who: Participant,
) -> Result<Joined, SfuError> {
    let (sender, handle_events) = mpsc::unbounded_channel();
    let publisher = server.connection().attach(sender.clone()).await?;
    let mut stay = server.stay(room);
    let body = join_body(&server, room, &who)?;
    let reply = match publisher.message("join", body.clone(), None).await {
        Err(e) if is_no_such_room(&e) && server.config().room_create => {
            stay = server.create(room).await?;
            publisher.message("join", body, None).await
        }
        reply => reply,
    };
    let reply = reply.map_err(|e| in_room(e, &server, room, &who.id))?;
    if reply.data["videoroom"] != "joined" {
        return Err(nonsense(&server, "join", "it does not say that we joined"));
    }
    let me = participant_id(&reply.data["id"])
        .ok_or_else(|| nonsense(&server, "join", "it does not say who we are"))?;

    let (events, receiver) = mpsc::unbounded_channel();
    let mut roster = Roster::default();
    for change in roster.apply(&reply.data) {
        let _ = events.send(change);
    }
    let publisher = Arc::new(publisher);
    let private_id = reply.data["private_id"].clone();
    let follower = Follower {
        roster,
        server: Arc::downgrade(&server),
        publisher: (publisher.id(), Arc::downgrade(&publisher)),
        room: room.to_owned(),
        me: me.clone(),
        private_id: private_id.clone(),
    };
    tokio::spawn(follower.follow(handle_events, events));
    let session = JanusSession {
        private_id,
        presence: Mutex::new(Some(Presence {
            publisher,
            events: sender,
        })),
        mid: Mutex::default(),
        subscriptions: Mutex::default(),
        room: room.to_owned(),
        me,
        server,
        stay: Mutex::new(Some(stay)),
    };
    Ok(Joined {
        session: Arc::new(session),
        events: receiver,
    })
}

fn join_body(server: &Server, room: &str, who: &Participant) -> Result<Value, SfuError> {
    let mut body = json!({
        "ptype": "publisher",
        "room": server.room_id(room)?,
        "display": who.name,
    });
    // A Janus that numbers its participants chooses the number.
    if server.named() && !who.id.is_empty() {
        body["id"] = who.id.as_str().into();
    }
    // Shown to the others from Janus 1.2 on, and ignored before.
    if !who.attributes.is_empty() {
        body["metadata"] = json!(who.attributes);
    }
    if let Some(pin) = &server.config().pin {
        body["pin"] = pin.expose_secret().into();
    }
    Ok(body)
}

fn is_no_such_room(error: &SfuError) -> bool {
    matches!(error, SfuError::Refused { code, .. } if *code == code::NO_SUCH_ROOM)
}

fn nonsense(server: &Server, request: &'static str, reason: &str) -> SfuError {
    SfuError::Nonsense {
        sfu: server.config().name.clone(),
        request,
        reason: reason.to_owned(),
    }
}

/// What a refusal to join means.
fn in_room(error: SfuError, server: &Server, room: &str, who: &str) -> SfuError {
    let SfuError::Refused { code, reason, .. } = &error else {
        return error;
    };
    let (sfu, room, reason) = (
        server.config().name.clone(),
        room.to_owned(),
        reason.clone(),
    );
    match *code {
        code::NO_SUCH_ROOM => SfuError::NoSuchRoom {
            sfu,
            room,
            detail: String::new(),
        },
        // The room has a PIN and we have none.
        code::MISSING_ELEMENT if reason.contains("pin") => SfuError::Forbidden { sfu, reason },
        code::PUBLISHERS_FULL => SfuError::Full { sfu, room, reason },
        code::ID_EXISTS => SfuError::Taken {
            sfu,
            room,
            participant: who.to_owned(),
        },
        _ => error,
    }
}

/// What `streams` of others are to be subscribed to.
pub(super) fn subscriber_body(
    server: &Server,
    room: &str,
    private_id: &Value,
    streams: Value,
) -> Result<Value, SfuError> {
    let mut body = json!({
        "ptype": "subscriber",
        "room": server.room_id(room)?,
        "streams": streams,
        "private_id": private_id,
    });
    if let Some(pin) = &server.config().pin {
        body["pin"] = pin.expose_secret().into();
    }
    Ok(body)
}

struct JanusSession {
    server: Arc<Server>,
    room: String,
    me: ParticipantId,
    /// Links our subscriptions to us where the room wants that.
    private_id: Value,
    /// Gone once we left.
    presence: Mutex<Option<Presence>>,
    /// `a=mid` of what we publish.
    mid: Mutex<Option<String>>,
    subscriptions: Mutex<HashMap<ConnectionId, Arc<Handle>>>,
    stay: Mutex<Option<Stay>>,
}

#[derive(Clone)]
struct Presence {
    publisher: Arc<Handle>,
    /// Where the events of our handles go.
    events: HandleEvents,
}

impl JanusSession {
    fn lost(&self) -> SfuError {
        SfuError::Lost {
            sfu: self.server.config().name.clone(),
            reason: "we left the room".to_owned(),
        }
    }

    fn no_such_track(&self, track: &str) -> SfuError {
        SfuError::NoSuchTrack {
            sfu: self.server.config().name.clone(),
            track: track.to_owned(),
        }
    }

    fn unsupported<'a>(&self, what: &'static str) -> BoxFuture<'a, Result<(), SfuError>> {
        let sfu = self.server.config().name.clone();
        Box::pin(async move { Err(SfuError::Unsupported { sfu, what }) })
    }

    fn presence(&self) -> Result<Presence, SfuError> {
        lock(&self.presence).clone().ok_or_else(|| self.lost())
    }

    fn handle(&self, connection: &ConnectionId) -> Result<Arc<Handle>, SfuError> {
        let publisher = self.presence()?.publisher;
        if publisher.id().to_string() == connection.0 {
            return Ok(publisher);
        }
        lock(&self.subscriptions)
            .get(connection)
            .cloned()
            .ok_or_else(|| self.no_such_track(&connection.0))
    }

    fn sdp(&self, request: &'static str, reply: Reply) -> Result<String, SfuError> {
        reply.sdp.ok_or_else(|| {
            nonsense(
                &self.server,
                request,
                "no session description in its answer",
            )
        })
    }
}

impl Session for JanusSession {
    fn me(&self) -> ParticipantId {
        self.me.clone()
    }

    fn publish<'a>(&'a self, offer: &'a str) -> BoxFuture<'a, Result<Published, SfuError>> {
        Box::pin(async move {
            let publisher = self.presence()?.publisher;
            let reply = publisher
                .message("publish", json!({}), Some(("offer", offer)))
                .await;
            // A room is full of those who speak, which is seen only now.
            let reply = reply.map_err(|e| in_room(e, &self.server, &self.room, &self.me.0))?;
            let mid = offer.lines().find_map(|line| line.strip_prefix("a=mid:"));
            *lock(&self.mid) = mid.map(str::to_owned);
            Ok(Published {
                connection: ConnectionId(publisher.id().to_string()),
                answer: self.sdp("publish", reply)?,
            })
        })
    }

    fn subscribe<'a>(
        &'a self,
        track: &'a TrackId,
    ) -> BoxFuture<'a, Result<Subscription, SfuError>> {
        Box::pin(async move {
            let gone = || self.no_such_track(&track.0);
            let (feed, mid) = feed_and_mid(track).ok_or_else(gone)?;
            let feed = self.server.id(feed).ok_or_else(gone)?;
            let events = self.presence()?.events;
            let handle = self.server.connection().attach(events).await?;
            let wanted = json!([{"feed": feed, "mid": mid}]);
            let body = subscriber_body(&self.server, &self.room, &self.private_id, wanted)?;
            let reply = handle
                .message("join", body, None)
                .await
                .map_err(|e| match e {
                    SfuError::Refused { code, .. } if code == code::NO_SUCH_FEED => gone(),
                    e => e,
                })?;
            let mid = reply.data["streams"][0]["mid"].as_str().map(str::to_owned);
            let offer = self.sdp("subscribe", reply)?;
            let connection = ConnectionId(handle.id().to_string());
            lock(&self.subscriptions).insert(connection.clone(), Arc::new(handle));
            if lock(&self.presence).is_none() {
                // We left meanwhile.
                lock(&self.subscriptions).clear();
                return Err(self.lost());
            }
            Ok(Subscription {
                connection,
                negotiation: Negotiation::Offered(offer),
                mid,
            })
        })
    }

    fn answer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            self.handle(connection)?
                .message("start", json!({}), Some(("answer", answer)))
                .await
                .map(drop)
        })
    }

    fn offer<'a>(
        &'a self,
        _connection: &'a ConnectionId,
        _offer: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>> {
        Box::pin(async move {
            Err(SfuError::Unsupported {
                sfu: self.server.config().name.clone(),
                what: "be offered a subscription; it offers",
            })
        })
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let subscription = lock(&self.subscriptions).remove(connection);
            match subscription {
                Some(handle) => handle.detach().await,
                None => self
                    .handle(connection)?
                    .message("unpublish", json!({}), None)
                    .await
                    .map(drop),
            }
        })
    }

    fn trickle<'a>(
        &'a self,
        connection: &'a ConnectionId,
        candidate: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let body = match candidate {
                Some(candidate) => json!({
                    "sdpMLineIndex": candidate.mline_index,
                    "sdpMid": candidate.mid,
                    "candidate": candidate.candidate,
                }),
                None => json!({"completed": true}),
            };
            self.handle(connection)?.trickle(body);
            Ok(())
        })
    }

    fn mute<'a>(
        &'a self,
        connection: &'a ConnectionId,
        muted: bool,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let mid = lock(&self.mid).clone();
            let body = json!({"streams": [{"mid": mid, "send": !muted}]});
            self.handle(connection)?
                .message("configure", body, None)
                .await
                .map(drop)
        })
    }

    /// VideoRoom carries data by SCTP alone (RFC 8831), which our connections do not have.
    fn send<'a>(&'a self, _: &'a Data) -> BoxFuture<'a, Result<(), SfuError>> {
        self.unsupported("carry data without data channels")
    }

    fn change_attributes<'a>(
        &'a self,
        _: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        self.unsupported("change attributes once somebody has joined")
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let presence = lock(&self.presence).take();
            let subscriptions = std::mem::take(&mut *lock(&self.subscriptions));
            if let Some(presence) = presence {
                // A Janus that is gone has forgotten us already.
                let _ = presence.publisher.detach().await;
            }
            drop(subscriptions);
            lock(&self.stay).take();
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
