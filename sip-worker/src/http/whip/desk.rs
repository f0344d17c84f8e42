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
    /// Takes a session in. Returns its name.
    pub(super) fn insert(&self, session: Session) -> String {
        let id = unguessable();
        self.lock().insert(id.clone(), session);
        id
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
