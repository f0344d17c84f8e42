// SPDX-License-Identifier: MPL-2.0
//! Lines that are settled beforehand: where a phone is sent to, and at which ports others are heard. Each takes
//! one phone at a time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::plain::Description;
use crate::sfu::{
    BoxFuture, Candidate, ConnectionId, Data, Joined, MediaKind, Negotiation, Participant,
    ParticipantId, Published, Session, SfuError, SfuEvent, Subscription, Track, TrackId,
};

/// `[[sfu.line]]`: what it hears is for the one phone that is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The room that it leads to.
    pub room: String,
    /// Where RTP goes; RTCP goes to the port above.
    pub to: SocketAddr,
    /// The local ports at which others are heard, a track at each; RTCP comes to those above.
    pub hear: Vec<u16>,
    /// Where these come from, by any port.
    pub from: IpAddr,
    /// The SSRC of what is sent; none: any.
    pub ssrc: Option<u32>,
}

pub(super) struct Lines {
    sfu: String,
    payload_type: u8,
    lines: Vec<Line>,
    /// The places in `lines` that are taken.
    taken: Mutex<Vec<usize>>,
}

impl Lines {
    pub(super) fn new(sfu: &str, lines: Vec<Line>, payload_type: u8) -> Lines {
        Lines {
            sfu: sfu.to_owned(),
            payload_type,
            lines,
            taken: Mutex::default(),
        }
    }

    pub(super) fn join(
        self: &Arc<Self>,
        room: &str,
        who: &Participant,
    ) -> Result<Joined, SfuError> {
        let mut of_room = (0..).zip(&self.lines).filter(|(_, line)| line.room == room);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = of_room.clone().find(|(place, _)| !taken.contains(place));
        let Some((place, line)) = free else {
            return Err(match of_room.next() {
                Some(_) => SfuError::Full {
                    sfu: self.sfu.clone(),
                    room: room.to_owned(),
                    reason: "a phone is on each of its lines".to_owned(),
                },
                None => SfuError::NoSuchRoom {
                    sfu: self.sfu.clone(),
                    room: room.to_owned(),
                    detail: "no line leads there".to_owned(),
                },
            });
        };
        taken.push(place);
        let (sender, events) = mpsc::unbounded_channel();
        for port in &line.hear {
            let who = Participant {
                id: port.to_string(),
                name: port.to_string(),
                ..Participant::default()
            };
            // The receiver is at hand.
            let _ = sender.send(SfuEvent::ParticipantJoined(who));
            let _ = sender.send(SfuEvent::TrackAdded(Track {
                id: TrackId(port.to_string()),
                participant: ParticipantId(port.to_string()),
                kind: MediaKind::Audio,
            }));
        }
        let session = Arc::new(OnLine {
            lines: self.clone(),
            place,
            line: line.clone(),
            me: ParticipantId(who.id.clone()),
            events: Mutex::new(Some(sender)),
        });
        Ok(Joined { session, events })
    }
}

/// A phone on its line. Dropping it frees the line, and not before: who left may still have its ports.
struct OnLine {
    lines: Arc<Lines>,
    place: usize,
    line: Line,
    me: ParticipantId,
    /// Nothing more happens; while this is there, the events have not ended.
    events: Mutex<Option<mpsc::UnboundedSender<SfuEvent>>>,
}

impl OnLine {
    fn unsupported<T>(&self, what: &'static str) -> Result<T, SfuError> {
        Err(SfuError::Unsupported {
            sfu: self.lines.sfu.clone(),
            what,
        })
    }
}

impl Session for OnLine {
    fn me(&self) -> ParticipantId {
        self.me.clone()
    }

    fn publish<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Published, SfuError>> {
        Box::pin(async move {
            let there = Description {
                address: self.line.to.ip(),
                port: self.line.to.port(),
                rtcp_port: self.line.to.port().checked_add(1),
                ssrc: self.line.ssrc,
                ..Description::of(self.lines.payload_type)
            };
            Ok(Published {
                connection: ConnectionId("publish".to_owned()),
                answer: there.write(),
            })
        })
    }

    fn subscribe<'a>(
        &'a self,
        track: &'a TrackId,
    ) -> BoxFuture<'a, Result<Subscription, SfuError>> {
        Box::pin(async move {
            let port = track.0.parse().ok();
            let Some(port) = port.filter(|port| self.line.hear.contains(port)) else {
                return Err(SfuError::NoSuchTrack {
                    sfu: self.lines.sfu.clone(),
                    track: track.0.clone(),
                });
            };
            let here = Description {
                address: self.line.from,
                yours: Some(port),
                ..Description::of(self.lines.payload_type)
            };
            Ok(Subscription {
                connection: ConnectionId(track.0.clone()),
                negotiation: Negotiation::Offered(here.write()),
                mid: None,
            })
        })
    }

    fn answer<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async { Ok(()) })
    }

    fn offer<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>> {
        Box::pin(async { self.unsupported("be offered anything") })
    }

    fn close<'a>(&'a self, _: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async { Ok(()) })
    }

    fn trickle<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async { self.unsupported("take candidates") })
    }

    fn mute<'a>(&'a self, _: &'a ConnectionId, _: bool) -> BoxFuture<'a, Result<(), SfuError>> {
        // What is muted is not sent, and nobody is there to be told.
        Box::pin(async { Ok(()) })
    }

    fn send<'a>(&'a self, _: &'a Data) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async { self.unsupported("carry data: a line has RTP alone") })
    }

    fn change_attributes<'a>(
        &'a self,
        _: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        Box::pin(async { self.unsupported("tell attributes: a line has RTP alone") })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        *events = None;
        Box::pin(async {})
    }
}

impl Drop for OnLine {
    fn drop(&mut self) {
        let taken = &self.lines.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|place| *place != self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_taken_until_its_ports_may_be_free() {
        let to: SocketAddr = "192.0.2.7:5004".parse().unwrap();
        let line = Line {
            room: "lobby".to_owned(),
            to,
            hear: vec![5_010],
            from: to.ip(),
            ssrc: None,
        };
        let lines = Arc::new(Lines::new("main", vec![line], 111));
        let join = || lines.join("lobby", &Participant::default());
        let Joined {
            session,
            mut events,
        } = join().unwrap();
        for _ in ["who is there", "what they publish"] {
            assert!(events.recv().await.is_some());
        }
        let told = session.send(&Data::key('1', None)).await;
        assert!(
            matches!(told, Err(SfuError::Unsupported { .. })),
            "{told:?}"
        );
        session.leave().await;
        assert!(events.recv().await.is_none());
        assert!(matches!(join(), Err(SfuError::Full { .. })));
        drop(session);
        assert!(join().is_ok());
    }
}
