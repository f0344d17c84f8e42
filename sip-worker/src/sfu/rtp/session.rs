// SPDX-License-Identifier: MPL-2.0
//! One participant's stay in a room that the operator's server lets us into.
//!
//! Where its answer to `join` goes on, line by line, it says what happens in the room for as long as the stay
//! lasts, and who hears the end of it knows that the other is gone, however that came about.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::callout::{Caller, LONGEST};
use super::message::{Agreed, News, Request, Who};
use super::roster::Roster;
use crate::plain::Description;
use crate::sfu::{
    BoxFuture, Candidate, ConnectionId, Joined, Negotiation, Participant, ParticipantId, Published,
    Session, SfuError, SfuEvent, Subscription, TrackId,
};

const PUBLISHED: &str = "publish";
/// What a subscription's connection is called, before its track.
const HEARD: &str = "hear ";

/// Asks to be let into `room`.
pub(super) async fn join(
    caller: Arc<Caller>,
    room: String,
    who: Participant,
) -> Result<Joined, SfuError> {
    // Whoever gives up waiting for this leaves nobody behind in the room.
    let (done, joined) = oneshot::channel();
    let asking = caller.clone();
    tokio::spawn(async move {
        let joined = enter(asking, room, who).await;
        // Nobody waits any more: what it is drops here, and leaves.
        drop(done.send(joined));
    });
    match joined.await {
        Ok(joined) => joined,
        Err(_) => Err(caller.nonsense("join", "the answer was given up")),
    }
}

async fn enter(caller: Arc<Caller>, room: String, who: Participant) -> Result<Joined, SfuError> {
    let request = Request {
        action: "join",
        room: &room,
        participant: Who::whole(&who),
        track: None,
        media: None,
        muted: None,
    };
    let answer = caller.open(&request).await?;
    let (first, lines) = match begin(&caller, answer).await {
        Ok(begun) => begun,
        Err(error) => {
            // As far as the server knows, we are there.
            say_goodbye(&caller, &room, &who.id).await;
            return Err(error);
        }
    };
    let me = first.participant.clone().unwrap_or(who.id);
    let stay = Stay {
        me,
        caller,
        room,
        roster: Arc::default(),
        present: Mutex::default(),
    };
    let (sender, events) = mpsc::unbounded_channel();
    let follower = Follower {
        me: stay.me.clone(),
        roster: stay.roster.clone(),
        events: sender,
    };
    follower.on(first);
    let following = tokio::spawn(follower.follow(lines));
    *stay.present() = Some(following.abort_handle());
    Ok(Joined {
        session: Arc::new(stay),
        events,
    })
}

/// Reads the answer to `join`, or its first line where there are more to come.
async fn begin(
    caller: &Caller,
    answer: Response<Incoming>,
) -> Result<(News, Option<Lines>), SfuError> {
    let kind = answer.headers().get(CONTENT_TYPE);
    let goes_on = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-ndjson"));
    let nonsense = |why: String| caller.nonsense("join", why);
    let begun = async {
        if !goes_on {
            let body = caller.whole("join", answer).await?;
            let first = serde_json::from_slice(&body);
            return Ok((first.map_err(|why| nonsense(why.to_string()))?, None));
        }
        let mut lines = Lines::of(answer.into_body());
        let first = lines.next().await.map_err(nonsense)?;
        let first = first.ok_or_else(|| nonsense("it has no line".to_owned()))?;
        Ok((first, Some(lines)))
    };
    caller.in_time("join", begun).await
}

/// Reads what happens in the room.
struct Follower {
    me: String,
    roster: Arc<Mutex<Roster>>,
    events: mpsc::UnboundedSender<SfuEvent>,
}

impl Follower {
    async fn follow(self, lines: Option<Lines>) {
        let Some(mut lines) = lines else {
            // Nothing will be told, and the stay lasts until it is left.
            return std::future::pending().await;
        };
        let lost = loop {
            match lines.next().await {
                Ok(Some(news)) => {
                    if !self.on(news) {
                        return;
                    }
                }
                Ok(None) => break "its server ended the stay".to_owned(),
                Err(why) => break why,
            }
        };
        let _ = self.events.send(SfuEvent::Lost(lost));
    }

    /// `false`: it was the last.
    fn on(&self, news: News) -> bool {
        // The receiver may be gone, and the stay about to be.
        let send = |event| drop(self.events.send(event));
        if let Some(present) = news.participants {
            let mut roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
            roster.update(&self.me, present).into_iter().for_each(send);
        }
        if let Some(talking) = news.talking {
            send(SfuEvent::Talking {
                track: TrackId(talking.track),
                talking: talking.talking,
            });
        }
        match news.expelled {
            Some(why) => {
                send(SfuEvent::Expelled(why));
                false
            }
            None => true,
        }
    }
}

/// An answer that goes on, line by line.
struct Lines {
    body: BodyDataStream,
    read: Vec<u8>,
}

