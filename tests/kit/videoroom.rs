// SPDX-License-Identifier: MPL-2.0
//! Janus' VideoRoom by its own API, for what no participant can ask of it.

use crate::janus::Janus;
use anyhow::{Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const PATIENCE: Duration = Duration::from_secs(5);

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Value>>>>;

/// A handle of the plugin. It lasts as long as this.
pub struct VideoRoom {
    session: Value,
    handle: Value,
    requests: mpsc::UnboundedSender<Message>,
    waiting: Waiting,
    transactions: AtomicU64,
}

impl VideoRoom {
    /// Opens one, and tells `note` whatever the plugin says, asked or unasked.
    pub async fn open(janus: &Janus, note: impl Fn(&Value) + Send + 'static) -> Result<VideoRoom> {
        let mut request = janus.url().into_client_request()?;
        let protocol = "janus-protocol".parse()?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        let (mut sink, mut stream) = socket.split();
        let (requests, mut outbox) = mpsc::unbounded_channel::<Message>();
        tokio::spawn(async move {
            while let Some(message) = outbox.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
        });
        let waiting = Waiting::default();
        let told = waiting.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let text = message.to_text().unwrap_or_default();
                let said = serde_json::from_str::<Value>(text).unwrap_or_default();
                if said["janus"] == "ack" {
                    continue;
                }
                note(&said["plugindata"]["data"]);
                let transaction = said["transaction"].as_str().unwrap_or_default();
                let asked = told
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(transaction);
                if let Some(asked) = asked {
                    let _ = asked.send(said);
                }
            }
        });
        let mut room = VideoRoom {
            session: Value::Null,
            handle: Value::Null,
            requests,
            waiting,
            transactions: AtomicU64::new(0),
        };
        room.session = room.ask(json!({"janus": "create"})).await?["data"]["id"].clone();
        let attach = json!({"janus": "attach", "plugin": "janus.plugin.videoroom"});
        room.handle = room.ask(attach).await?["data"]["id"].clone();
        Ok(room)
    }

    async fn ask(&self, mut request: Value) -> Result<Value> {
        let transaction = self
            .transactions
            .fetch_add(1, Ordering::Relaxed)
            .to_string();
        request["transaction"] = transaction.clone().into();
        for (name, id) in [("session_id", &self.session), ("handle_id", &self.handle)] {
            if !id.is_null() {
                request[name] = id.clone();
            }
        }
        let (sender, answer) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(transaction, sender);
        self.requests.send(Message::text(request.to_string()))?;
        Ok(tokio::time::timeout(PATIENCE, answer).await??)
    }

    /// Asks the plugin, and returns what it says to that.
    pub async fn message(&self, body: Value) -> Result<Value> {
        let answer = self.ask(json!({"janus": "message", "body": body})).await?;
        let data = answer["plugindata"]["data"].clone();
        ensure!(
            data["error"].is_null() && !data.is_null(),
            "{body}: {answer}"
        );
        Ok(data)
    }

    /// Makes a room for so many who speak; they have to know the PIN if there is one.
    pub async fn create(&self, room: &str, publishers: u32, pin: Option<&str>) -> Result<()> {
        let mut create = json!({"request": "create", "room": room, "publishers": publishers,
            "audiocodec": "opus", "audiolevel_event": true, "notify_joining": true});
        if let Some(pin) = pin {
            create["pin"] = pin.into();
        }
        self.message(create).await.map(drop)
    }

    /// Destroys a room.
    pub async fn destroy(&self, room: &str) -> Result<()> {
        let destroy = json!({"request": "destroy", "room": room});
        self.message(destroy).await.map(drop)
    }

    /// The ids of all who are in a room.
    pub async fn participants(&self, room: &str) -> Result<Vec<String>> {
        let list = json!({"request": "listparticipants", "room": room});
        let told = self.message(list).await?;
        let there = told["participants"].as_array().into_iter().flatten();
        Ok(there
            .filter_map(|one| Some(one["id"].as_str()?.to_owned()))
            .collect())
    }
}
