// SPDX-License-Identifier: MPL-2.0
//! One participant's stay in a room that the operator's server lets us into.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use super::callout::Caller;
use super::message::{ATTRIBUTES, Agreed, DATA, Request, Who};
use super::news::{Follower, begin};
use super::roster::Roster;
use crate::plain::Description;
use crate::sfu::data::DataForm;
use crate::sfu::{
    BoxFuture, Candidate, ConnectionId, Data, Joined, Negotiation, Participant, ParticipantId,
    Published, Session, SfuError, Subscription, TrackId,
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
        let me = who.id.clone();
        let joined = enter(&asking, &room, who).await;
        let is_there = joined.as_ref().err().is_some_and(may_be_there);
        // Nobody waits any more: what it is drops here, and leaves.
        drop(done.send(joined));
        if is_there {
            say_goodbye(&asking, &room, &me).await;
        }
    });
    match joined.await {
        Ok(joined) => joined,
        Err(_) => Err(caller.nonsense("join", "the answer was given up")),
    }
}

/// Whether somebody who was not let in is there all the same, as far as the server knows.
fn may_be_there(error: &SfuError) -> bool {
    matches!(error, SfuError::Timeout { .. } | SfuError::Nonsense { .. })
}

async fn enter(caller: &Arc<Caller>, room: &str, who: Participant) -> Result<Joined, SfuError> {
    let request = Request::new("join", room, Who::whole(&who));
    let answer = caller.open(&request).await?;
    let (first, lines) = begin(caller, answer).await?;
    let me = first.participant.clone().unwrap_or(who.id);
    let stay = Stay {
        me,
        caller: caller.clone(),
        room: room.to_owned(),
        roster: Arc::default(),
        present: Mutex::default(),
    };
    let (sender, events) = mpsc::unbounded_channel();
    let follower = Follower {
        me: stay.me.clone(),
        roster: stay.roster.clone(),
        events: sender,
    };
    let following = tokio::spawn(follower.follow(first, lines));
    *stay.present() = Some(following.abort_handle());
    Ok(Joined {
        session: Arc::new(stay),
        events,
    })
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
            track,
            ..Request::new(action, &self.room, Who::Id(&self.me))
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

    /// Leaves, if that was not done before. It goes on if nobody waits for it.
    fn begin_to_leave(&self) -> Option<JoinHandle<()>> {
        self.present().take()?.abort();
        // Without a runtime the process ends, and with it all connections.
        let runtime = Handle::try_current().ok()?;
        let (caller, room, me) = (self.caller.clone(), self.room.clone(), self.me.clone());
        Some(runtime.spawn(async move { say_goodbye(&caller, &room, &me).await }))
    }
}

async fn say_goodbye(caller: &Caller, room: &str, me: &str) {
    let request = Request::new("leave", room, Who::Id(me));
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

    fn send<'a>(&'a self, data: &'a Data) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let form = DataForm::of(data).ok_or_else(|| SfuError::Unsupported {
                sfu: self.caller.sfu(),
                what: "carry a message that is no text",
            })?;
            let request = Request {
                data: Some(form),
                ..self.request(DATA, None)
            };
            self.caller.tell(&request).await
        })
    }

    fn change_attributes<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async move {
            let request = Request {
                attributes: Some(attributes),
                ..self.request(ATTRIBUTES, None)
            };
            self.caller.tell(&request).await
        })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        let leaving = self.begin_to_leave();
        Box::pin(async move {
            if let Some(leaving) = leaving {
                // It goes on without us where it breaks down.
                let _ = leaving.await;
            }
        })
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        // It goes on by itself.
        drop(self.begin_to_leave());
    }
}
