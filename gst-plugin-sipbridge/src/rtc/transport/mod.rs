// SPDX-License-Identifier: MPL-2.0
//! ICE, DTLS, SRTP and RTCP of one bundled transport, told by [`Plan`]s.
//!
//! ICE is the agent of the str0m project (`is`), the handshake OpenSSL's, SRTP and RTCP what phones have.
//! A packet of media goes through nothing but its cipher and a few lines of book-keeping.

mod apply;
mod header;
mod link;
mod media;
mod payload;
mod reports;
mod sources;
mod stats;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::{Candidate, Protocol};

use super::certificate::Certificate;
use super::plan::Plan;
use link::Link;
use reports::Reports;
use sources::Sources;

pub use payload::Payload;
pub use stats::TransportStats;

/// How long a connection may take before it counts as failed.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// How long a broken connection may take to come back. Consent has run out by then (RFC 7675): the
/// last answer to a check is more than 20 s old when it breaks.
const RETURN_MAX: Duration = Duration::from_secs(15);

/// Datagrams kept that come before the answer does: checks, and the beginning of a handshake.
const EARLY_MAX: usize = 16;

/// RFC 8445 section 5.1 says no number; a peer has a few interfaces.
const REMOTE_CANDIDATES_MAX: usize = 100;

/// How the connectivity checks stand; as `RTCIceConnectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IceState {
    /// Nothing to check yet.
    #[default]
    New,
    /// Looking for a way.
    Checking,
    /// There is a way; others are still tried.
    Connected,
    /// There is a way, and nothing left to try.
    Completed,
    /// The far end does not answer any more.
    Disconnected,
    /// It will not answer.
    Failed,
    /// Over.
    Closed,
}

/// How the connection stands; as `RTCPeerConnectionState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransportState {
    /// The far end is not known yet.
    #[default]
    New,
    /// Checks and handshake are under way.
    Connecting,
    /// Media flows.
    Connected,
    /// The far end does not answer any more: no media flows; it may come back.
    Disconnected,
    /// It is over, for a reason that was told.
    Failed,
    /// One of us ended it.
    Closed,
}

/// The RTP clock of a payload type that no description explains: only reports depend on it.
const CLOCK_UNKNOWN_HZ: u32 = 48_000;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportEvent {
    /// The checks came to another state.
    Ice(IceState),
    /// The connection came to another state; why, where it failed.
    State(TransportState, Option<String>),
}

/// An RTP packet that arrived, authentic.
#[derive(Debug)]
pub struct Packet {
    /// The media line.
    pub line: usize,
    /// Its source.
    pub ssrc: u32,
    /// Its sequence number, extended.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// The payload type.
    pub pt: u8,
    /// RFC 6464: dB below full scale, and whether it is voice.
    pub level: Option<(u8, bool)>,
    /// The payload.
    pub payload: Payload,
    /// When it arrived.
    pub at: Instant,
}

/// An RTP packet to send.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The payload type.
    pub pt: u8,
    /// The sequence number, extended; the first of a source below 65536.
    pub sequence: u64,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// RFC 6464: dB below full scale, and whether it is voice.
    pub level: Option<(u8, bool)>,
    /// The payload.
    pub payload: &'a [u8],
}

/// What is to be done next.
#[derive(Debug)]
pub enum Action {
    /// Send these bytes.
    Send {
        /// From which of the local addresses.
        from: SocketAddr,
        /// To whom.
        to: SocketAddr,
        /// What.
        bytes: Vec<u8>,
    },
    /// Take this packet.
    Packet(Packet),
    /// Tell this.
    Event(TransportEvent),
    /// Nothing, until then.
    Wait(Option<Instant>),
}

/// A host candidate as it is told to the far end; `None` where the address cannot be one.
pub fn host_candidate(address: SocketAddr) -> Option<String> {
    Some(Candidate::host(address, "udp").ok()?.to_sdp_string())
}

/// One transport with its streams. After each call that changes anything, [`Transport::poll`] it until
/// it says [`Action::Wait`].
pub struct Transport {
    certificate: Certificate,
    lite: bool,
    local: Vec<Candidate>,
    remote: Vec<Candidate>,
    early: VecDeque<Early>,
    plan: Option<Plan>,
    /// To the far end, once that is known.
    link: Option<Box<Link>>,
    sources: Sources,
    reports: Reports,
    ice: IceState,
    state: TransportState,
    /// The time of the last call.
    now: Option<Instant>,
    /// When the present state becomes a failure.
    deadline: Option<Instant>,
    actions: VecDeque<Action>,
    /// Whether there may be more to do than `actions` say.
    stirred: bool,
    /// When time has to pass next.
    wake: Option<Instant>,
    stats: TransportStats,
}

