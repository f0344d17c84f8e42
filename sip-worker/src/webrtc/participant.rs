// SPDX-License-Identifier: MPL-2.0
//! Somebody in a room who speaks and listens: the other end of a call, in the demo and in tests.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::ear::Ear;
pub use super::ear::Recording;
use super::mouth::Mouth;
pub use super::mouth::RATE_HZ as MOUTH_HZ;
use super::{Peer, PeerConfig, PeerError, PeerEvent};
use crate::measure::Wave;
use crate::sfu::{
    self, Data, MediaKind, Negotiation, ParticipantId, Session, Sfu, SfuError, SfuEvent, Track,
    TrackId,
};

/// How a participant takes part.
#[derive(Clone, Debug)]
pub struct Options {
    pub peer: PeerConfig,
    /// The rate of what is recorded.
    pub rate_hz: u32,
    /// Publishes a track, silent until something is said.
    pub speaks: bool,
    /// Subscribes to everybody's tracks.
    pub listens: bool,
    /// How long a connection may take.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            peer: PeerConfig::default(),
            rate_hz: 16_000,
            speaks: true,
            listens: true,
            patience: Duration::from_secs(10),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    #[error(transparent)]
    Sfu(#[from] SfuError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("{0}")]
    NotConnected(String),
    #[error("{what} did not happen within {after:?}; the room was {seen}")]
    TooLate {
        what: String,
        after: Duration,
        seen: String,
    },
}

/// Somebody else, as seen from here.
#[derive(Clone, Debug)]
pub struct Presence {
    pub who: sfu::Participant,
    pub joined: Instant,
    pub left: Option<Instant>,
}

/// A track that is or was heard.
#[derive(Clone, Debug)]
pub struct Heard {
    pub track: TrackId,
    pub participant: ParticipantId,
    pub recording: Arc<Recording>,
    /// Connected, and the SFU proved who it is.
    pub connected: bool,
    /// The first of it, be it silence, has been heard.
    pub begun: bool,
    /// Nobody publishes it any more.
    pub removed: bool,
}

/// What a participant has seen of the room.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// In the order of their joining, including those who left.
    pub people: Vec<Presence>,
    pub heard: Vec<Heard>,
    /// What was told, and by whom.
    pub told: Vec<(Option<ParticipantId>, Data)>,
    /// Tracks that are withheld now.
    pub muted: BTreeSet<TrackId>,
    /// Tracks that carried voice at some time.
    pub talked: BTreeSet<TrackId>,
    /// The stay is over, and why.
    pub lost: Option<String>,
    /// What went wrong with single tracks.
    pub troubles: Vec<String>,
}

impl Seen {
    /// The latest presence of that name.
    pub fn person(&self, name: &str) -> Option<&Presence> {
        self.people.iter().rev().find(|p| p.who.name == name)
    }

    /// Is somebody of that name there now?
    pub fn is_here(&self, name: &str) -> bool {
        self.people
            .iter()
            .any(|p| p.who.name == name && p.left.is_none())
    }

    /// The latest track of somebody of that name.
    pub fn heard_of(&self, name: &str) -> Option<&Heard> {
        let of = |p: &&Presence| p.who.name == name;
        let ids: Vec<&str> = self.people.iter().filter(of).map(|p| &*p.who.id).collect();
        let mut tracks = self.heard.iter().rev();
        tracks.find(|h| ids.contains(&&*h.participant.0))
    }

    /// Is what somebody of that name says withheld now?
    pub fn is_muted(&self, name: &str) -> bool {
        let track = self.heard_of(name).map(|heard| &heard.track);
        track.is_some_and(|track| self.muted.contains(track))
    }

    /// Was it ever told that somebody of that name speaks?
    pub fn has_talked(&self, name: &str) -> bool {
        let track = self.heard_of(name).map(|heard| &heard.track);
        track.is_some_and(|track| self.talked.contains(track))
    }
}

/// Somebody in a room. Leaves when dropped.
pub struct RoomParticipant {
    session: Arc<dyn Session>,
    mouth: Option<Mouth>,
    seen: watch::Receiver<Seen>,
    follower: tokio::task::JoinHandle<()>,
}

