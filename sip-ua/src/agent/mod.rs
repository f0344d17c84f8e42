// SPDX-License-Identifier: MPL-2.0
//! The user agent on real sockets: a tokio task around [`Endpoint`](crate::endpoint::Endpoint).

mod call;
mod command;
mod connection;
mod dial;
mod events;
mod instance;
mod names;
mod plain;
mod registering;
mod registration;
mod routes;
mod socket;
mod stream;
mod task;
mod tls;
mod watching;
mod websocket;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

pub use crate::dialog::{Refresher, SessionTimer};
pub use crate::endpoint::{
    CallEvent, CallId, End, EndCause, EndedBy, Limits, Reason, Screen, Transfer, TransferRequest,
    TransferTo, Verdict,
};
pub use crate::ladder::LadderStep;
pub use crate::transport::{Domain, Hop, Proof, Transport};
pub use call::{Call, CallEvents, CallHandle, IncomingCall, Instants};
pub use registration::{Registration, RegistrationConfig};
pub use tls::{Tls, TlsError, TlsFiles};
pub use tokio_rustls::rustls::ClientConfig;
pub use watching::Watch;

pub use crate::registrar::Binding;
pub use crate::registration::RegistrationState;
pub use crate::resolve::Fallen;
pub use crate::watch::{ServerState, WatchConfig, WatchState, WatchedServer};

use crate::digest::Credentials;
use crate::endpoint::{Endpoint, EndpointConfig};
use crate::registrar;
use crate::transaction::Timers;
use crate::wire::{Host, NameAddr, Uri};
use command::{Command, Commands};
use names::Names;
use routes::Routes;
use socket::Socket;
use task::{Task, Told};

/// One address to listen on. Port 0 takes a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listen {
    pub transport: Transport,
    pub addr: SocketAddr,
}

/// `udp:0.0.0.0:5060`.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.addr)
    }
}

/// What an agent is made of.
#[derive(Clone)]
pub struct AgentConfig {
    /// At least one.
    pub listen: Vec<Listen>,
    /// The IP address or host name that Contact and Via say. Default: the local address towards the
    /// peer.
    pub advertise: Option<String>,
    /// The User-Agent and Server headers.
    pub user_agent: String,
    pub screen: Screen,
    pub limits: Limits,
    /// Of calls in, and of calls out that say nothing else.
    pub session_timer: SessionTimer,
    /// Whether early media is described in a reliable provisional response where the caller supports
    /// those (RFC 3262). Where it requires them all are reliable.
    pub reliable_early_media: bool,
    /// Certificates and keys. A `tls:` or `wss:` listener needs one.
    pub tls: Tls,
    /// The name servers to ask; empty: those of the system.
    pub nameservers: Vec<SocketAddr>,
    /// Where users may register whom the screen lets in; REGISTER is refused without.
    pub registrar: Option<registrar::Config>,
    /// The URN by which registrars know this user agent from all others (RFC 5626 §4.1). Default: one
    /// of this machine and the first listener.
    pub instance: Option<String>,
}

impl Default for AgentConfig {
    /// Listens on a free port of loopback, and nobody may call.
    fn default() -> Self {
        AgentConfig {
            listen: vec![Listen {
                transport: Transport::Udp,
                addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            }],
            advertise: None,
            user_agent: concat!("sipbridge/", env!("CARGO_PKG_VERSION")).to_owned(),
            screen: Arc::new(|_, _| Verdict::Silent),
            limits: Limits::default(),
            session_timer: SessionTimer::default(),
            reliable_early_media: true,
            tls: Tls::default(),
            nameservers: Vec::new(),
            registrar: None,
            instance: None,
        }
    }
}

/// A call to make.
#[derive(Debug, Clone)]
pub struct OutgoingCall {
    /// The Request-URI and the To header.
    pub to: Uri,
    /// The From header; a tag is added.
    pub from: NameAddr,
    /// The servers that the INVITE may be sent to, best first: the next one gets it where one is down
    /// (RFC 3263 §4.3). Empty: those of the host of `to`.
    pub next_hops: Vec<Hop>,
    /// The proxies that the INVITE must pass, nearest first: a pre-loaded route (RFC 3261 §8.1.2).
    /// Without `next_hops` it goes to the first, and those that the registrar of `from` named come after them
    /// (Service-Route, RFC 3608).
    pub route: Vec<NameAddr>,
    /// More headers. The ones that the user agent writes itself are refused.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Our SDP; without it the far end is asked for its own.
    pub offer: Option<Vec<u8>>,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
    /// How long it may ring before the call is cancelled.
    pub ring_timeout: Duration,
    /// Session timers (RFC 4028); without it the agent's.
    pub session_timer: Option<SessionTimer>,
    /// Whether 300 to 302 send the call on to whom they name, a few times at most. Whoever is named so
    /// gets the call, and answers to its challenges: it is for far ends that are trusted with both.
    pub follow_redirects: bool,
}

