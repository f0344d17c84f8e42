// SPDX-License-Identifier: MPL-2.0
//! One WebSocket to a Janus, and on it one session, shared by all calls.
//!
//! A task owns the socket. Everybody else sends it commands; it ends with the last of them. When the socket breaks and
//! Janus lives, the task connects once more and claims the session (`reclaim_session_timeout` of Janus' core has to be
//! set for that): its media go on, and nobody hears of it but those who were waiting for an answer.

mod claim;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sip_ua::agent::{ClientConfig, Tls};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use super::JanusConfig;
use super::message::{self, HandleEvent, Incoming, Refusal, Reply, code};
use crate::sfu::SfuError;

const VIDEOROOM: &str = "janus.plugin.videoroom";
/// No message of Janus' is near this.
const LARGEST_MESSAGE: usize = 4 << 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What happens to handles, with the handle it happens to.
pub(super) type HandleEvents = mpsc::UnboundedSender<(u64, HandleEvent)>;

/// A session with a Janus.
pub(super) struct Connection {
    config: Arc<JanusConfig>,
    commands: mpsc::UnboundedSender<Command>,
    /// Why it ended, once it has.
    lost: watch::Receiver<Option<String>>,
}

enum Command {
    Request {
        body: Value,
        answer: oneshot::Sender<Result<Reply, Refusal>>,
        /// For `attach`: where the new handle's events go.
        events: Option<HandleEvents>,
    },
    Detach(u64),
}

impl Connection {
    /// Connects and creates the session.
    pub(super) async fn open(config: Arc<JanusConfig>) -> Result<Arc<Connection>, SfuError> {
        let socket = tokio::time::timeout(config.patience, connect(&config))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {:?}", config.patience)))
            .map_err(|reason| SfuError::Unreachable {
                sfu: config.name.clone(),
                url: config.url.clone(),
                reason,
            })?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let (lost, watcher) = watch::channel(None);
        let (sink, stream) = socket.split();
        let actor = Actor {
            config: config.clone(),
            sink,
            session: None,
            next_transaction: 0,
            pending: HashMap::new(),
            handles: HashMap::new(),
            detaching: HashMap::new(),
            heard: Instant::now(),
        };
        tokio::spawn(actor.run(stream, receiver, lost));
        let connection = Arc::new(Connection {
            config,
            commands,
            lost: watcher,
        });
        connection
            .request("create", json!({"janus": "create"}))
            .await?;
        Ok(connection)
    }

    pub(super) fn config(&self) -> &JanusConfig {
        &self.config
    }

    pub(super) fn is_alive(&self) -> bool {
        self.lost.borrow().is_none()
    }

    /// A new handle of VideoRoom. Its events go to `events`.
    pub(super) async fn attach(self: &Arc<Self>, events: HandleEvents) -> Result<Handle, SfuError> {
        let connection = self.clone();
        // In a task of its own: whenever the caller gives up, somebody owns the handle and drops it.
        let attached = tokio::spawn(async move {
            let body = json!({"janus": "attach", "plugin": VIDEOROOM});
            let reply = connection.ask("attach", body, Some(events)).await?;
            let id = reply.id.ok_or_else(|| SfuError::Nonsense {
                sfu: connection.config.name.clone(),
                request: "attach",
                reason: "no handle in its answer".to_owned(),
            })?;
            Ok(Handle { connection, id })
        });
        attached.await.unwrap_or_else(|e| {
            Err(SfuError::Lost {
                sfu: self.config.name.clone(),
                reason: e.to_string(),
            })
        })
    }

    /// Sends a request of Janus' core and waits for the answer.
    async fn request(&self, request: &'static str, body: Value) -> Result<Reply, SfuError> {
        self.ask(request, body, None).await
    }

    async fn ask(
        &self,
        request: &'static str,
        body: Value,
        events: Option<HandleEvents>,
    ) -> Result<Reply, SfuError> {
        let (answer, receiver) = oneshot::channel();
        // A connection that is over drops the command, and with it the answer's sender.
        let _ = self.commands.send(Command::Request {
            body,
            answer,
            events,
        });
        let sfu = self.config.name.clone();
        match tokio::time::timeout(self.config.patience, receiver).await {
            Ok(Ok(Ok(reply))) => Ok(reply),
            Ok(Ok(Err(refusal))) => Err(refused(sfu, request, refusal)),
            Ok(Err(_)) => Err(SfuError::Lost {
                sfu,
                reason: self
                    .lost
                    .borrow()
                    .clone()
                    .unwrap_or_else(|| "it is closed".to_owned()),
            }),
            Err(_) => Err(SfuError::Timeout {
                sfu,
                request,
                after: self.config.patience,
            }),
        }
    }
}

