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
use std::time::Instant;

use is::Candidate;

use super::certificate::Certificate;
use super::path::{Candidates, Early};
use super::plan::Plan;
use link::Link;
use reports::Reports;
use sources::Sources;

pub(crate) use header::told_level;
pub use payload::Payload;
pub use stats::{Told, TransportStats};

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
    candidates: Candidates,
    early: Early,
    plan: Option<Plan>,
    /// To the far end, once that is known.
    link: Option<Box<Link>>,
    sources: Sources,
    reports: Reports,
    ice: IceState,
    state: TransportState,
    /// The time of the last call.
    now: Option<Instant>,
    actions: VecDeque<Action>,
    /// What was sent, to be filled again.
    spare: Vec<Vec<u8>>,
    /// Whether there may be more to do than `actions` say.
    stirred: bool,
    /// When time has to pass next.
    wake: Option<Instant>,
    stats: TransportStats,
}

impl Transport {
    /// A transport that knows nobody yet.
    pub fn new(certificate: Certificate, lite: bool) -> Transport {
        Transport {
            certificate,
            lite,
            candidates: Candidates::default(),
            early: Early::default(),
            plan: None,
            link: None,
            sources: Sources::default(),
            reports: Reports::new(),
            ice: IceState::New,
            state: TransportState::New,
            now: None,
            actions: VecDeque::new(),
            spare: Vec::new(),
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

    /// What the far end says that it sent, by source.
    pub fn told(&self) -> impl Iterator<Item = Told> {
        self.sources.told()
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

    /// An address at a relay, which `base` speaks with; its candidate, where that is news. What is sent from it
    /// has to be given to the relay.
    pub fn add_relayed(&mut self, relayed: SocketAddr, base: SocketAddr) -> Option<String> {
        if self.lite {
            return None;
        }
        self.add_local(Candidate::relayed(relayed, base, "udp").ok()?)
    }

    /// An address at a relay that is no longer ours; its candidate, where it was one.
    pub fn remove_relayed(&mut self, relayed: SocketAddr, base: SocketAddr) -> Option<String> {
        let candidate = Candidate::relayed(relayed, base, "udp").ok()?;
        let candidate = self.candidates.remove_local(&candidate)?;
        if let Some(link) = &mut self.link {
            link.path.remove_local(&candidate);
            self.stirred = true;
        }
        Some(candidate.to_sdp_string())
    }

    fn add_local(&mut self, candidate: Candidate) -> Option<String> {
        let candidate = self.candidates.add_local(candidate)?;
        if let Some(link) = &mut self.link {
            link.path.add_local(candidate.clone());
            self.stirred = true;
        }
        Some(candidate.to_sdp_string())
    }

    /// A candidate of the far end, as a description or a trickle message has it. Those that are not for
    /// UDP, or name a host instead of an address, are passed over: the checks of the far end find us.
    pub fn add_remote(&mut self, candidate: &str) {
        if let Some(candidate) = self.candidates.add_remote(candidate)
            && let Some(link) = &mut self.link
        {
            link.path.add_remote(candidate.clone());
            self.stirred = true;
        }
    }

    /// A datagram that came to `local` at a time that may lie a little before the last call's.
    pub fn receive(&mut self, at: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if self.is_over() {
            return;
        }
        if self.link.is_none() {
            self.early.keep(at, local, from, bytes);
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
                return Action::Wait(self.wake);
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
            link.path.close();
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
