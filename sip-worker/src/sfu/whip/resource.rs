// SPDX-License-Identifier: MPL-2.0
//! One session at a server: made by a POST, changed by PATCH, ended by DELETE, and looked after in between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::Server;
use super::answer::{Made, Posted, SDP, SDPFRAG};
use super::fragment::Origin;
use super::http::{Ask, Failure, Wire};
use crate::sfu::{Candidate, SfuError};

/// How often a server is asked whether it still has a session; one that closes its connection is asked at once.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// A server that closes connections soon is not asked more often than this.
const ASK_AT_MOST_EVERY: Duration = Duration::from_secs(2);
/// A server that cannot be reached is tried once more after so long.
const SECOND_TRY: Duration = Duration::from_millis(500);
/// So long it counts, for all sessions there, whether a server takes connections: however many rest, it is tried only
/// a few times in a second.
const TRIED_WITHIN: Duration = Duration::from_millis(250);
/// A server that dies closes one socket after the other: it may take connections for so long after it closed
/// one.
const DIES_WITHIN: Duration = Duration::from_millis(100);

/// What a POST is for.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) endpoint: Url,
    pub(super) room: String,
    /// The word for it in errors: `whip` or `whep`.
    pub(super) request: &'static str,
    /// None: WHEP as its first drafts had it, where the server offers.
    pub(super) offer: Option<String>,
}

/// What came of a POST.
pub(super) enum Begun {
    /// The session, and the server's answer.
    Answered(Arc<Resource>, String),
    /// The session, and what the server offers in the place of our offer.
    Offered(Arc<Resource>, String),
    NotAcceptable,
}

/// A session. Ended when dropped.
pub(super) struct Resource {
    server: Arc<Server>,
    url: Url,
    /// Of the endpoint that made it.
    home: url::Origin,
    etag: Option<HeaderValue>,
    /// Until the server says that it does not.
    patches: AtomicBool,
    ours: Mutex<Origin>,
    ended: AtomicBool,
}

/// Asks for a session. One that is made when nobody waits for it any more is ended again.
pub(super) async fn begin(server: &Arc<Server>, post: Post) -> Result<Begun, SfuError> {
    let (sender, begun) = oneshot::channel();
    let posting = server.clone();
    tokio::spawn(async move {
        // What nobody takes is dropped.
        let _ = sender.send(posted(&posting, post).await);
    });
    begun.await.unwrap_or_else(|_| {
        Err(SfuError::Lost {
            sfu: server.config.name.clone(),
            reason: "what asked it broke down".to_owned(),
        })
    })
}

async fn posted(server: &Arc<Server>, post: Post) -> Result<Begun, SfuError> {
    let about = server.about(&post.room, post.request, &post.endpoint);
    let ask = Ask::of_endpoint(Method::POST, post.endpoint.clone());
    let accepted = HeaderValue::from_static(SDP);
    let ask = ask.header(header::ACCEPT, accepted);
    let ask = match &post.offer {
        Some(offer) => ask.with(SDP, offer.clone()),
        None => ask,
    };
    let reply = server.http.ask(ask).await;
    let reply = reply.map_err(|failure| about.failure(failure))?;
    let posted = about.posted(&reply)?;
    let resource = |made: &Made| {
        server.learn(made.stun.clone());
        Arc::new(Resource {
            server: server.clone(),
            url: made.url.clone(),
            home: post.endpoint.origin(),
            etag: made
                .etag
                .as_deref()
                .and_then(|tag| HeaderValue::from_str(tag).ok()),
            patches: AtomicBool::new(made.patches),
            ours: Mutex::new(post.offer.as_deref().map(Origin::of).unwrap_or_default()),
            ended: AtomicBool::new(false),
        })
    };
    Ok(match posted {
        Posted::Answered(made) if post.offer.is_none() => {
            Begun::Offered(resource(&made), made.description)
        }
        Posted::Answered(made) => Begun::Answered(resource(&made), made.description),
        Posted::Counter(made) => Begun::Offered(resource(&made), made.description),
        Posted::NotAcceptable => Begun::NotAcceptable,
    })
}

impl Resource {
    /// The last segment of its URL, which names it.
    pub(super) fn name(&self) -> String {
        let segments = self.url.path_segments();
        let last = segments.and_then(|mut all| all.rfind(|segment| !segment.is_empty()));
        last.unwrap_or_default().to_owned()
    }

    /// Answers what the server offered.
    pub(super) async fn answer(&self, room: &str, answer: &str) -> Result<(), SfuError> {
        let about = self.server.about(room, "answer", &self.url);
        let ask = self.patch(SDP, answer.to_owned());
        let reply = self.server.http.ask(ask).await;
        let reply = reply.map_err(|failure| about.failure(failure))?;
        if !reply.status.is_success() {
            return Err(about.refusal(&reply));
        }
        *self.ours.lock().unwrap_or_else(PoisonError::into_inner) = Origin::of(answer);
        Ok(())
    }