impl OutgoingCall {
    /// A call without an offer, headers or credentials, which may ring for a minute.
    pub fn new(to: Uri, from: NameAddr) -> OutgoingCall {
        OutgoingCall {
            to,
            from,
            next_hops: Vec::new(),
            route: Vec::new(),
            headers: Vec::new(),
            offer: None,
            credentials: None,
            ring_timeout: Duration::from_secs(60),
            session_timer: None,
            follow_redirects: false,
        }
    }
}

/// Why an agent could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    #[error("no address to listen on")]
    NoListener,
    #[error("cannot listen on {listen}: there is no certificate")]
    NoCertificate { listen: Listen },
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        listen: Listen,
        source: std::io::Error,
    },
    #[error("`advertise` is neither an IP address nor a host name: {0:?}")]
    Advertise(String),
    #[error("`user_agent` holds a line break or another control character")]
    UserAgent,
    #[error("`instance` is no URN: {0:?}")]
    Instance(String),
    #[error("no local address leads to {remote}: {source}")]
    NoRoute {
        remote: IpAddr,
        source: std::io::Error,
    },
}

/// What an agent holds at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AgentStats {
    /// Calls that are being set up, up, or being taken down.
    pub calls: usize,
    /// Dialogs, early ones included.
    pub dialogs: usize,
    /// Transactions that we started.
    pub client_transactions: usize,
    /// Transactions that others started.
    pub server_transactions: usize,
    /// Datagrams that were no SIP message.
    pub garbage: u64,
    /// Requests that the screen met with silence.
    pub silenced: u64,
    /// Connections, TCP and what stands on it, either way.
    pub connections: usize,
}

impl AgentStats {
    /// What takes memory, all together.
    pub fn load(&self) -> usize {
        let transactions = self.client_transactions + self.server_transactions;
        self.calls + self.dialogs + transactions + self.connections
    }
}

/// One of the servers that a URI leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub hop: Hop,
    /// It failed, and others are tried first for a while.
    pub down: Option<Fallen>,
}

/// A user agent on its sockets. Clones share it; it closes with [`close`](Agent::close), or when the
/// last clone, the last call and the last registration are dropped.
#[derive(Clone)]
pub struct Agent {
    inner: Arc<Inner>,
}

struct Inner {
    /// At least one.
    listeners: Vec<Hop>,
    commands: Commands,
    routes: Routes,
    names: Names,
    stats: watch::Receiver<AgentStats>,
    bindings: watch::Receiver<Bindings>,
    fallen: watch::Receiver<Vec<Fallen>>,
    service_routes: watch::Receiver<ServiceRoutes>,
}

/// The addresses that are registered with a Service-Route, and that.
type ServiceRoutes = Vec<(Uri, Vec<NameAddr>)>;

/// The bindings of all users at one moment, those of each user with the newest first.
pub type Bindings = Arc<BTreeMap<String, Vec<Binding>>>;

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands.send(Command::Retire);
    }
}

impl Agent {
    /// Binds the listeners and starts the task. Calls that nobody takes from the receiver while 512
    /// are waiting get 503.
    pub async fn bind(
        config: AgentConfig,
    ) -> Result<(Agent, mpsc::Receiver<IncomingCall>), AgentError> {
        let advertise = match &config.advertise {
            Some(text) => Some(host_of(text)?),
            None => None,
        };
        if config.user_agent.chars().any(char::is_control) {
            return Err(AgentError::UserAgent);
        }
        if let Some(instance) = config.instance.as_ref().filter(|text| !is_urn(text)) {
            return Err(AgentError::Instance(instance.clone()));
        }
        if !config.tls.has_certificate()
            && let Some(listen) = config.listen.iter().find(|at| at.transport.is_secure())
        {
            return Err(AgentError::NoCertificate { listen: *listen });
        }
        let sockets = Sockets::open(&config.listen, config.tls)?;
        let listeners = sockets.listeners.clone();
        let instance = config.instance.or_else(|| {
            let first = listeners.first()?;
            Some(instance::of_this_machine(first.addr))
        });
        let endpoint = Endpoint::new(EndpointConfig {
            advertise,
            user_agent: config.user_agent,
            listeners: listeners.clone(),
            screen: config.screen,
            limits: config.limits,
            registrar: config.registrar,
            timers: Timers::default(),
            session_timer: config.session_timer,
            reliable_early_media: config.reliable_early_media,
            instance,
            seed: None,
        });
        let (commands, inbox) = Commands::new();
        let (incoming, calls) = mpsc::channel(INCOMING_WAITING);
        let (stats_sender, stats) = watch::channel(AgentStats::default());
        let (bindings_sender, bindings) = watch::channel(Bindings::default());
        let (fallen_sender, fallen) = watch::channel(Vec::new());
        let (routes_sender, service_routes) = watch::channel(ServiceRoutes::default());
        let names = Names::new(config.nameservers, &listeners);
        let routes = Routes::new(config.listen.iter().map(|listen| listen.addr));
        let task = Task::new(
            endpoint,
            sockets,
            (routes.clone(), names.clone()),
            commands.clone(),
            incoming,
            Told {
                stats: stats_sender,
                bindings: bindings_sender,
                fallen: fallen_sender,
                service_routes: routes_sender,
            },
        );
        tokio::spawn(task.run(inbox));
        let inner = Inner {
            listeners,
            commands,
            routes,
            names,
            stats,
            bindings,
            fallen,
            service_routes,
        };
        Ok((
            Agent {
                inner: Arc::new(inner),
            },
            calls,
        ))
    }

