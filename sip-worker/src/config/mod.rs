// SPDX-License-Identifier: MPL-2.0
//! The configuration file, `sip-worker.toml`.
//!
//! Everything is checked when it is read: what is not understood, and what is not built yet, is a
//! [`Finding`] with its line rather than ignored. Secrets come from files or the environment and are
//! held so that no debug output shows them.

mod duration;
mod guard;
mod limits;
mod parse;
mod party;
mod profile;
mod rtp;
mod secret;
mod sfu;
mod tls;
mod trunk;
mod turn;
mod user;
mod value;
mod whip;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gstsipbridge::call::{DtlsPolicy, DtmfMode};
use ipnet::IpNet;
use secrecy::SecretString;
use sip_ua::agent::{Listen, SessionTimer, TlsFiles};
use sip_ua::sdp::{Codec, SrtpPolicy};
use sip_ua::wire::Uri;

use crate::document::{Document, Finding, Scalar, Section};

use crate::headers::{HeaderOut, HeaderPattern};
use crate::numbers::Numbers;
use crate::route::Route;

pub use crate::route::Answer;
pub(crate) use duration::duration;
pub use guard::{Guard, Strangers};
pub use limits::{Limits, Overload, Refusal};
pub use party::Party;
pub use profile::Profile;
pub use sfu::{Connectors, SfuConfig, SfuKind};
pub use turn::{Turn, TurnCredentials, TurnPolicy};
pub use user::{Registrar, User};

/// All of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[sip]`
    pub sip: Sip,
    /// `[media]`
    pub media: Media,
    /// `[[sfu]]`: the first is the default.
    pub sfus: Vec<SfuConfig>,
    /// `[http]`; off when absent.
    pub http: Option<Http>,
    /// `[ice]`
    pub ice: Ice,
    /// `[[trunk]]`
    pub trunks: Vec<Arc<Trunk>>,
    /// `[[user]]`
    pub users: Vec<Arc<User>>,
    /// `[registrar]`
    pub registrar: Registrar,
    /// `[guard]`
    pub guard: Guard,
    /// `[limits]`
    pub limits: Limits,
    /// `[[profile]]`
    pub profiles: Vec<Profile>,
    /// `[[route]]`: the first match wins.
    pub routes: Vec<Route>,
}

/// `[sip]`: where telephones and carriers reach us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// What Contact and SDP say; default: the local address towards the peer.
    pub advertise: Option<String>,
    /// Certificates and keys of `tls:`.
    pub tls: TlsFiles,
    /// The name servers that are asked for the hosts of trunks; empty: those of the system.
    pub nameservers: Vec<SocketAddr>,
    /// How long a session may go without a refresh; zero: as long as it likes, unless the far end
    /// wants it otherwise.
    pub session_expires: Duration,
    /// The shortest such time agreed to.
    pub session_min: Duration,
}

impl Sip {
    /// What the user agent asks for and agrees to.
    pub fn session_timer(&self) -> SessionTimer {
        SessionTimer {
            interval: self.session_expires,
            min_se: self.session_min,
            ..SessionTimer::default()
        }
    }
}

/// `[media]`
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Ports for RTP and RTCP.
    pub ports: RangeInclusive<u16>,
    /// Media threads; 0 is one a core.
    pub contexts: usize,
    /// The share of a core that a media thread may work before no further call is taken.
    pub max_load: f64,
    /// Pauses of speech are not sent to a phone that understands it.
    pub dtx: bool,
    /// A call ends when this long nothing came of a phone that ought to send; zero: never.
    pub timeout: Duration,
    /// The name of the media graph calls use.
    pub pipeline: String,
    /// A folder of pipeline files, beside those built in; one of the same name takes its place.
    pub pipelines: Option<PathBuf>,
    /// Elements that pipeline files may use beyond the usual ones.
    pub allow_elements: Vec<String>,
    /// `[media.params]`: values for the parameters of that media graph.
    pub params: BTreeMap<String, Scalar>,
}

/// How long a phone that ought to send may be silent where nothing else is asked for.
const DEFAULT_MEDIA_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the figures of a call are told where nothing else is asked for.
const DEFAULT_FIGURES_EVERY: Duration = Duration::from_secs(5);

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The token every request must carry; created where it does not exist.
    pub token_file: PathBuf,
    /// How often the figures of each call go to the event stream.
    pub figures_every: Duration,
    /// Names that lead here, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Origins whose pages may ask about rooms; `*` is any.
    pub origins: Vec<String>,
    /// The certificate and key of HTTPS; plain HTTP without.
    pub tls: Option<TlsFiles>,
}