impl RoomParticipant {
    /// Enters the room; a speaker is connected when this returns.
    pub async fn join(
        sfu: &dyn Sfu,
        room: &str,
        who: sfu::Participant,
        options: Options,
    ) -> Result<RoomParticipant, ParticipantError> {
        let joined = sfu.join(room, who).await?;
        let (sender, seen) = watch::channel(Seen::default());
        let follower = Follower {
            session: joined.session.clone(),
            options: options.clone(),
            seen: Arc::new(sender),
            ears: HashMap::new(),
        };
        // First, so that the room is followed while the mouth connects.
        let mut participant = RoomParticipant {
            session: joined.session,
            mouth: None,
            seen,
            follower: tokio::spawn(follower.follow(joined.events)),
        };
        if options.speaks {
            let (mouth, mut events) = Mouth::open(options.peer.clone()).await?;
            let offer = mouth.peer.create_offer().await?;
            let published = participant.session.publish(&offer).await?;
            mouth.peer.accept_answer(&published.answer).await?;
            connected(&mut events, options.patience).await?;
            participant.mouth = Some(mouth);
        }
        Ok(participant)
    }

    /// Our own identity in the room.
    pub fn me(&self) -> ParticipantId {
        self.session.me()
    }

    /// Says `wave`, its first sample `from` this instant on. What is not at [`MOUTH_HZ`] is resampled
    /// first, and what would have sounded meanwhile is not said: leave that time.
    pub fn say(&self, wave: &Wave, from: Instant) {
        if let Some(mouth) = &self.mouth {
            mouth.say(wave, from);
        }
    }

    /// Stops saying anything.
    pub fn hush(&self) {
        if let Some(mouth) = &self.mouth {
            mouth.hush();
        }
    }

    /// Tells others something.
    pub async fn tell(&self, data: &Data) -> Result<(), SfuError> {
        self.session.send(data).await
    }

    /// What has been seen until now.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until `find` finds something in what is seen.
    pub async fn until<T>(
        &self,
        what: &str,
        after: Duration,
        mut find: impl FnMut(&Seen) -> Option<T>,
    ) -> Result<T, ParticipantError> {
        let mut seen = self.seen.clone();
        let mut found = None;
        let waited = tokio::time::timeout(
            after,
            seen.wait_for(|seen| {
                found = find(seen);
                found.is_some()
            }),
        )
        .await;
        drop(waited);
        found.ok_or_else(|| ParticipantError::TooLate {
            what: what.to_owned(),
            after,
            seen: format!("{:?}", self.seen.borrow()),
        })
    }

    /// Waits until the track of somebody of that name is connected and the first of it heard.
    pub async fn hears(&self, name: &str, after: Duration) -> Result<Heard, ParticipantError> {
        self.until(&format!("hearing {name}"), after, |seen| {
            seen.heard_of(name)
                .filter(|h| h.connected && h.begun)
                .cloned()
        })
        .await
    }

    /// Leaves, and waits until the SFU has taken note.
    pub async fn leave(self) {
        self.session.leave().await;
    }
}

impl Drop for RoomParticipant {
    fn drop(&mut self) {
        // It holds the session.
        self.follower.abort();
    }
}

/// Waits for the connection and the proof of who is at its far end.
async fn connected(
    events: &mut mpsc::UnboundedReceiver<PeerEvent>,
    patience: Duration,
) -> Result<(), ParticipantError> {
    let settled = async {
        loop {
            match events.recv().await {
                Some(PeerEvent::Connected) => return Ok(()),
                Some(PeerEvent::Candidate(_)) => {}
                Some(PeerEvent::Failed(reason)) => return Err(reason),
                Some(PeerEvent::Closed) | None => {
                    return Err("the far end closed the WebRTC connection".to_owned());
                }
            }
        }
    };
    tokio::time::timeout(patience, settled)
        .await
        .unwrap_or_else(|_| Err(format!("no WebRTC connection within {patience:?}")))
        .map_err(ParticipantError::NotConnected)
}

/// Follows what happens in the room, and listens to every track.
struct Follower {
    session: Arc<dyn Session>,
    options: Options,
    seen: Arc<watch::Sender<Seen>>,
    /// Each with the task that connects it and keeps it.
    ears: HashMap<TrackId, tokio::task::JoinHandle<()>>,
}

