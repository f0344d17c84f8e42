// SPDX-License-Identifier: MPL-2.0
//! Selective forwarding units: one trait, a module for each kind.
//!
//! A connector joins a room as somebody, publishes that somebody's tracks and follows the tracks of
//! the others. Media is described by SDP and carried by whoever asks ([`crate::webrtc::Peer`] for
//! WebRTC, [`crate::plain::Peer`] for RTP without it), so that a connector is signalling alone.
//!
//! Which side offers differs: Janus and LiveKit offer what is subscribed to, WHEP wants an offer.
//! And one connection may carry one track (Janus, as used here) or all of them (LiveKit). Hence
//! [`Subscription`] names the connection, says who offers, and where in it the track is.

pub(crate) mod data;
pub mod embedded;
mod error;
pub mod janus;
pub mod rtp;
#[cfg(test)]
pub(crate) mod testing;
pub mod whip;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gstsipbridge::context::Context;
use tokio::sync::mpsc;

pub use data::{Content, Data, Delivery, LONGEST_MESSAGE};
pub use error::SfuError;

/// What the trait's methods return, so that `dyn Sfu` and `dyn Session` work.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place with rooms.
pub trait Sfu: Send + Sync {
    /// The name it has in the configuration.
    fn name(&self) -> &str;

    /// How long a call stays up, with comfort noise, while the SFU that it is in a room of is away.
    fn outage_patience(&self) -> Duration;

    /// Whether all participants of a room may hear the same tracks. Where not, each has tracks of their own, which
    /// nobody else is to hear.
    fn is_heard_alike(&self) -> bool {
        true
    }

    /// The media thread that all its rooms are on, where that is one of this process.
    fn context(&self) -> Option<Context> {
        None
    }

    /// Is it reachable, now?
    fn check(&self) -> BoxFuture<'_, Result<(), SfuError>>;

    /// Enters `room`. Dropping the future before it is done leaves nothing behind in the room.
    fn join(&self, room: &str, who: Participant) -> BoxFuture<'_, Result<Joined, SfuError>>;
}

/// Somebody in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Participant {
    /// Unique in the room. SFUs that number their participants choose a number themselves.
    pub id: String,
    /// What the others see.
    pub name: String,
    /// `sip.callID`, `sip.phoneNumber` and the like.
    pub attributes: BTreeMap<String, String>,
}

/// What [`Sfu::join`] returns.
pub struct Joined {
    pub session: Arc<dyn Session>,
    /// What happens in the room, beginning with those who are there and their tracks. Ends after
    /// [`SfuEvent::Lost`] or [`SfuEvent::Expelled`], or when the session is left.
    pub events: mpsc::UnboundedReceiver<SfuEvent>,
}

/// One participant's stay in a room. Dropping the last reference leaves the room.
pub trait Session: Send + Sync {
    /// Our own identity, as the SFU knows it.
    fn me(&self) -> ParticipantId;

    /// A server that the SFU names to find our address outside by: `stun://host:port`.
    fn stun(&self) -> Option<String> {
        None
    }

    /// Publishes one track of audio: we have no other. The offer's candidates are complete.
    fn publish<'a>(&'a self, offer: &'a str) -> BoxFuture<'a, Result<Published, SfuError>>;

    /// Asks for another's track.
    fn subscribe<'a>(&'a self, track: &'a TrackId)
    -> BoxFuture<'a, Result<Subscription, SfuError>>;

    /// Answers the SFU's offer of a [`Subscription`].
    fn answer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>>;

    /// Makes the offer that a [`Subscription`] wants. SFUs that always offer refuse it; one that turns out to offer
    /// itself says [`SfuError::OffersItself`], and then has an offer for whoever subscribes again.
    fn offer<'a>(
        &'a self,
        connection: &'a ConnectionId,
        offer: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>>;

    /// Ends a subscription, or takes a published track back.
    fn close<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>>;

    /// Sends a candidate found after the description went out. `None`: there are no more.
    fn trickle<'a>(
        &'a self,
        connection: &'a ConnectionId,
        candidate: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>>;

    /// Tells the SFU that a published track is silent (it need not forward it), or is not any more.
    fn mute<'a>(
        &'a self,
        connection: &'a ConnectionId,
        muted: bool,
    ) -> BoxFuture<'a, Result<(), SfuError>>;

    /// Tells others something. An SFU without a way to do so says [`SfuError::Unsupported`].
    fn send<'a>(&'a self, data: &'a Data) -> BoxFuture<'a, Result<(), SfuError>>;

    /// Changes those of our own [`attributes`](Participant::attributes) that are named; an empty value takes one
    /// away. An SFU in which they stay as they were at joining says [`SfuError::Unsupported`].
    fn change_attributes<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>>;

    /// Leaves, and waits until the SFU has taken note. Idempotent.
    fn leave(&self) -> BoxFuture<'_, ()>;
}

/// What [`Session::publish`] returns.
#[derive(Clone, Debug)]
pub struct Published {
    pub connection: ConnectionId,
    pub answer: String,
}

/// What [`Session::subscribe`] returns.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub connection: ConnectionId,
    pub negotiation: Negotiation,
    /// The `a=mid` of the track in this connection, where several may share one.
    pub mid: Option<String>,
}

/// Whose turn it is to offer.
#[derive(Clone, Debug)]
pub enum Negotiation {
    /// The SFU offers this; [`Session::answer`] it.
    Offered(String),
    /// The SFU wants an offer: [`Session::offer`].
    OfferWanted,
}

/// What happens in a room.
#[derive(Clone, Debug)]
pub enum SfuEvent {
    /// Somebody is there, whether they publish or not.
    ParticipantJoined(Participant),
    ParticipantLeft(ParticipantId),
    /// All attributes that somebody has now.
    AttributesChanged {
        participant: ParticipantId,
        attributes: BTreeMap<String, String>,
    },
    /// Somebody tells us something, or us among others.
    Data {
        /// None: the SFU itself, or a server of its operator's.
        from: Option<ParticipantId>,
        data: Data,
    },
    TrackAdded(Track),
    TrackRemoved(TrackId),
    /// A track carries voice, or does so no longer.
    Talking {
        track: TrackId,
        talking: bool,
    },
    /// Whoever publishes a track withholds it, or does so no longer. One of which nothing is said is not withheld.
    Muted {
        track: TrackId,
        muted: bool,
    },
    /// The SFU found a candidate after its description went out.
    Candidate {
        connection: ConnectionId,
        candidate: Candidate,
    },
    /// The SFU has a new offer for a connection that exists already.
    Offer {
        connection: ConnectionId,
        offer: String,
    },
    /// The SFU has given up one connection; the stay in the room goes on.
    ConnectionClosed {
        connection: ConnectionId,
        reason: String,
    },
    /// The SFU is gone, or has forgotten us: whoever asks again may be let in again. Always last.
    Lost(String),
    /// The stay is over because somebody there wants it to be. Always last.
    Expelled(String),
}

/// A track somebody else publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub id: TrackId,
    pub participant: ParticipantId,
    pub kind: MediaKind,
}

/// A candidate as `RTCIceCandidate` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub mline_index: u32,
    pub mid: Option<String>,
    pub candidate: String,
}

/// The kind of a track. The bridge carries audio; rooms have other kinds, which it must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    Audio,
    Video,
    Data,
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id! {
    /// A participant, by the SFU's own identity.
    ParticipantId
}
opaque_id! {
    /// A track in a room; opaque outside its connector.
    TrackId
}
opaque_id! {
    /// One media connection between us and the SFU; opaque outside its connector.
    ConnectionId
}