    /// The address of the first listener.
    pub fn local_addr(&self) -> SocketAddr {
        let first = self.inner.listeners.first();
        first.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |hop| hop.addr)
    }

    /// The addresses listened on, in the order of [`AgentConfig::listen`].
    pub fn listeners(&self) -> &[Hop] {
        &self.inner.listeners
    }

    /// The address of ours that a far end at `remote` sees: what SDP should say where nothing is
    /// advertised.
    pub fn local_ip_towards(&self, remote: IpAddr) -> Result<IpAddr, AgentError> {
        self.inner.routes.local_ip_towards(remote)
    }

    /// Makes a call. What goes wrong, from a bad header to no answer, is told by its events.
    ///
    /// Must be called within a tokio runtime.
    pub fn dial(&self, call: OutgoingCall) -> Call {
        let mut call = call;
        if call.next_hops.is_empty() {
            call.route = self.by_service_route(&call.from.uri, call.route);
        }
        dial::dial(&self.inner.commands, &self.inner.names, call)
    }

    /// The proxies that a call of this address is to pass, nearest first: those of `route`, and then those that
    /// its registrar named (Service-Route, RFC 3608), or that of the only address registered at its host. [`dial`](Self::dial) does so by itself where it is not told
    /// where to send.
    pub fn by_service_route(&self, from: &Uri, mut route: Vec<NameAddr>) -> Vec<NameAddr> {
        let routes = self.inner.service_routes.borrow();
        let same_host = |(aor, _): &&(Uri, Vec<NameAddr>)| aor.host == from.host;
        let same_user =
            |(aor, _): &&(Uri, Vec<NameAddr>)| aor.user_decoded() == from.user_decoded();
        let mut at_host = routes.iter().filter(same_host);
        let of_address = at_host.clone().find(same_user).or_else(|| {
            // An account of a carrier's calls by its numbers.
            let only = at_host.next()?;
            at_host.next().is_none().then_some(only)
        });
        for proxy in of_address.map_or(&[][..], |(_, proxies)| proxies) {
            // Registered by an outbound proxy, calls are sent back to it first.
            if !route.iter().any(|known| known.uri == proxy.uri) {
                route.push(proxy.clone());
            }
        }
        route
    }

    /// The servers that a `sip:` or `sips:` URI leads to, best first and at least one (RFC 3263); those
    /// that no address of ours leads to are left out.
    /// `tel:` and what asks for a transport that is not spoken here lead nowhere.
    ///
    /// Must be called within a tokio runtime.
    pub async fn resolve(&self, uri: &Uri) -> Result<Vec<Hop>, String> {
        let found = self.inner.names.resolve(uri).await?;
        let (usable, others): (Vec<Hop>, Vec<Hop>) = found
            .into_iter()
            .partition(|hop| self.can_reach(hop.addr.ip()));
        // Where none is, whoever tries says why.
        Ok(if usable.is_empty() { others } else { usable })
    }

    fn can_reach(&self, ip: IpAddr) -> bool {
        let listeners = &self.inner.listeners;
        let family = |hop: &Hop| hop.addr.is_ipv4() == ip.is_ipv4();
        listeners.iter().any(family) && self.local_ip_towards(ip).is_ok()
    }

    /// What a URI led to when it was looked up last, and which of these servers is down. Calls go to
    /// the first that is not.
    pub fn servers(&self, uri: &Uri) -> Vec<Server> {
        let (now, fallen) = (Instant::now(), self.inner.fallen.borrow());
        let found = self.inner.names.found_last(uri).into_iter();
        let is = |hop: &Hop, other: &Fallen| {
            (hop.transport, hop.addr) == (other.hop.transport, other.hop.addr) && other.until > now
        };
        let server = |hop| Server {
            hop,
            down: fallen.iter().find(|other| is(&hop, other)).cloned(),
        };
        found.map(server).collect()
    }

    /// Registers, and stays registered until the registration is dropped or the agent is closed.
    ///
    /// Must be called within a tokio runtime.
    pub fn register(&self, config: RegistrationConfig) -> Registration {
        Registration::begin(&self.inner.commands, config)
    }

    /// Watches the servers that a URI leads to, until the watch is dropped or the agent is closed. One that is
    /// down is not tried first by calls until it answers again.
    ///
    /// Must be called within a tokio runtime.
    pub fn watch(&self, config: WatchConfig) -> Watch {
        Watch::begin(&self.inner.commands, config)
    }

    /// Where a user who registered here can be reached, the newest binding first.
    pub fn bindings(&self, user: &str) -> Vec<Binding> {
        let bindings = self.inner.bindings.borrow();
        bindings.get(user).cloned().unwrap_or_default()
    }

    /// Follows the bindings of all users.
    pub fn watch_bindings(&self) -> watch::Receiver<Bindings> {
        self.inner.bindings.clone()
    }

    /// Hangs up every call, takes every registration back, waits for the answers as long as `patience` allows, and releases the
    /// sockets.
    pub async fn close(&self, patience: Duration) {
        let (done, closed) = oneshot::channel();
        self.inner.commands.send(Command::Close { patience, done });
        // An error means that the task is gone already.
        let _ = closed.await;
    }

    pub fn stats(&self) -> AgentStats {
        *self.inner.stats.borrow()
    }
}

