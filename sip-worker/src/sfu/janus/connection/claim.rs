// SPDX-License-Identifier: MPL-2.0
//! The way back to a session whose socket broke.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::super::message::{self, HandleEvent, Incoming};
use super::{Actor, End, Socket, connect};

/// When its socket broke, a way back to Janus is looked for after so long, again and again …
const CLAIM_AFTER: Duration = Duration::from_millis(100);
/// … for so long, for a network may be away …
const CLAIM_WITHIN: Duration = Duration::from_secs(10);
/// … but who is turned away so often need not ask again: no Janus is there any more, and the calls are to know.
const TURNED_AWAY: u32 = 2;

impl Actor {
    /// Connects once more and claims the session.
    pub(super) async fn claim(&mut self) -> Result<SplitStream<Socket>, String> {
        if self.session.is_none() {
            return Err("there was none yet".to_owned());
        }
        // Their answers are lost.
        self.pending.clear();
        let until = Instant::now() + CLAIM_WITHIN;
        let mut turned_away = 0;
        let mut stream = loop {
            sleep(CLAIM_AFTER).await;
            let late = until.min(Instant::now() + self.config.patience);
            let connected = timeout_at(late, connect(&self.config)).await;
            match connected {
                Ok(Ok(socket)) => {
                    let (sink, stream) = socket.split();
                    self.sink = sink;
                    break stream;
                }
                Ok(Err(why)) => {
                    turned_away += 1;
                    if turned_away >= TURNED_AWAY {
                        return Err(why);
                    }
                }
                Err(_) if Instant::now() >= until => {
                    return Err(format!("there was no way to it for {CLAIM_WITHIN:?}"));
                }
                Err(_) => {}
            }
        };
        let claimed = timeout(self.config.patience, self.take_over(&mut stream)).await;
        claimed.unwrap_or_else(|_| Err("it did not answer".to_owned()))?;
        Ok(stream)
    }

    async fn take_over(&mut self, stream: &mut SplitStream<Socket>) -> Result<(), String> {
        let claim = self.post(json!({"janus": "claim"})).await?;
        loop {
            let message = stream.next().await;
            let message = message.ok_or("it closed the connection")?;
            let message = message.map_err(|error| error.to_string())?;
            if let Message::Text(text) = &message
                && let Ok(Incoming::Reply {
                    transaction,
                    outcome,
                }) = message::read(text.as_str())
                && transaction == claim
            {
                outcome.map_err(|refusal| refusal.reason)?;
                break;
            }
            if let Err(End::Broken(why) | End::Over(why)) = self.receive(message).await {
                return Err(why);
            }
        }
        self.heard = Instant::now();
        let detaching: Vec<u64> = self.detaching.keys().copied().collect();
        for id in detaching {
            self.detach(id).await?;
        }
        for (id, events) in &self.handles {
            // Whoever does not follow a handle misses nothing.
            let _ = events.send((*id, HandleEvent::Claimed));
        }
        Ok(())
    }
}
