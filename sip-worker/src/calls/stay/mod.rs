// SPDX-License-Identifier: MPL-2.0
//! A call's stay in its room: what it publishes, what it hears, how it leaves, and how it comes back
//! when the SFU was away.
//!
//! The call's media outlast the SFU. What depends on it is a visit: a participant, a connection out, and what
//! it hears for all calls of its room ([`crate::calls::room`]). When a visit is lost it is cleared away whole,
//! the phone hears comfort noise, and the next visit begins on the same media. Whatever a past visit's tasks
//! still report carries its number, and is put away.

mod connect;
mod telling;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::ending::Ending;
use super::graph::{GraphError, GraphNews};
use super::meter::RoomProbes;
use super::room::{Member, RoomKey, Rooms, trickled};
use super::table::State;
use crate::pipeline::Graph;
use crate::sfu::{ConnectionId, Content, Data, Session, SfuEvent};
use crate::webrtc::{PeerConfig, PeerEvent};
pub(in crate::calls) use connect::StayError;
use connect::{Media, Part, Publication, lock};
use telling::Telling;

/// The SFU is told that we leave; it may take this long to take note.
const LEAVE_WITHIN: Duration = Duration::from_millis(700);
/// A pipeline that takes longer to stop is left to itself.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What the parts of a stay report to its call, those of a visit with its number.
pub(super) enum Inside {
    /// The media are there and our own publication is negotiated, or they are not to be.
    Opened(Result<(Media, Part, Publication), StayError>),
    /// A later visit's publication is negotiated, or is not to be.
    Reopened(u64, Result<Publication, StayError>),
    /// Our own publication's connection.
    Publisher(u64, PeerEvent),
    /// There is somebody to be heard.
    Hearing,
    /// The call's part of the pipeline.
    Graph(GraphNews),
}

/// What changed for the call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that matters to it.
    None,
    /// The room can hear the phone.
    Published,
    /// The phone can hear somebody.
    Hearing,
    /// The SFU is away, and may come back. [`Stay::lose`] is called for.
    Lost(Ending),
    /// Somebody in the room presses a key for the phone to hear.
    Key {
        digit: char,
        /// How long, where they say so.
        ms: Option<u32>,
    },
    /// The stay is over.
    Over(Ending),
}

type Report = mpsc::UnboundedSender<Inside>;

/// What media needs, beside the room.
#[derive(Clone)]
pub struct Means {
    /// Where calls share what they hear.
    pub(crate) rooms: Arc<Rooms>,
    /// Which of them this call enters.
    pub(crate) room: RoomKey,
    /// The media graph.
    pub(crate) graph: Arc<Graph>,
    /// How the SFU is reached.
    pub(crate) peer: PeerConfig,
    /// Name of the SIP call, for `sipbin`.
    pub(crate) call: String,
    /// Whether the room is told which keys the phone presses.
    pub(crate) tells_keys: bool,
}

/// Everything a call has in a room.
pub(super) struct Stay {
    /// Its place among the calls of the room.
    member: Member,
    report: Report,
    /// There from the first publication on.
    media: Option<Media>,
    visit: Visit,
    telling: Telling,
    /// The past visit is being cleared away.
    clearing: Option<JoinHandle<Result<(), GraphError>>>,
    tasks: JoinSet<()>,
}

/// What ends with the SFU.
#[derive(Default)]
struct Visit {
    number: u64,
    /// None while the SFU is away.
    session: Option<Arc<dyn Session>>,
    publication: Option<Publication>,
}