/// A datagram that came before the far end was known.
struct Early {
    at: Instant,
    local: SocketAddr,
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl Transport {
    /// A transport that knows nobody yet.
    pub fn new(certificate: Certificate, lite: bool) -> Transport {
        Transport {
            certificate,
            lite,
            local: Vec::new(),
            remote: Vec::new(),
            early: VecDeque::new(),
            plan: None,
            link: None,
            sources: Sources::default(),
            reports: Reports::new(),
            ice: IceState::New,
            state: TransportState::New,
            now: None,
            deadline: None,
            actions: VecDeque::new(),
            stirred: false,
            wake: None,
            stats: TransportStats::default(),
        }
    }

    /// How it stands.
    pub fn state(&self) -> TransportState {
        self.state
    }

    /// What it counts.
    pub fn stats(&self) -> &TransportStats {
        &self.stats
    }

    /// A socket of ours; its candidate, as it is told to the far end.
    pub fn add_host(&mut self, address: SocketAddr) -> Option<String> {
        self.add_local(Candidate::host(address, "udp").ok()?)
    }

    /// How a server sees a socket of ours; its candidate, where that is news.
    pub fn add_reflexive(&mut self, seen: SocketAddr, base: SocketAddr) -> Option<String> {
        if seen == base || self.lite {
            return None;
        }
        self.add_local(Candidate::server_reflexive(seen, base, "udp").ok()?)
    }

    fn add_local(&mut self, candidate: Candidate) -> Option<String> {
        if self.local.contains(&candidate) {
            return None;
        }
        let text = candidate.to_sdp_string();
        self.local.push(candidate.clone());
        if let Some(link) = &mut self.link {
            link.agent.add_local_candidate(candidate);
            self.stirred = true;
        }
        Some(text)
    }

    /// A candidate of the far end, as a description or a trickle message has it. Those that are not for
    /// UDP, or name a host instead of an address, are passed over: the checks of the far end find us.
    pub fn add_remote(&mut self, candidate: &str) {
        let text = candidate.trim().trim_start_matches("a=");
        if text.is_empty() {
            return;
        }
        let candidate = match Candidate::from_sdp_string(text) {
            Ok(candidate) if candidate.proto() == Protocol::Udp => candidate,
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(candidate = text, %error, "a candidate of the far end is passed over");
                return;
            }
        };
        if self.remote.len() >= REMOTE_CANDIDATES_MAX || self.remote.contains(&candidate) {
            return;
        }
        self.remote.push(candidate.clone());
        if let Some(link) = &mut self.link {
            link.agent.add_remote_candidate(candidate);
            self.stirred = true;
        }
    }

    /// A datagram that came to `local` at a time that may lie a little before the last call's.
    pub fn receive(&mut self, at: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if self.is_over() {
            return;
        }
        if self.link.is_none() {
            if self.early.len() < EARLY_MAX {
                self.early.push_back(Early {
                    at,
                    local,
                    from,
                    bytes: bytes.to_vec(),
                });
            }
            return;
        }
        self.take(at, local, from, bytes);
    }

    /// Tells what shares the transport apart (RFC 7983).
    fn take(&mut self, at: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        // Only jitter is about when a packet came; for checks and handshakes time does not go back.
        let now = self.now.map_or(at, |now| now.max(at));
        self.now = Some(now);
        let taken = match bytes.first() {
            Some(0..=3) => self.take_check(now, local, from, bytes),
            Some(20..=63) => self.take_record(now, from, bytes),
            Some(128..=191) => self.take_media(at, from, bytes),
            _ => false,
        };
        if !taken {
            self.stats.strange += 1;
        }
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        self.now = Some(now);
        if let Some(deadline) = self.deadline
            && deadline <= now
        {
            let reason = match (self.state, self.ice) {
                (TransportState::Disconnected, _) => {
                    "the far end has stopped answering connectivity checks"
                }
                (_, IceState::Connected | IceState::Completed) => {
                    "there is a way to the far end, but the DTLS handshake did not finish"
                }
                _ => "no way was found between the candidates of both sides",
            };
            self.fail(reason.to_owned());
            return;
        }
        if self.link.is_some() && self.wake.is_some_and(|wake| wake <= now) {
            self.pass_time(now);
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Action {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return action;
            }
            if !std::mem::take(&mut self.stirred) {
                return Action::Wait(earliest(self.wake, self.deadline));
            }
            self.settle();
        }
    }

    /// Says goodbye: what is polled after this is the last.
    pub fn close(&mut self) {
        if self.is_over() {
            return;
        }
        if let Some(now) = self.now {
            self.report(now, true);
        }
        if let Some(link) = &mut self.link {
            link.dtls.close();
            self.stirred = true;
        }
        self.enter(TransportState::Closed, None);
    }

    fn is_over(&self) -> bool {
        matches!(self.state, TransportState::Failed | TransportState::Closed)
    }

    fn enter(&mut self, state: TransportState, reason: Option<String>) {
        if self.state == state || self.is_over() {
            return;
        }
        self.state = state;
        let ice = match state {
            TransportState::Failed => Some(IceState::Failed),
            TransportState::Closed => Some(IceState::Closed),
            _ => None,
        };
        if let Some(ice) = ice.filter(|ice| *ice != self.ice) {
            self.ice = ice;
            self.tell(TransportEvent::Ice(ice));
        }
        if self.is_over() {
            self.deadline = None;
        }
        self.tell(TransportEvent::State(state, reason));
    }

    fn tell(&mut self, event: TransportEvent) {
        self.actions.push_back(Action::Event(event));
    }

    fn fail(&mut self, reason: String) {
        self.enter(TransportState::Failed, Some(reason));
        self.link = None;
        self.wake = None;
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