impl Follower {
    async fn follow(mut self, mut events: mpsc::UnboundedReceiver<SfuEvent>) {
        while let Some(event) = events.recv().await {
            let now = Instant::now();
            match event {
                SfuEvent::ParticipantJoined(who) => self.seen.send_modify(|seen| {
                    seen.people.push(Presence {
                        who,
                        joined: now,
                        left: None,
                    });
                }),
                SfuEvent::ParticipantLeft(id) => self.seen.send_modify(|seen| {
                    let here = |p: &&mut Presence| p.who.id == id.0 && p.left.is_none();
                    if let Some(person) = seen.people.iter_mut().find(here) {
                        person.left = Some(now);
                    }
                }),
                SfuEvent::AttributesChanged {
                    participant,
                    attributes,
                } => self.seen.send_modify(|seen| {
                    let of_them = |p: &&mut Presence| p.who.id == participant.0;
                    if let Some(person) = seen.people.iter_mut().rev().find(of_them) {
                        person.who.attributes = attributes;
                    }
                }),
                SfuEvent::Data { from, data } => {
                    self.seen.send_modify(|seen| seen.told.push((from, data)));
                }
                SfuEvent::Talking { track, talking } => {
                    if talking {
                        self.seen.send_modify(|seen| {
                            seen.talked.insert(track);
                        });
                    }
                }
                SfuEvent::Muted { track, muted } => self.seen.send_modify(|seen| {
                    match muted {
                        true => seen.muted.insert(track),
                        false => seen.muted.remove(&track),
                    };
                }),
                SfuEvent::TrackAdded(track) => {
                    if self.options.listens && track.kind == MediaKind::Audio {
                        self.listen(track);
                    }
                }
                SfuEvent::TrackRemoved(track) => {
                    if let Some(ear) = self.ears.remove(&track) {
                        ear.abort();
                    }
                    self.seen.send_modify(|seen| {
                        seen.muted.remove(&track);
                        for heard in seen.heard.iter_mut().filter(|h| h.track == track) {
                            (heard.removed, heard.connected) = (true, false);
                        }
                    });
                }
                SfuEvent::Lost(reason) | SfuEvent::Expelled(reason) => {
                    self.seen.send_modify(|seen| seen.lost = Some(reason));
                    self.ears.clear();
                }
                // Janus' candidates are in its descriptions; the rest does not concern an ear.
                SfuEvent::Candidate { .. }
                | SfuEvent::Offer { .. }
                | SfuEvent::ConnectionClosed { .. } => {}
            }
        }
    }

    fn listen(&mut self, track: Track) {
        let id = track.id.clone();
        let (session, options, seen) = (
            self.session.clone(),
            self.options.clone(),
            self.seen.clone(),
        );
        let task = tokio::spawn(async move {
            let name = track.id.clone();
            if let Err(e) = listen(session, track, options, &seen).await {
                seen.send_modify(|seen| seen.troubles.push(format!("track {name}: {e}")));
            }
        });
        if let Some(before) = self.ears.insert(id, task) {
            before.abort();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.ears.values().for_each(|ear| ear.abort());
    }
}

/// Connects an ear and keeps it until the task is aborted or the connection ends.
async fn listen(
    session: Arc<dyn Session>,
    track: Track,
    options: Options,
    seen: &watch::Sender<Seen>,
) -> Result<(), ParticipantError> {
    let subscription = session.subscribe(&track.id).await?;
    let (ear, mut events) = Ear::open(options.peer, options.rate_hz).await?;
    let index = push_heard(seen, &track, &ear);
    negotiate(&*session, &subscription, &ear.peer).await?;
    connected(&mut events, options.patience).await?;
    let note = |change: fn(&mut Heard)| {
        seen.send_modify(|seen| {
            if let Some(heard) = seen.heard.get_mut(index) {
                change(heard);
            }
        });
    };
    note(|heard| heard.connected = true);
    let mut begun = false;
    loop {
        tokio::select! {
            () = ear.recording.begun(), if !begun => {
                begun = true;
                note(|heard| heard.begun = true);
            }
            event = events.recv() => match event {
                Some(PeerEvent::Failed(reason)) => {
                    return Err(ParticipantError::NotConnected(reason));
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

fn push_heard(seen: &watch::Sender<Seen>, track: &Track, ear: &Ear) -> usize {
    let mut index = 0;
    seen.send_modify(|seen| {
        index = seen.heard.len();
        seen.heard.push(Heard {
            track: track.id.clone(),
            participant: track.participant.clone(),
            recording: ear.recording.clone(),
            connected: false,
            begun: false,
            removed: false,
        });
    });
    index
}

/// Brings a subscription and a peer together, whichever side offers.
async fn negotiate(
    session: &dyn Session,
    subscription: &sfu::Subscription,
    peer: &Peer,
) -> Result<(), ParticipantError> {
    match &subscription.negotiation {
        Negotiation::Offered(offer) => {
            let answer = peer.answer(offer).await?;
            session.answer(&subscription.connection, &answer).await?;
        }
        Negotiation::OfferWanted => {
            let offer = peer.create_offer_to_hear().await?;
            let answer = session.offer(&subscription.connection, &offer).await?;
            peer.accept_answer(&answer).await?;
        }
    }
    Ok(())
}
