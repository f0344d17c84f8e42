// SPDX-License-Identifier: MPL-2.0
//! Any server that speaks WHIP (RFC 9725) and WHEP: a phone speaks by the one and hears by the other.
//!
//! Neither knows rooms, names or who is there. A participant is one session of WHIP; what is heard are the
//! endpoints of WHEP that the configuration names, each of which is a track: either the same for all phones of
//! a room, or one of each participant's own, in which they hear everybody but themselves.
//!
//! - [`template`]: URLs of endpoints; [`answer`]: what answers mean; [`fragment`]: what a PATCH says
//! - [`http`]: one request and its answer; [`resource`]: a session at a server; [`session`]: a stay in a room

mod answer;
mod fragment;
mod hearing;
mod http;
mod resource;
mod session;
mod template;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use secrecy::SecretString;
use sip_ua::agent::Tls;
use tokio::time::Instant;
use url::Url;

use super::janus::OUTAGE_PATIENCE;
use super::{BoxFuture, Joined, Participant, Sfu, SfuError};
use answer::About;
use http::{Ask, Http};
pub use template::UrlTemplate;
use template::Values;

/// Where a phone speaks and hears, and how it is let in.
#[derive(Clone, Debug)]
pub struct WhipConfig {
    /// The name in the configuration.
    pub name: String,
    /// Where a phone speaks.
    pub whip: UrlTemplate,
    /// What it hears.
    pub whep: Vec<UrlTemplate>,
    /// Whose word counts for the certificate of an `https:`.
    pub tls: Tls,
    /// The bearer token.
    pub token: Option<SecretString>,
    /// How long a server may take to answer.
    pub patience: Duration,
    /// How long a call waits for it while it is away.
    pub outage_patience: Duration,
}

impl WhipConfig {
    pub fn new(name: impl Into<String>, whip: UrlTemplate, whep: Vec<UrlTemplate>) -> WhipConfig {
        WhipConfig {
            name: name.into(),
            whip,
            whep,
            tls: Tls::default(),
            token: None,
            patience: Duration::from_secs(5),
            outage_patience: OUTAGE_PATIENCE,
        }
    }
}

/// Between attempts at what failed last; doubles up to the longest. Calls in between are told at once rather
/// than each made to ask.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// An endpoint at which there is nothing to hear yet is asked less often.
const LONGEST_SILENCE: Duration = Duration::from_secs(2);

/// What all participants share.
struct Server {
    config: WhipConfig,
    http: Http,
    failures: Mutex<HashMap<Url, Setback>>,
    /// What a server told of where it sees us.
    stun: Mutex<Option<String>>,
    /// Whether they took a connection when they were last tried, by origin: once for all sessions there.
    tried: Mutex<HashMap<String, Arc<Tried>>>,
    /// Who of ours is in which room: servers cannot tell two of the same name apart.
    present: Mutex<HashSet<(String, String)>>,
}

/// A participant's place in a room.
struct Presence {
    server: Arc<Server>,
    who: (String, String),
}

impl Drop for Presence {
    fn drop(&mut self) {
        lock(&self.server.present).remove(&self.who);
    }
}

/// When it was last seen whether a server takes connections, and whether it does.
type Tried = tokio::sync::Mutex<Option<(Instant, bool)>>;

struct Setback {
    error: SfuError,
    until: Instant,
    pause: Duration,
}

impl Server {
    fn about<'a>(&'a self, room: &'a str, request: &'static str, endpoint: &'a Url) -> About<'a> {
        About {
            sfu: &self.config.name,
            room,
            token: self.config.token.as_ref(),
            request,
            endpoint,
            patience: self.http.patience(),
        }
    }

    fn seat(self: &Arc<Self>, values: &Values) -> Result<Presence, SfuError> {
        let who = (values.room.clone(), values.participant.clone());
        if !lock(&self.present).insert(who.clone()) {
            return Err(SfuError::Taken {
                sfu: self.config.name.clone(),
                room: who.0,
                participant: who.1,
            });
        }
        let server = self.clone();
        Ok(Presence { server, who })
    }

    /// Whether the server at `url` takes a connection. However many sessions want to know, it is tried no more than
    /// once in `every`.
    async fn takes_connections(&self, url: &Url, every: Duration) -> bool {
        let tried = {
            let mut all = lock(&self.tried);
            // Those that somebody waits for stay, and so do those that are still true.
            all.retain(|_, tried| {
                let last = tried.try_lock().ok();
                let stays = last
                    .as_deref()
                    .is_none_or(|last| last.is_some_and(|(at, _)| at.elapsed() < every));
                stays || Arc::strong_count(tried) > 1
            });
            let origin = url.origin().ascii_serialization();
            all.entry(origin).or_default().clone()
        };
        let mut last = tried.lock().await;
        match *last {
            Some((at, takes)) if at.elapsed() < every => takes,
            _ => {
                let takes = self.http.connect(url).await.is_ok();
                *last = Some((Instant::now(), takes));
                takes
            }
        }
    }

    /// Whether `endpoint` may be asked now: not soon after it failed.
    fn admits(&self, endpoint: &Url) -> Result<(), SfuError> {
        match lock(&self.failures).get(endpoint) {
            Some(setback) if Instant::now() < setback.until => Err(setback.error.clone()),
            _ => Ok(()),
        }
    }

    /// For how long `endpoint` is left alone from now on.
    fn rests(&self, endpoint: &Url) -> Duration {
        let failures = lock(&self.failures);
        let until = failures.get(endpoint).map(|setback| setback.until);
        until.map_or(Duration::ZERO, |until| until - Instant::now())
    }