impl Stay {
    /// Begins to publish. What comes of it is told by `inside`.
    pub(super) fn begin(
        session: Arc<dyn Session>,
        means: Means,
    ) -> (Stay, mpsc::UnboundedReceiver<Inside>) {
        let (report, inside) = mpsc::unbounded_channel();
        let told = report.clone();
        let hearing = Arc::new(move || {
            // The call may be over already.
            let _ = told.send(Inside::Hearing);
        });
        let member = means.rooms.enter(
            means.room,
            means.graph,
            means.peer,
            session.clone(),
            hearing,
        );
        let opening = connect::open(
            session.clone(),
            member.graph(),
            member.peer(),
            means.call,
            report.clone(),
        );
        let mut stay = Stay {
            member,
            report: report.clone(),
            media: None,
            visit: Visit {
                session: Some(session.clone()),
                ..Visit::default()
            },
            telling: Telling::new(means.tells_keys),
            clearing: None,
            tasks: JoinSet::new(),
        };
        stay.tasks.spawn(stay.telling.begin(session));
        stay.tasks.spawn(async move {
            let _ = report.send(Inside::Opened(opening.await));
        });
        (stay, inside)
    }

    /// Clears away what a lost visit leaves behind. From now on the phone hears comfort noise.
    pub(super) fn lose(&mut self) {
        let number = self.visit.number + 1;
        let past = std::mem::replace(
            &mut self.visit,
            Visit {
                number,
                ..Visit::default()
            },
        );
        self.member.loses();
        self.telling.end();
        if let Some(session) = past.session {
            self.tasks.spawn(async move {
                // An SFU that is gone has forgotten us; one that is not had better know.
                let _ = timeout(LEAVE_WITHIN, session.leave()).await;
            });
        }
        let Some(media) = &self.media else { return };
        let graph = media.graph.clone();
        let before = self.clearing.take();
        self.clearing = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let cleared = spawn_blocking(move || connect::clear(&graph, past.publication));
            cleared.await.unwrap_or(Ok(()))
        }));
    }

    /// Begins to publish once more, after [`Stay::lose`].
    pub(super) fn come_back(&mut self, session: Arc<dyn Session>) {
        let Some(media) = &self.media else { return };
        let (number, report) = (self.visit.number, self.report.clone());
        self.visit.session = Some(session.clone());
        self.member.comes_back(&session);
        self.tasks.spawn(self.telling.begin(session.clone()));
        let reopening = connect::reopen(
            session,
            media.graph.clone(),
            self.member.peer(),
            self.clearing.take(),
            number,
            report.clone(),
        );
        self.tasks.spawn(async move {
            let _ = report.send(Inside::Reopened(number, reopening.await));
        });
    }

    /// Takes note of what happened in the room.
    pub(super) fn on_room(&mut self, event: SfuEvent) -> Change {
        let ours = self.visit.publication.as_ref();
        let is_ours =
            |connection: &ConnectionId| ours.is_some_and(|ours| ours.connection == *connection);
        match event {
            SfuEvent::Candidate {
                connection,
                candidate,
            } if is_ours(&connection) => {
                if let Some(ours) = ours {
                    ours.peer.add_candidate(&candidate);
                }
            }
            SfuEvent::ConnectionClosed { connection, reason } if is_ours(&connection) => {
                let why = format!("the SFU closed our connection: {reason}");
                return Change::Lost(Ending::new(503, why));
            }
            SfuEvent::Offer { connection, .. } => {
                tracing::warn!(%connection, "the SFU wants to change a connection, which stays as it is");
            }
            SfuEvent::Data { data, .. } => return self.told(data),
            SfuEvent::Lost(reason) => {
                return Change::Lost(Ending::new(503, format!("the SFU is lost: {reason}")));
            }
            SfuEvent::Expelled(reason) => {
                let why = format!("the SFU put the phone out of the room: {reason}");
                return Change::Over(Ending::asked(why));
            }
            of_others => self.member.on_room(of_others),
        }
        Change::None
    }

    /// Keys are for the phones that they are addressed to. Those told to everybody are news of other phones, and
    /// are theirs alone: two phones must not pass on each other's keys.
    fn told(&self, data: Data) -> Change {
        let me = self.visit.session.as_ref().map(|session| session.me());
        let for_us = me.is_some_and(|me| data.to.contains(&me));
        match data.content {
            Content::Key { digit, ms } if for_us => Change::Key { digit, ms },
            Content::Key { .. } | Content::Message { .. } => Change::None,
        }
    }

    /// Tells the room how far the call is.
    pub(super) fn tell_state(&self, state: State) {
        self.telling.state(state);
    }

    /// Tells the room of a key that the phone pressed, where it is to know.
    pub(super) fn tell_key(&self, digit: char, ms: u32) {
        self.telling.key(digit, ms);
    }

    /// Takes note of what happened to our own parts.
    pub(super) fn on_inside(&mut self, event: Inside) -> Change {
        match event {
            Inside::Opened(Ok((media, (graph, slots, comfort), publication))) => {
                self.media = Some(media);
                self.member.takes_part(graph, slots, comfort);
                self.published(publication)
            }
            Inside::Opened(Err(error)) => Change::Over(error.into()),
            Inside::Reopened(number, reopened) if number == self.visit.number => match reopened {
                Ok(publication) => self.published(publication),
                Err(error) if error.may_pass() => Change::Lost(error.into()),
                Err(error) => Change::Over(error.into()),
            },
            Inside::Publisher(number, event) if number == self.visit.number => {
                self.on_publisher(event)
            }
            Inside::Hearing => Change::Hearing,
            Inside::Graph(GraphNews::Broken(why)) => Change::Over(Ending::new(
                500,
                format!("the call's media graph broke: {why}"),
            )),
            Inside::Reopened(..) | Inside::Publisher(..) | Inside::Graph(_) => Change::None,
        }
    }

    fn published(&mut self, publication: Publication) -> Change {
        let connected = publication.peer.is_verified();
        self.visit.publication = Some(publication);
        self.member.is_published();
        match connected {
            true => self.heard_by_the_room(),
            false => Change::None,
        }
    }

    fn heard_by_the_room(&mut self) -> Change {
        self.member.is_heard();
        Change::Published
    }

    fn on_publisher(&mut self, event: PeerEvent) -> Change {
        match event {
            PeerEvent::Connected if self.visit.publication.is_some() => self.heard_by_the_room(),
            PeerEvent::Connected => Change::None,
            PeerEvent::Candidate(candidate) => {
                let session = self.visit.session.clone();
                if let (Some(ours), Some(session)) = (&self.visit.publication, session) {
                    let connection = ours.connection.clone();
                    self.tasks.spawn(trickled(session, connection, candidate));
                }
                Change::None
            }
            PeerEvent::Failed(why) => Change::Lost(Ending::new(503, why)),
            PeerEvent::Closed => {
                let why = "the SFU closed our WebRTC connection";
                Change::Lost(Ending::new(503, why))
            }
        }
    }

    /// Withholds what the phone says from the room, or stops doing so: here, and at the SFU too.
    pub(super) fn mute(&mut self, muted: bool) {
        let Some(media) = &self.media else { return };
        media.muted.store(muted, Ordering::Relaxed);
        let ours = self.visit.publication.as_ref();
        let (Some(session), Some(ours)) = (self.visit.session.clone(), ours) else {
            return;
        };
        let connection = ours.connection.clone();
        self.tasks.spawn(async move {
            if let Err(error) = session.mute(&connection, muted).await {
                tracing::debug!(%error, "the SFU was not told of a mute");
            }
        });
    }

    /// Its connections, to be measured.
    pub(super) fn probes(&self) -> RoomProbes {
        let ours = self.visit.publication.as_ref();
        RoomProbes {
            published: ours.map(|ours| ours.peer.probe()),
            heard: self.member.probes(),
        }
    }

    /// Leaves the room and then stops the media, each within its time.
    pub(super) async fn end(mut self) {
        self.member.hands_over().await;
        if let Some(session) = &self.visit.session
            && timeout(LEAVE_WITHIN, session.leave()).await.is_err()
        {
            tracing::debug!("the SFU took no note of our leaving in time");
        }
        // Whatever is still being negotiated ends here; what it holds of the graph stops with it.
        self.tasks.abort_all();
        let stopped = spawn_blocking(move || {
            if let Some(media) = &self.media {
                lock(&media.graph).stop();
            }
            self.member.leave();
        });
        if timeout(STOP_WITHIN, stopped).await.is_err() {
            tracing::warn!("a pipeline takes long to stop");
        }
    }
}