/// The open sockets of an agent.
struct Sockets {
    listeners: Vec<Hop>,
    udp: Vec<Socket>,
    streams: Vec<(Transport, TcpListener)>,
    /// What some of them show and believe.
    tls: Tls,
}

impl Sockets {
    fn open(listen: &[Listen], tls: Tls) -> Result<Sockets, AgentError> {
        let mut sockets = Sockets {
            listeners: Vec::new(),
            udp: Vec::new(),
            streams: Vec::new(),
            tls,
        };
        for listen in listen {
            let opened = match sockets.shared_port(*listen) {
                // Somebody else may have it.
                Some(shared) => sockets
                    .open_one(shared)
                    .or_else(|_| sockets.open_one(*listen)),
                None => sockets.open_one(*listen),
            };
            let addr = opened.map_err(|source| AgentError::Bind {
                listen: *listen,
                source,
            })?;
            sockets.listeners.push(Hop::new(listen.transport, addr));
        }
        match sockets.listeners.is_empty() {
            true => Err(AgentError::NoListener),
            false => Ok(sockets),
        }
    }

    /// Where any port will do: the one that another transport already has at this address, for
    /// people expect to find both there.
    fn shared_port(&self, listen: Listen) -> Option<Listen> {
        let other = self.listeners.iter().find(|other| {
            let kinds = [other.transport, listen.transport].map(|kind| kind == Transport::Udp);
            kinds[0] != kinds[1] && other.addr.ip() == listen.addr.ip()
        })?;
        (listen.addr.port() == 0).then_some(Listen {
            addr: other.addr,
            ..listen
        })
    }

    fn open_one(&mut self, listen: Listen) -> std::io::Result<SocketAddr> {
        match listen.transport {
            Transport::Udp => {
                let socket = Socket::open(listen.addr)?;
                let addr = socket.local_addr();
                self.udp.push(socket);
                Ok(addr)
            }
            transport => {
                let listener = stream::listen(listen.addr)?;
                let addr = listener.local_addr()?;
                self.streams.push((transport, listener));
                Ok(addr)
            }
        }
    }
}

/// Calls that may wait to be taken from the receiver: those of a tenth of a second in which the machine
/// did something else, at some thousands a second.
const INCOMING_WAITING: usize = 512;

/// As far as it matters within `+sip.instance="<…>"`.
fn is_urn(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !"<>\"\\".contains(c);
    text.len() > 4 && text.as_bytes().starts_with(b"urn:") && text.chars().all(plain)
}

fn host_of(text: &str) -> Result<Host, AgentError> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Host::from(ip));
    }
    Host::parse(text.as_bytes()).ok_or_else(|| AgentError::Advertise(text.to_owned()))
}