    /// Takes note of how `endpoint` fared.
    fn fared(&self, endpoint: &Url, error: Option<&SfuError>, longest: Duration) {
        let mut failures = lock(&self.failures);
        let now = Instant::now();
        let Some(error) = error else {
            failures.remove(endpoint);
            return;
        };
        // Endpoints of calls that are over long since.
        failures.retain(|_, setback| setback.until + 10 * LONGEST_SILENCE > now);
        let before = failures.get(endpoint).map(|setback| setback.pause);
        let pause = before.map_or(FIRST_PAUSE, |before| (before * 2).min(longest));
        failures.insert(
            endpoint.clone(),
            Setback {
                error: error.clone(),
                until: now + pause,
                pause,
            },
        );
    }

    fn learn(&self, stun: Option<String>) {
        if stun.is_some() {
            *lock(&self.stun) = stun;
        }
    }

    /// The URL of an endpoint for this participant.
    fn url(&self, template: &UrlTemplate, values: &Values) -> Result<Url, SfuError> {
        template.fill(values).ok_or_else(|| SfuError::NoSuchRoom {
            sfu: self.config.name.clone(),
            room: values.room.clone(),
            detail: "the name cannot stand in a URL".to_owned(),
        })
    }

    /// Is somebody there? What an OPTIONS says of the endpoint itself (RFC 9725 section 4.2) differs from server
    /// to server; that there is no server does not.
    async fn greet(&self, room: &str, endpoint: &Url) -> Result<(), SfuError> {
        let mut place = endpoint.clone();
        // Who speaks there and where exactly makes no difference to that.
        place.set_path("");
        place.set_query(None);
        self.admits(&place)?;
        // An operator knows it by the key that it stands under.
        let about = self.about(room, "whip", endpoint);
        let reply = self
            .http
            .ask(Ask::of_endpoint(Method::OPTIONS, endpoint.clone()))
            .await;
        let greeted = match reply {
            Ok(reply) => {
                self.learn(answer::stun(&reply));
                match reply.status {
                    StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT => Err(about.refusal(&reply)),
                    _ => Ok(()),
                }
            }
            Err(failure) => Err(about.failure(failure)),
        };
        self.fared(&place, greeted.as_ref().err(), LONGEST_PAUSE);
        greeted
    }
}

/// The connector.
pub struct Whip {
    server: Arc<Server>,
}

impl Whip {
    /// Nothing is connected before it is needed.
    pub fn new(config: WhipConfig) -> Whip {
        let http = Http::new(config.tls.clone(), config.token.as_ref(), config.patience);
        Whip {
            server: Arc::new(Server {
                config,
                http,
                failures: Mutex::default(),
                stun: Mutex::default(),
                tried: Mutex::default(),
                present: Mutex::default(),
            }),
        }
    }
}

impl Sfu for Whip {
    fn name(&self) -> &str {
        &self.server.config.name
    }

    fn outage_patience(&self) -> Duration {
        self.server.config.outage_patience
    }

    fn is_heard_alike(&self) -> bool {
        !self.server.config.whep.iter().any(UrlTemplate::is_personal)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SfuError>> {
        Box::pin(async {
            let origin = self.server.config.whip.origin();
            let origin = origin.ok_or_else(|| SfuError::Unsupported {
                sfu: self.server.config.name.clone(),
                what: "be reached at its URL",
            })?;
            let reached = self.server.http.connect(&origin).await;
            let about = self.server.about("", "connect", &origin);
            reached.map(drop).map_err(|failure| about.failure(failure))
        })
    }

    fn join(&self, room: &str, who: Participant) -> BoxFuture<'_, Result<Joined, SfuError>> {
        let (server, room) = (self.server.clone(), room.to_owned());
        Box::pin(async move {
            let values = Values {
                room,
                participant: who.id.clone(),
                name: who.name.clone(),
                number: who
                    .attributes
                    .get("sip.phoneNumber")
                    .cloned()
                    .unwrap_or_default(),
                session: String::new(),
            };
            let endpoint = server.url(&server.config.whip, &values)?;
            let presence = server.seat(&values)?;
            server.greet(&values.room, &endpoint).await?;
            Ok(session::join(server, endpoint, values, presence))
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_server_is_tried_once_for_all_sessions() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url: Url = format!("http://{address}/session").parse().unwrap();
        let (tell, mut taken) = mpsc::unbounded_channel();
        let there = tokio::spawn(async move {
            while let Ok((_, from)) = listener.accept().await {
                let _ = tell.send(from);
            }
        });
        let whip = Whip::new(WhipConfig::new("main", UrlTemplate::nowhere(), Vec::new()));
        let long = Duration::from_secs(3600);
        let mut asking = JoinSet::new();
        for _ in 0..50 {
            let (server, url) = (whip.server.clone(), url.clone());
            asking.spawn(async move { server.takes_connections(&url, long).await });
        }
        assert!(asking.join_all().await.iter().all(|takes| *takes));
        assert!(taken.recv().await.is_some());
        let next = TcpStream::connect(address).await.unwrap();
        assert_eq!(taken.recv().await, next.local_addr().ok(), "tried twice");
        there.abort();
        // Its socket is closed with it.
        assert!(there.await.is_err());
        assert!(whip.server.takes_connections(&url, long).await, "as before");
        assert!(!whip.server.takes_connections(&url, Duration::ZERO).await);
    }
}
