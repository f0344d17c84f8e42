// SPDX-License-Identifier: MPL-2.0
//! What a call does in its room.

use std::sync::Arc;

use tokio::time::timeout;

use super::audience::{Attempt, MemberId};
use super::hear::Heard;
use super::{HAND_OVER_WITHIN, Media, Room};
use crate::calls::graph::{Comfort, GraphError, RoomGraph};
use crate::calls::meter::HeardProbe;
use crate::sfu::{MediaKind, Session, SfuEvent, TrackId};
use crate::webrtc::PeerConfig;

/// A call's place in its room. Dropping it gives it up.
pub(in crate::calls) struct Member {
    pub(super) room: Arc<Room>,
    pub(super) id: MemberId,
}

impl Member {
    /// What makes the graph for its media, on a thread that may wait.
    pub(in crate::calls) fn graph(
        &self,
    ) -> impl FnOnce() -> Result<Arc<RoomGraph>, GraphError> + Send + use<> {
        let room = self.room.clone();
        move || room.graph()
    }

    /// How the SFU is reached.
    pub(in crate::calls) fn peer(&self) -> PeerConfig {
        self.room.peer.clone()
    }

    /// Its media take part in this graph.
    pub(in crate::calls) fn takes_part(
        &self,
        graph: Arc<RoomGraph>,
        slots: usize,
        comfort: Option<Comfort>,
    ) {
        self.room.inside().media.get_or_insert(Media {
            graph,
            slots,
            comfort,
        });
    }

    /// What it says is negotiated: from now on it can subscribe.
    pub(in crate::calls) fn is_published(&self) {
        let hearing = {
            let mut inside = self.room.inside();
            let others = inside.audience.is_ready(self.id);
            match others || inside.audience.hears() {
                true => inside.hearing(),
                false => Vec::new(),
            }
        };
        hearing.iter().for_each(|hearing| hearing());
        self.room.attend();
    }

    /// The room hears it.
    pub(in crate::calls) fn is_heard(&self) {
        self.room.inside().comfort();
    }

    /// Takes note of what its stay tells of others.
    pub(in crate::calls) fn on_room(&self, event: SfuEvent) {
        let mut inside = self.room.inside();
        match event {
            SfuEvent::TrackAdded(track) if track.kind == MediaKind::Audio => {
                inside.audience.told(self.id, track);
            }
            SfuEvent::TrackRemoved(track) => {
                for (attempt, heard) in inside.audience.untold(self.id, &track) {
                    inside.release_of(attempt, heard);
                }
            }
            SfuEvent::Candidate {
                connection,
                candidate,
            } => {
                let mut heard = inside.audience.heard();
                let of_it = |(_, of, heard): &(&TrackId, Attempt, &Heard)| {
                    of.by == self.id && heard.connection == connection
                };
                if let Some((_, _, heard)) = heard.find(of_it) {
                    heard.peer.add_candidate(&candidate);
                }
                return;
            }
            SfuEvent::ConnectionClosed { connection, .. } => {
                let of_it = inside.by_connection(self.id, &connection);
                drop(inside);
                if let Some((track, attempt)) = of_it {
                    self.room.fail(&track, attempt, true);
                }
                return;
            }
            _ => return,
        }
        drop(inside);
        self.room.attend();
    }

    /// Its stay is lost, and with it what it carried for all.
    pub(in crate::calls) fn loses(&self) {
        {
            let mut inside = self.room.inside();
            if let Some(call) = inside.calls.get_mut(&self.id) {
                call.session = None;
            }
            for (_, heard) in inside.audience.gone(self.id) {
                inside.release(heard, None);
            }
            inside.comfort();
        }
        self.room.attend();
    }

    /// It is in the room once more.
    pub(in crate::calls) fn comes_back(&self, session: &Arc<dyn Session>) {
        let mut inside = self.room.inside();
        if let Some(call) = inside.calls.get_mut(&self.id) {
            call.session = Some(session.clone());
        }
        inside.audience.enter(self.id, session.me());
    }

    /// Lets others hear for all what it heard for all, as it is about to leave.
    pub(in crate::calls) async fn hands_over(&self) {
        self.room.inside().audience.leaves(self.id);
        self.room.attend();
        let handed = async {
            loop {
                let next = self.room.handed_over.notified();
                tokio::pin!(next);
                // From here on no notice is missed.
                next.as_mut().enable();
                if !self.room.inside().audience.hands_over(self.id) {
                    return;
                }
                next.await;
            }
        };
        if timeout(HAND_OVER_WITHIN, handed).await.is_err() {
            tracing::debug!("others do not hear yet what a call heard for them");
        }
    }

    /// What is heard, to be measured.
    pub(in crate::calls) fn probes(&self) -> Vec<HeardProbe> {
        let inside = self.room.inside();
        let heard = inside
            .audience
            .heard()
            .map(|(track, attempt, heard)| HeardProbe {
                track: track.to_string(),
                carried: attempt.by == self.id,
                connection: heard.peer.probe(),
                concealed: heard.part.concealed(),
            });
        heard.collect()
    }

    /// Gives the place up. Where it was the last, all media stop, which may wait.
    pub(in crate::calls) fn leave(self) {
        if let Some(media) = self.give_up() {
            media.graph.stop();
        }
    }

    fn give_up(&self) -> Option<Media> {
        let mut inside = self.room.inside();
        inside.calls.remove(&self.id)?;
        let left = inside.audience.forget(self.id);
        if inside.calls.is_empty() {
            inside.closed = true;
            // Whatever is still being negotiated ends here; what it holds of the graph stops with it.
            inside.tasks.abort_all();
            return inside.media.take();
        }
        for (_, heard) in left {
            inside.release(heard, None);
        }
        inside.comfort();
        drop(inside);
        self.room.attend();
        None
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It stops on a thread of its own.
        drop(self.give_up());
    }
}