/// What a refusal means where the room does not matter.
fn refused(sfu: String, request: &'static str, refusal: Refusal) -> SfuError {
    let Refusal { code, reason } = refusal;
    match code {
        code::UNAUTHORIZED | code::TOKEN | code::ROOM_UNAUTHORIZED => {
            SfuError::Forbidden { sfu, reason }
        }
        code::NO_SUCH_PLUGIN => SfuError::Unsupported {
            sfu,
            what: "serve rooms: its VideoRoom plugin is not loaded",
        },
        _ => SfuError::Refused {
            sfu,
            request,
            code,
            reason,
        },
    }
}

/// A handle of VideoRoom. Dropping it detaches it, which takes its participant out of the room.
pub(super) struct Handle {
    connection: Arc<Connection>,
    id: u64,
}

impl Handle {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Sends VideoRoom a message, with a session description or without.
    pub(super) async fn message(
        &self,
        request: &'static str,
        mut body: Value,
        description: Option<(&str, &str)>,
    ) -> Result<Reply, SfuError> {
        body["request"] = request.into();
        let mut message = json!({"janus": "message", "handle_id": self.id, "body": body});
        if let Some((kind, sdp)) = description {
            // Our candidates are in the description.
            message["jsep"] = json!({"type": kind, "sdp": sdp, "trickle": false});
        }
        self.connection.request(request, message).await
    }

    pub(super) fn trickle(&self, candidate: Value) {
        let message = json!({"janus": "trickle", "handle_id": self.id, "candidate": candidate});
        // Answered by an ack alone, so that there is nothing to wait for.
        let (answer, _) = oneshot::channel();
        let _ = self.connection.commands.send(Command::Request {
            body: message,
            answer,
            events: None,
        });
    }

    /// Detaches it and waits until Janus has done so.
    pub(super) async fn detach(&self) -> Result<(), SfuError> {
        let body = json!({"janus": "detach", "handle_id": self.id});
        self.connection.request("detach", body).await.map(drop)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.connection.commands.send(Command::Detach(self.id));
    }
}

async fn connect(config: &JanusConfig) -> Result<Socket, String> {
    let mut request = config
        .url
        .as_str()
        .into_client_request()
        .map_err(|e| e.to_string())?;
    request.headers_mut().insert(
        "Sec-WebSocket-Protocol",
        HeaderValue::from_static("janus-protocol"),
    );
    let secure = config.url.starts_with("wss:");
    let tls = match secure {
        true => Some(Connector::Rustls(believed(config.tls.clone()).await?)),
        false => None,
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(LARGEST_MESSAGE))
        .max_frame_size(Some(LARGEST_MESSAGE));
    let no_delay = true;
    tokio_tungstenite::connect_async_tls_with_config(request, Some(limits), no_delay, tls)
        .await
        .map(|(socket, _)| socket)
        .map_err(|e| match e {
            Error::Io(e) if secure => Tls::refusal(&e),
            e => e.to_string(),
        })
}

/// Reads files, so not on a thread of the runtime.
async fn believed(tls: Tls) -> Result<Arc<ClientConfig>, String> {
    tokio::task::spawn_blocking(move || tls.client())
        .await
        .map_err(|e| e.to_string())?
}

struct Pending {
    answer: oneshot::Sender<Result<Reply, Refusal>>,
    events: Option<HandleEvents>,
    /// `create`, whose answer is our session.
    creates: bool,
}

struct Actor {
    config: Arc<JanusConfig>,
    sink: SplitSink<Socket, Message>,
    session: Option<u64>,
    next_transaction: u64,
    pending: HashMap<String, Pending>,
    handles: HashMap<u64, HandleEvents>,
    /// Handles that Janus has not let go yet, as far as we know, and the transaction that asks for it.
    detaching: HashMap<u64, Option<String>>,
    heard: Instant,
}

/// Why a socket is served no more.
enum End {
    /// It broke; the session may still be there.
    Broken(String),
    /// The session has ended.
    Over(String),
}

impl From<String> for End {
    fn from(reason: String) -> End {
        End::Broken(reason)
    }
}

impl Actor {
    async fn run(
        mut self,
        mut stream: SplitStream<Socket>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        lost: watch::Sender<Option<String>>,
    ) {
        let reason = loop {
            match self.serve(&mut stream, &mut commands).await {
                End::Over(reason) => break reason,
                End::Broken(reason) => match self.claim().await {
                    Ok(claimed) => {
                        tracing::info!(sfu = %self.config.name, reason, "the session at the SFU goes on by a new connection");
                        stream = claimed;
                    }
                    Err(why) => {
                        tracing::debug!(sfu = %self.config.name, why, "the session was not claimed");
                        break reason;
                    }
                },
            }
        };
        tracing::debug!(sfu = %self.config.name, reason, "connection to Janus ended");
        lost.send_replace(Some(reason.clone()));
        for (handle, events) in self.handles.drain() {
            let _ = events.send((handle, HandleEvent::Lost(reason.clone())));
        }
    }

    /// Has Janus let go of a handle. Returns the transaction.
    async fn detach(&mut self, id: u64) -> Result<String, String> {
        self.handles.remove(&id);
        self.detaching.insert(id, None);
        let posted = self
            .post(json!({"janus": "detach", "handle_id": id}))
            .await?;
        self.detaching.insert(id, Some(posted.clone()));
        Ok(posted)
    }