impl Http {
    /// What is served there where nothing else is said.
    pub fn new(listen: SocketAddr, token_file: PathBuf) -> Http {
        Http {
            listen,
            token_file,
            figures_every: DEFAULT_FIGURES_EVERY,
            hosts: Vec::new(),
            origins: Vec::new(),
            tls: None,
        }
    }
}

/// `[ice]`: how WebRTC legs are reached.
#[derive(Debug, Clone, Default)]
pub struct Ice {
    /// Local addresses to use; none: all but loopback.
    pub addresses: Vec<IpAddr>,
    /// `stun:host:port`
    pub stun: Vec<String>,
    /// For people in browsers and the like; for our own connections where it says so.
    pub turn: Option<Turn>,
    /// What the world reaches the local address of its kind (IPv4, IPv6) by: a one-to-one NAT is in between.
    pub advertise: Option<IpAddr>,
}

/// `[[trunk]]`: somebody who may call us, or through whom we may call.
#[derive(Debug, Clone)]
pub struct Trunk {
    /// Its name.
    pub name: String,
    /// Where calls out go.
    pub uri: Option<Uri>,
    /// Register there, and for how long at a time.
    pub register: Option<Duration>,
    /// How often its servers are asked whether they are there; never, where it is absent.
    pub watch: Option<Duration>,
    /// What we are called there.
    pub username: Option<String>,
    /// And the password.
    pub password: Option<SecretString>,
    /// The caller id of calls out.
    pub from: Option<String>,
    /// The display name of calls out.
    pub from_name: Option<String>,
    /// The number or URI of the P-Asserted-Identity of calls out; none is sent without it.
    pub asserted_identity: Option<String>,
    /// Whether the P-Asserted-Identity of calls in says who calls.
    pub trust_asserted_identity: bool,
    /// The host of the From header, where it is not that of `uri`.
    pub from_domain: Option<String>,
    /// The proxy that calls out pass through: it stands in their Route.
    pub outbound_proxy: Option<Uri>,
    /// Whether it may send calls out on to others (3xx).
    pub follow_redirects: bool,
    /// Whether it may have its calls transferred: we call for it, and others take the place of its calls.
    pub accept_transfers: bool,
    /// How it writes numbers; as everybody does, where it is absent.
    pub numbers: Option<Numbers>,
    /// Which headers of calls in are passed on; absent: all to routes, and `X-` headers to everybody else.
    pub headers_in: Option<Vec<HeaderPattern>>,
    /// What calls out carry.
    pub headers_out: Vec<HeaderOut>,
    /// Addresses that may call in. Empty and no `auth`: nobody.
    pub allow: Vec<IpNet>,
    /// Credentials with which others may call in.
    pub auth: Option<TrunkAuth>,
    /// Which numbers calls out may reach. Empty: none.
    pub dial_allow: Vec<String>,
    /// Calls at one time.
    pub max_calls: Option<u32>,
    /// New calls in a second.
    pub max_cps: Option<u32>,
    /// What it hears of a call that is one too many.
    pub overload: Overload,
    /// The longest a call may last.
    pub max_duration: Option<Duration>,
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// Whether media are encrypted.
    pub srtp: SrtpPolicy,
    /// Whether their keys come from a handshake instead.
    pub dtls: DtlsPolicy,
    /// How digits reach it.
    pub dtmf: DtmfMode,
}

/// What a caller must know to be this trunk.
#[derive(Debug, Clone)]
pub struct TrunkAuth {
    /// Compared exactly.
    pub username: String,
    /// Never shown.
    pub password: SecretString,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Finding>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// How often calls are measured whole; also where nobody can ask.
    pub fn figures_every(&self) -> Duration {
        let http = self.http.as_ref();
        http.map_or(DEFAULT_FIGURES_EVERY, |http| http.figures_every)
    }

    /// Reads the file. Relative paths in it start at its folder.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let document = Document::read(path).map_err(|finding| ConfigError(vec![finding]))?;
        Config::parse(&document).map_err(ConfigError)
    }

    /// Reads a file that is in memory already.
    pub fn parse(document: &Document) -> Result<Config, Vec<Finding>> {
        let config = document.root().map(|root| parse::config(root));
        let findings = document.take_findings();
        match config {
            Some(config) if findings.is_empty() => Ok(config),
            _ => Err(findings),
        }
    }
}

/// A path in the configuration: relative ones start at the configuration's folder.
fn path_in(section: &Section<'_>, path: &str) -> PathBuf {
    let folder = section.document().file().parent();
    folder.map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
}

#[cfg(test)]
mod tests;
