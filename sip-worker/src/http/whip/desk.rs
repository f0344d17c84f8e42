// SPDX-License-Identifier: MPL-2.0
//! The sessions of WHIP and WHEP that are up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, mpsc};

use crate::sfu::data::{DataForm, ToldForm};
use crate::sfu::embedded::Stay;
use crate::sfu::{ConnectionId, Session as _, SfuEvent};

/// Whoever reads what they are told later than this much of it misses the oldest.
const TOLD: usize = 64;

/// What a participant is told by others, for whoever follows the room as them.
pub(in crate::http) type Told = broadcast::Sender<ToldForm>;

/// Which of the two endpoints a session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Speaks.
    Whip,
    /// Listens.
    Whep,
}

impl Endpoint {
    pub(super) fn name(self) -> &'static str {
        match self {
            Endpoint::Whip => "whip",
            Endpoint::Whep => "whep",
        }
    }
}

/// A session.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) endpoint: Endpoint,
    pub(super) room: String,
    pub(super) stay: Arc<Stay>,
    pub(super) told: Told,
    pub(super) connection: ConnectionId,
    /// The participant came with this session and goes with it.
    pub(super) owns: bool,
    /// Of the ICE session.
    pub(super) etag: String,
}

/// All sessions, by names that nobody guesses.
#[derive(Clone, Default)]
pub struct Desk {
    sessions: Arc<Mutex<HashMap<String, Session>>>,
}

impl Desk {
    /// Takes a session in. Returns its name; `None` where it is over by now, and with it the participant who came
    /// with it: whoever follows them found nothing to forget.
    pub(super) async fn insert(&self, session: Session) -> Option<String> {
        let id = unguessable();
        let (stay, connection) = (session.stay.clone(), session.connection.clone());
        let owns = session.owns;
        self.lock().insert(id.clone(), session);
        // Whatever ends from here on is told to those who follow, and found.
        if stay.has(&connection).await {
            return Some(id);
        }
        self.remove(&id);
        if owns {
            stay.leave().await;
        }
        None
    }

    pub(super) fn get(&self, endpoint: Endpoint, room: &str, id: &str) -> Option<Session> {
        let sessions = self.lock();
        let session = sessions.get(id);
        session
            .filter(|session| session.endpoint == endpoint && session.room == room)
            .cloned()
    }

    /// The participant who speaks by a session of WHIP, and what they are told.
    pub(in crate::http) fn speaker(&self, room: &str, id: &str) -> Option<(Arc<Stay>, Told)> {
        let session = self.get(Endpoint::Whip, room, id)?;
        Some((session.stay, session.told))
    }

    /// ICE began anew. Returns the new tag.
    pub(super) fn restarted(&self, id: &str) -> String {
        let etag = new_etag();
        if let Some(session) = self.lock().get_mut(id) {
            session.etag.clone_from(&etag);
        }
        etag
    }

    /// Forgets a session.
    pub(super) fn remove(&self, id: &str) -> Option<Session> {
        self.lock().remove(id)
    }

    /// Forgets the sessions of a participant once they are over, the participant with the one they came
    /// with. Returns what the participant is told.
    pub(super) fn follow(
        &self,
        stay: &Arc<Stay>,
        mut events: mpsc::UnboundedReceiver<SfuEvent>,
    ) -> Told {
        let (desk, me) = (self.clone(), Arc::downgrade(stay));
        let told = Told::new(TOLD);
        let tell = told.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let connection = match event {
                    SfuEvent::ConnectionClosed { connection, .. } => connection,
                    SfuEvent::Data { from, data } => {
                        let from = from.map(|from| from.0);
                        if let Some(data) = DataForm::of(&data) {
                            // Nobody may follow the room as them.
                            let _ = tell.send(ToldForm { from, data });
                        }
                        continue;
                    }
                    _ => continue,
                };
                let Some(me) = me.upgrade() else { break };
                if desk.forget(&me, Some(&connection)) {
                    me.leave().await;
                }
            }
            if let Some(me) = me.upgrade() {
                desk.forget(&me, None);
            }
        });
        told
    }

    /// Forgets the sessions of `stay`, or the one of this connection. Whether the participant came with
    /// one of them.
    fn forget(&self, stay: &Arc<Stay>, connection: Option<&ConnectionId>) -> bool {
        let mut owned = false;
        self.lock().retain(|_, session| {
            let of_connection = connection.is_none_or(|of| session.connection == *of);
            let gone = Arc::ptr_eq(&session.stay, stay) && of_connection;
            owned |= gone && session.owns;
            !gone
        });
        owned
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A strong entity tag (RFC 9110 section 8.8.3).
pub(super) fn new_etag() -> String {
    format!("\"{:016x}\"", rand::random::<u64>())
}

fn unguessable() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use crate::sfu::Participant;
    use crate::sfu::embedded::{Embedded, EmbeddedConfig};

    use super::*;

    fn offer() -> String {
        let fingerprint = ["AB"; 32].join(":");
        format!(
            "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\n\
             a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 {fingerprint}\r\n\
             a=setup:actpass\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
             a=rtpmap:111 opus/48000/2\r\n"
        )
    }

    #[tokio::test]
    async fn a_session_that_is_over_before_it_is_taken_in_is_none() {
        let sfu = Embedded::new(EmbeddedConfig::new("main"));
        let desk = Desk::default();
        let session = |stay: &Arc<Stay>, told: &Told, connection| Session {
            endpoint: Endpoint::Whip,
            room: "lobby".to_owned(),
            stay: stay.clone(),
            told: told.clone(),
            connection,
            owns: true,
            etag: new_etag(),
        };
        let (stay, events) = sfu.enter("lobby", Participant::default()).await.unwrap();
        let told = desk.follow(&stay, events);
        let room = sfu.watch("lobby").await.unwrap();
        let published = stay.publish(&offer()).await.unwrap();
        let id = desk
            .insert(session(&stay, &told, published.connection))
            .await;
        assert_eq!(desk.lock().keys().next(), id.as_ref());
        assert_eq!(room.borrow().participants.len(), 1);

        let published = stay.publish(&offer()).await.unwrap();
        stay.close(&published.connection).await.unwrap();
        let over = desk
            .insert(session(&stay, &told, published.connection))
            .await;
        assert_eq!(over, None);
        assert_eq!(room.borrow().participants.len(), 0, "they came with it");
    }
}
