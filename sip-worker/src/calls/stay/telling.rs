// SPDX-License-Identifier: MPL-2.0
//! What a call tells its room beside its media: how far the call is and, where the configuration has the room know,
//! the keys that its phone presses. SFUs that cannot carry it go without.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::calls::table::State;
use crate::sfu::{Data, Session, SfuError};

/// The attribute that says how far a call is. Name and values are those of LiveKit's SIP participants.
const STATUS: &str = "sip.callStatus";
/// So many keys wait for an SFU that is slow; those after them are not told.
const WAITING: usize = 32;

/// The way to the room, visit after visit.
pub(super) struct Telling {
    state: watch::Sender<Option<State>>,
    /// A key may be one of a PIN: nobody is told without being meant to be.
    tells_keys: bool,
    /// None while the SFU is away.
    keys: Option<mpsc::Sender<Data>>,
}

impl Telling {
    pub(super) fn new(tells_keys: bool) -> Telling {
        Telling {
            state: watch::Sender::new(None),
            tells_keys,
            keys: None,
        }
    }

    /// Tells this session from now on, until it [ends](Self::end) or the next one begins.
    pub(super) fn begin(
        &mut self,
        session: Arc<dyn Session>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (keys, waiting) = mpsc::channel(WAITING);
        self.keys = Some(keys);
        tell(session, waiting, self.state.subscribe())
    }

    pub(super) fn end(&mut self) {
        self.keys = None;
    }

    /// The call is this far, unless it was further before.
    pub(super) fn state(&self, state: State) {
        self.state.send_if_modified(|now| {
            let is_further = Some(state) > *now;
            if is_further {
                *now = Some(state);
            }
            is_further
        });
    }

    /// The phone pressed a key.
    pub(super) fn key(&self, digit: char, ms: u32) {
        let told = self.keys.as_ref().filter(|_| self.tells_keys);
        let told = told.map(|keys| keys.try_send(Data::key(digit, Some(ms))));
        if told.is_some_and(|told| told.is_err()) {
            tracing::debug!("the SFU is too slow to be told of a key");
        }
    }
}

/// One thing after the other, for the order of keys matters.
async fn tell(
    session: Arc<dyn Session>,
    mut keys: mpsc::Receiver<Data>,
    mut state: watch::Receiver<Option<State>>,
) {
    // A session that has just begun knows nothing yet.
    state.mark_changed();
    loop {
        let told = tokio::select! {
            key = keys.recv() => match key {
                Some(key) => session.send(&key).await,
                None => return,
            },
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *state.borrow_and_update();
                match now.and_then(status) {
                    Some(status) => session.change_attributes(&status).await,
                    None => Ok(()),
                }
            }
        };
        match told {
            Ok(()) | Err(SfuError::Unsupported { .. }) => {}
            Err(error) => tracing::debug!(%error, "the room was not told of a call"),
        }
    }
}

fn status(state: State) -> Option<BTreeMap<String, String>> {
    let status = match state {
        // Who hangs up leaves the room, which tells as much.
        State::Joining | State::Ended => return None,
        State::Dialling => "dialing",
        State::Ringing => "ringing",
        State::Active => "active",
    };
    Some(BTreeMap::from([(STATUS.to_owned(), status.to_owned())]))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;
    use crate::sfu::embedded::{Embedded, EmbeddedConfig};
    use crate::sfu::{Content, Joined, Participant, Sfu as _, SfuEvent};

    async fn join(sfu: &Embedded, id: &str) -> Joined {
        let who = Participant {
            id: id.to_owned(),
            ..Participant::default()
        };
        sfu.join("lobby", who).await.unwrap()
    }

    /// A phone in a room with Ann.
    struct Visit {
        sfu: Embedded,
        ann: Joined,
        phone: Arc<dyn Session>,
        telling: Telling,
        tells: JoinHandle<()>,
    }

    async fn begin(tells_keys: bool) -> Visit {
        let sfu = Embedded::new(EmbeddedConfig {
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            ..EmbeddedConfig::new("main")
        });
        let ann = join(&sfu, "ann").await;
        let phone = join(&sfu, "phone").await.session;
        let mut telling = Telling::new(tells_keys);
        let tells = tokio::spawn(telling.begin(phone.clone()));
        Visit {
            sfu,
            ann,
            phone,
            telling,
            tells,
        }
    }

    /// What the room is told of the phone next: a key, or its status.
    async fn next(room: &mut mpsc::UnboundedReceiver<SfuEvent>) -> String {
        let next = async {
            loop {
                match room.recv().await.unwrap() {
                    SfuEvent::Data { data, .. } => return format!("{:?}", data.content),
                    SfuEvent::AttributesChanged { attributes, .. } => {
                        return attributes[STATUS].clone();
                    }
                    _ => {}
                }
            }
        };
        timeout(Duration::from_secs(5), next).await.unwrap()
    }

    #[tokio::test]
    async fn each_visit_is_told_how_far_the_call_is_and_keys_in_their_order() {
        let Visit {
            sfu,
            mut ann,
            phone,
            mut telling,
            tells,
        } = begin(true).await;
        telling.state(State::Ringing);
        assert_eq!(next(&mut ann.events).await, "ringing");
        telling.state(State::Active);
        assert_eq!(next(&mut ann.events).await, "active");
        // A phone that rings on elsewhere changes nothing.
        telling.state(State::Ringing);
        telling.key('1', 100);
        telling.key('2', 200);
        assert_eq!(next(&mut ann.events).await, "Key(Some(100) ms)");
        assert_eq!(next(&mut ann.events).await, "Key(Some(200) ms)");
        telling.end();
        telling.key('3', 300);
        tells.await.unwrap();
        phone.leave().await;
        let again = join(&sfu, "phone").await.session;
        let visit = tokio::spawn(telling.begin(again));
        assert_eq!(next(&mut ann.events).await, "active");
        telling.end();
        visit.await.unwrap();
    }

    #[tokio::test]
    async fn keys_are_kept_where_nobody_is_to_be_told() {
        let Visit {
            sfu: _sfu,
            mut ann,
            phone,
            mut telling,
            tells,
        } = begin(false).await;
        telling.key('1', 100);
        telling.state(State::Active);
        assert_eq!(next(&mut ann.events).await, "active");
        telling.key('2', 100);
        telling.end();
        // By then all that was to be told is told.
        tells.await.unwrap();
        let end = Data {
            content: Content::Message {
                topic: None,
                payload: Vec::new(),
            },
            ..Data::key('0', None)
        };
        phone.send(&end).await.unwrap();
        assert_eq!(next(&mut ann.events).await, format!("{:?}", end.content));
    }
}