    /// Tells of a candidate, or that there are no more; not where the server takes none.
    pub(super) async fn trickle(
        &self,
        room: &str,
        candidate: Option<&Candidate>,
    ) -> Result<(), SfuError> {
        if !self.patches.load(Ordering::Relaxed) {
            return Ok(());
        }
        let about = self.server.about(room, "trickle", &self.url);
        let reply = self.server.http.ask(self.fragment(candidate)).await;
        let reply = reply.map_err(|failure| about.failure(failure))?;
        match reply.status {
            status if status.is_success() => Ok(()),
            StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                self.patches.store(false, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(about.refusal(&reply)),
        }
    }

    /// Ends it, and waits until the server has taken note. Goes on if nobody waits any more.
    pub(super) async fn end(&self) {
        if let Some(ending) = self.begin_to_end() {
            // It goes on without us where it breaks down.
            let _ = ending.await;
        }
    }

    fn begin_to_end(&self) -> Option<JoinHandle<()>> {
        if self.ended.swap(true, Ordering::AcqRel) {
            return None;
        }
        let server = self.server.clone();
        let ask = self.ask(Method::DELETE);
        let runtime = Handle::try_current().ok()?;
        Some(runtime.spawn(async move {
            let ended = server.http.ask(ask).await;
            match ended {
                Ok(reply) if reply.status.is_success() => {}
                // The server has forgotten it before.
                Ok(reply) if is_gone(reply.status) => {}
                Ok(reply) => {
                    tracing::debug!(sfu = server.config.name, status = %reply.status, "a session was not ended");
                }
                Err(failure) => {
                    tracing::debug!(sfu = server.config.name, ?failure, "a session was not ended");
                }
            }
        }))
    }

    /// Waits until the server is gone or has forgotten the session, and says which. A connection to the server
    /// is kept for that: when the server dies, it breaks at once.
    pub(super) async fn lost(&self) -> String {
        let mut tries = 0;
        let mut pause = ASK_AT_MOST_EVERY;
        loop {
            let began = Instant::now();
            let mut wire = match self.look().await {
                Ok(wire) => wire,
                Err(Trouble::Forgotten(status)) => {
                    return format!("the server knows our session no more: {status}");
                }
                Err(Trouble::Away(reason)) if tries > 0 => return reason,
                Err(Trouble::Away(_)) => {
                    tries += 1;
                    sleep(SECOND_TRY).await;
                    continue;
                }
            };
            tries = 0;
            if timeout(ASK_EVERY, wire.closed()).await.is_err() {
                pause = ASK_AT_MOST_EVERY;
                continue;
            }
            // Most likely it kept an idle connection for so long and no longer. A server that died does not
            // take another.
            sleep(DIES_WITHIN).await;
            match self.server.http.connect(&self.url).await {
                Err(_) => continue,
                Ok(_) if began.elapsed() < pause => {
                    self.rest(pause).await;
                    pause = (pause * 2).min(ASK_EVERY);
                }
                Ok(_) => pause = ASK_AT_MOST_EVERY,
            }
        }
    }

    /// Waits for so long, or until the server takes no connection any more.
    async fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            sleep(SECOND_TRY).await;
            if !self.server.takes_connections(&self.url, TRIED_WITHIN).await {
                return;
            }
        }
    }

    /// Connects and asks for the session.
    async fn look(&self) -> Result<Wire, Trouble> {
        let http = &self.server.http;
        let mut wire = http.connect(&self.url).await.map_err(Trouble::from)?;
        let patches = self.patches.load(Ordering::Relaxed);
        // That there are no more candidates changes nothing, however often it is said.
        let ask = match patches {
            true => self.fragment(None),
            false => self.ask(Method::OPTIONS),
        };
        let reply = match http.ask_by(&mut wire, &ask).await {
            Ok(reply) => reply,
            // Of what it says to this nothing depends on, as long as it is there.
            Err(Failure::Nonsense(_)) => return Ok(wire),
            Err(failure) => return Err(failure.into()),
        };
        match reply.status {
            status if patches && is_gone(status) => Err(Trouble::Forgotten(status)),
            // Of a proxy that has lost who is behind it.
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Trouble::Away(format!(
                "the server answers {}",
                reply.status
            ))),
            _ => Ok(wire),
        }
    }

    fn fragment(&self, candidate: Option<&Candidate>) -> Ask {
        let ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = self.patch(SDPFRAG, ours.fragment(candidate));
        match &self.etag {
            Some(etag) => ask.header(header::IF_MATCH, etag.clone()),
            None => ask,
        }
    }

    fn patch(&self, kind: &'static str, body: String) -> Ask {
        self.ask(Method::PATCH).with(kind, body)
    }

    fn ask(&self, method: Method) -> Ask {
        Ask::of_session(method, self.url.clone(), self.home.clone())
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        // It goes on by itself.
        drop(self.begin_to_end());
    }
}

enum Trouble {
    Away(String),
    Forgotten(StatusCode),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Away(match failure {
            Failure::Unreachable(reason) => format!("the server cannot be reached: {reason}"),
            Failure::Late => "the server does not answer".to_owned(),
            Failure::Nonsense(reason) => format!("the server speaks no HTTP: {reason}"),
        })
    }
}

fn is_gone(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}