    /// Runs until the socket is of no use any more, and says why.
    async fn serve(
        &mut self,
        stream: &mut SplitStream<Socket>,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> End {
        let pause = self.config.keep_alive;
        let mut keep_alive = tokio::time::interval_at(Instant::now() + pause, pause);
        loop {
            let done = tokio::select! {
                message = stream.next() => match message {
                    None => Err(End::Broken("the SFU closed the connection".to_owned())),
                    Some(Err(e)) => Err(End::Broken(e.to_string())),
                    Some(Ok(message)) => self.receive(message).await,
                },
                command = commands.recv() => match command {
                    Some(command) => self.execute(command).await,
                    None => {
                        let _ = self.post(json!({"janus": "destroy"})).await;
                        let _ = tokio::time::timeout(self.config.patience, self.sink.close()).await;
                        Err(End::Over("closed by us".to_owned()))
                    }
                },
                _ = keep_alive.tick() => self.keep_alive().await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn keep_alive(&mut self) -> Result<(), End> {
        // Two answers are missing, and not merely late: it is taken for dead.
        let longest = self.config.keep_alive * 5 / 2;
        if self.heard.elapsed() > longest {
            let silent = format!("the SFU has been silent for {longest:?}");
            return Err(End::Broken(silent));
        }
        // Nobody waits any more for what timed out.
        self.pending
            .retain(|_, p| p.events.is_some() || !p.answer.is_closed());
        self.post(json!({"janus": "keepalive"})).await?;
        Ok(())
    }

    async fn execute(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Request {
                body,
                answer,
                events,
            } => {
                let creates = body["janus"] == "create";
                let detached = (body["janus"] == "detach").then(|| body["handle_id"].as_u64());
                let transaction = match detached.flatten() {
                    Some(id) => self.detach(id).await?,
                    None => self.post(body).await?,
                };
                let pending = Pending {
                    answer,
                    events,
                    creates,
                };
                if !pending.answer.is_closed() || pending.events.is_some() {
                    self.pending.insert(transaction, pending);
                }
            }
            Command::Detach(id) => {
                if self.handles.contains_key(&id) {
                    self.detach(id).await?;
                }
            }
        }
        Ok(())
    }

    /// Sends a message and returns its transaction.
    async fn post(&mut self, mut body: Value) -> Result<String, String> {
        self.next_transaction += 1;
        let transaction = self.next_transaction.to_string();
        body["transaction"] = transaction.as_str().into();
        if let Some(session) = self.session {
            body["session_id"] = session.into();
        }
        if let Some(secret) = &self.config.api_secret {
            body["apisecret"] = secret.expose_secret().into();
        }
        if let Some(token) = &self.config.token {
            body["token"] = token.expose_secret().into();
        }
        let sent = self.sink.send(Message::text(body.to_string()));
        match tokio::time::timeout(self.config.patience, sent).await {
            Ok(Ok(())) => Ok(transaction),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("the SFU takes no more messages".to_owned()),
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match &message {
            Message::Text(text) => text.as_str(),
            Message::Close(_) => {
                return Err(End::Broken("the SFU closed the connection".to_owned()));
            }
            _ => return Ok(()),
        };
        match message::read(text) {
            Ok(Incoming::Reply {
                transaction,
                outcome,
            }) => self.conclude(&transaction, outcome).await,
            Ok(Incoming::Event { handle, event }) => {
                let gone = event == HandleEvent::Detached;
                if let Some(events) = self.handles.get(&handle) {
                    let _ = events.send((handle, event));
                }
                if gone {
                    self.handles.remove(&handle);
                }
                Ok(())
            }
            Ok(Incoming::SessionEnded) => Err(End::Over("the SFU ended our session".to_owned())),
            Ok(Incoming::Other) => Ok(()),
            // One strange message is no reason to drop every call; whoever waits will time out.
            Err(problem) => {
                tracing::warn!(sfu = %self.config.name, problem, "nonsense from the SFU");
                Ok(())
            }
        }
    }

    async fn conclude(
        &mut self,
        transaction: &str,
        outcome: Result<Reply, Refusal>,
    ) -> Result<(), End> {
        self.detaching
            .retain(|_, asked| asked.as_deref() != Some(transaction));
        let Some(pending) = self.pending.remove(transaction) else {
            return Ok(());
        };
        let id = outcome.as_ref().ok().and_then(|reply| reply.id);
        if pending.creates {
            self.session = id;
        }
        let attached = pending.events.zip(id);
        if let Some((events, id)) = attached.clone() {
            self.handles.insert(id, events);
        }
        if pending.answer.send(outcome).is_err()
            && let Some((_, id)) = attached
        {
            // Whoever wanted this handle has given up.
            self.execute(Command::Detach(id)).await?;
        }
        Ok(())
    }
}