impl Lines {
    fn of(body: Incoming) -> Lines {
        Lines {
            body: Body::new(body).into_data_stream(),
            read: Vec::new(),
        }
    }

    /// The next line; empty ones, which keep the connection alive, are passed over.
    async fn next(&mut self) -> Result<Option<News>, String> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let news = serde_json::from_slice(&line);
                return news
                    .map(Some)
                    .map_err(|why| format!("a line is no news: {why}"));
            }
            if self.read.len() > LONGEST {
                return Err("a line has no end".to_owned());
            }
            match self.body.next().await {
                Some(Ok(data)) => self.read.extend_from_slice(&data),
                Some(Err(error)) => return Err(error.to_string()),
                None => return Ok(None),
            }
        }
    }
}

/// A stay. Leaves when dropped.
struct Stay {
    caller: Arc<Caller>,
    room: String,
    me: String,
    roster: Arc<Mutex<Roster>>,
    /// Follows the room, until the stay is left.
    present: Mutex<Option<AbortHandle>>,
}

impl Stay {
    fn present(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request<'a>(&'a self, action: &'static str, track: Option<&'a str>) -> Request<'a> {
        Request {
            action,
            room: &self.room,
            participant: Who::Id(&self.me),
            track,
            media: None,
            muted: None,
        }
    }

    /// Says where we are, and learns where the SFU is.
    async fn agree(
        &self,
        action: &'static str,
        track: Option<&str>,
        offer: &str,
    ) -> Result<String, SfuError> {
        let mut ours = Description::read(offer).map_err(|_| SfuError::Unsupported {
            sfu: self.caller.sfu(),
            what: "be reached by another graph than one of plain RTP, such as room-rtp",
        })?;
        if ours.address.is_unspecified() {
            ours.address = self.caller.local(ours.address).await?;
        }
        let request = Request {
            media: Some(ours.clone().into()),
            ..self.request(action, track)
        };
        let agreed: Agreed = self.caller.ask(&request).await?;
        let theirs = agreed.media.described(&ours);
        let theirs = theirs.map_err(|why| self.caller.nonsense(action, why))?;
        Ok(theirs.write())
    }

    fn track_of<'a>(&self, connection: &'a ConnectionId) -> Option<&'a str> {
        connection.0.strip_prefix(HEARD)
    }
}

async fn say_goodbye(caller: &Caller, room: &str, me: &str) {
    let request = Request {
        action: "leave",
        room,
        participant: Who::Id(me),
        track: None,
        media: None,
        muted: None,
    };
    // A server that is gone, or has forgotten us, need not be told.
    if let Err(error) = caller.tell(&request).await {
        tracing::debug!(%error, "an SFU was not told that a participant leaves");
    }
}

impl Session for Stay {
    fn me(&self) -> ParticipantId {
        ParticipantId(self.me.clone())
    }

    fn publish<'a>(&'a self, offer: &'a str) -> BoxFuture<'a, Result<Published, SfuError>> {
        Box::pin(async move {
            Ok(Published {
                answer: self.agree("publish", None, offer).await?,
                connection: ConnectionId(PUBLISHED.to_owned()),
            })
        })
    }

    fn subscribe<'a>(
        &'a self,
        track: &'a TrackId,
    ) -> BoxFuture<'a, Result<Subscription, SfuError>> {
        Box::pin(async move {
            let roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
            if !roster.has(track) {
                return Err(SfuError::NoSuchTrack {
                    sfu: self.caller.sfu(),
                    track: track.0.clone(),
                });
            }
            Ok(Subscription {
                connection: ConnectionId(format!("{HEARD}{track}")),
                negotiation: Negotiation::OfferWanted,
                mid: None,
            })
        })
    }

    fn answer<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async {
            Err(SfuError::Unsupported {
                sfu: self.caller.sfu(),
                what: "offer anything",
            })
        })
    }

    fn offer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        offer: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>> {
        Box::pin(async move { self.agree("hear", self.track_of(connection), offer).await })
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let request = match self.track_of(connection) {
                Some(track) => self.request("unhear", Some(track)),
                None => self.request("unpublish", None),
            };
            self.caller.tell(&request).await
        })
    }

    fn trickle<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        // There are none.
        Box::pin(async { Ok(()) })
    }

    fn mute<'a>(&'a self, _: &'a ConnectionId, muted: bool) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let request = Request {
                muted: Some(muted),
                ..self.request("mute", None)
            };
            self.caller.tell(&request).await
        })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        let present = self.present().take();
        Box::pin(async move {
            if let Some(following) = present {
                following.abort();
                say_goodbye(&self.caller, &self.room, &self.me).await;
            }
        })
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let Some(following) = self.present().take() else {
            return;
        };
        following.abort();
        let (caller, room, me) = (self.caller.clone(), self.room.clone(), self.me.clone());
        // Without a runtime the process ends, and with it all connections.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { say_goodbye(&caller, &room, &me).await });
        }
    }
}
