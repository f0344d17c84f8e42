// SPDX-License-Identifier: MPL-2.0
//! The way to one far end and the keys for it, sans-IO: connectivity checks (ICE), or else the address that its
//! description names, and a handshake (DTLS) on where they lead.
//!
//! Media are not for this: with the addresses and the keys that come out of it, whoever has them protects and
//! sends them.

mod candidates;
mod early;
mod hands;
mod plan;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol};
use sip_ua::sdp::SrtpKeys;

use super::certificate::{Certificate, fingerprint};
use super::description::Credentials;
use super::dtls::{HandshakeError, Outcome};

pub(crate) use candidates::Candidates;
pub(crate) use early::Early;
use hands::Hands;
pub(crate) use plan::{Checks, PathPlan, Way};

/// How long a connection may take before it counts as failed.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// How long a broken connection may take to come back. Consent has run out by then (RFC 7675): the
/// last answer to a check is more than 20 s old when it breaks.
const RETURN_MAX: Duration = Duration::from_secs(15);

/// What came of it.
#[derive(Debug)]
pub(crate) enum PathEvent {
    /// The checks came to another state.
    Ice(IceConnectionState),
    /// Media and handshake go from this address of ours to that of theirs.
    Leads {
        /// Ours.
        from: SocketAddr,
        /// Theirs.
        to: SocketAddr,
    },
    /// The far end has shown the certificate that its description promised.
    Keys(SrtpKeys),
    /// There is a way, and there are keys, for the first time or again.
    Connected,
    /// The far end does not answer any more; it may come back.
    Lost,
    /// It says goodbye.
    Goodbye,
    /// It is over, for this reason.
    Failed(String),
}

/// A datagram to send.
#[derive(Debug)]
pub(crate) struct Transmit {
    /// From which of our addresses.
    pub(crate) from: SocketAddr,
    /// To whom.
    pub(crate) to: SocketAddr,
    /// What.
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Checks and handshake are under way.
    Connecting,
    /// Media may flow.
    Connected,
    /// The far end does not answer any more.
    Lost,
    /// It failed, or one of us ended it.
    Over,
}

/// The way to one far end. After each call that changes anything, events and then datagrams are polled
/// until there are no more.
pub(crate) struct Path {
    agent: Option<IceAgent>,
    hands: Hands,
    /// The SHA-256 of the certificate that it must show.
    promised: Vec<u8>,
    /// From which of our addresses to which of theirs.
    pair: Option<(SocketAddr, SocketAddr)>,
    ice: IceConnectionState,
    state: State,
    /// The time of the last call.
    now: Instant,
    /// When the present state becomes a failure.
    deadline: Option<Instant>,
    events: VecDeque<PathEvent>,
}

impl Path {
    /// Begins with checks, or with the handshake where there are none.
    pub(crate) fn begin(
        now: Instant,
        certificate: &Certificate,
        plan: &PathPlan,
        candidates: &Candidates,
    ) -> Result<Path, String> {
        let failed =
            |error: &dyn std::fmt::Display| format!("the connection could not begin: {error}");
        let mut hands = Hands::new(certificate, plan).map_err(|error| failed(&error))?;
        hands.begin(now).map_err(|error| failed(&error))?;
        let mut path = Path {
            agent: None,
            hands,
            promised: plan.fingerprint.clone(),
            pair: None,
            ice: IceConnectionState::New,
            state: State::Connecting,
            now,
            deadline: Some(now + CONNECT_MAX),
            events: VecDeque::new(),
        };
        match &plan.way {
            Way::Checked(checks) => {
                let mut agent = IceAgent::new(creds(&checks.local));
                agent.set_ice_lite(checks.lite);
                agent.set_controlling(checks.controlling);
                agent.set_remote_credentials(creds(&checks.remote));
                for candidate in &candidates.local {
                    agent.add_local_candidate(candidate.clone());
                }
                for candidate in &candidates.remote {
                    agent.add_remote_candidate(candidate.clone());
                }
                // It asks for no time before it was given some.
                agent.handle_timeout(now);
                path.agent = Some(agent);
            }
            Way::Described { from, to } => path.leads(*from, *to),
        }
        Ok(path)
    }

    /// Our credentials change with the next description of ours.
    pub(crate) fn set_local_credentials(&mut self, credentials: &Credentials) {
        if let Some(agent) = &mut self.agent {
            agent.set_local_credentials(creds(credentials));
        }
    }

    /// The descriptions changed: other credentials restart the checks (RFC 8445 section 9). Who begins and
    /// who nominates stays as it is.
    pub(crate) fn follow(&mut self, plan: &PathPlan) {
        self.promised.clone_from(&plan.fingerprint);
        if let (Some(agent), Way::Checked(checks)) = (&mut self.agent, &plan.way) {
            agent.set_local_credentials(creds(&checks.local));
            agent.set_remote_credentials(creds(&checks.remote));
        }
    }

    pub(crate) fn add_local(&mut self, candidate: Candidate) {
        if let Some(agent) = &mut self.agent {
            agent.add_local_candidate(candidate);
        }
    }

    pub(crate) fn remove_local(&mut self, candidate: &Candidate) {
        if let Some(agent) = &mut self.agent {
            agent.invalidate_candidate(candidate);
        }
    }

    pub(crate) fn add_remote(&mut self, candidate: Candidate) {
        if let Some(agent) = &mut self.agent {
            agent.add_remote_candidate(candidate);
        }
    }

    /// Media and handshakes come from where the checks succeeded, or from where the description says, and
    /// from nowhere else.
    pub(crate) fn knows(&self, from: SocketAddr) -> bool {
        let viable = |agent: &IceAgent| agent.has_viable_remote_candidate(from);
        self.pair.is_some_and(|(_, to)| to == from) || self.agent.as_ref().is_some_and(viable)
    }

    /// From which of our addresses to which of theirs it leads.
    pub(crate) fn pair(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.pair
    }

    /// Where media may go (RFC 7675): nowhere while the far end does not answer.
    pub(crate) fn leads_to(&self) -> Option<SocketAddr> {
        let answers = matches!(self.state, State::Connecting | State::Connected);
        self.pair.filter(|_| answers).map(|(_, to)| to)
    }

    /// The last connectivity check there and back.
    pub(crate) fn check_round_trip(&self) -> Option<Duration> {
        self.agent.as_ref()?.nominated_pair_rtt()
    }

    /// It failed, or one of us ended it.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// A connectivity check. `false`: it is none of ours.
    pub(crate) fn take_check(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        self.now = now;
        let (Some(agent), Ok(message)) = (&mut self.agent, StunMessage::parse(bytes)) else {
            return false;
        };
        let taken = agent.handle_packet(
            now,
            StunPacket {
                proto: Protocol::Udp,
                source: from,
                destination: local,
                message,
            },
        );
        if taken {
            agent.handle_timeout(now);
        }
        taken
    }

    /// A record of the handshake, or of what follows it. `false`: it is not understood, or from somewhere
    /// else.
    pub(crate) fn take_record(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> bool {
        self.now = now;
        if !self.knows(from) {
            return false;
        }
        let received = self.hands.receive(now, bytes);
        self.shaken(received)
    }

    fn shaken(&mut self, result: Result<bool, HandshakeError>) -> bool {
        let error = match result {
            Ok(understood) => return understood,
            Err(error) => error,
        };
        tracing::debug!(%error, "a DTLS record is not understood");
        if self.state == State::Connecting {
            // Nothing but a handshake can fail here, and it does not come back.
            self.fail(format!("the DTLS handshake failed: {error}"));
        }
        false
    }

    /// Time has passed.
    pub(crate) fn timeout(&mut self, now: Instant) {
        self.now = now;
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            let way = self.agent.is_none() || self.ice.is_connected();
            let reason = match (self.state, way) {
                (State::Lost, _) => "the far end has stopped answering connectivity checks",
                (_, true) => "there is a way to the far end, but the DTLS handshake did not finish",
                (_, false) => "no way was found between the candidates of both sides",
            };
            self.fail(reason.to_owned());
            return;
        }
        if let Some(agent) = &mut self.agent {
            agent.handle_timeout(now);
        }
        let shaken = self.hands.timeout(now);
        self.shaken(shaken);
    }

    /// When [`Path::timeout`] wants to be called.
    pub(crate) fn due(&mut self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let checks = self.agent.as_mut().and_then(IceAgent::poll_timeout);
        let due = [checks, self.hands.due(), self.deadline];
        due.into_iter().flatten().min()
    }

    /// What happened.
    pub(crate) fn poll_event(&mut self) -> Option<PathEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.is_over() {
                return None;
            }
            if let Some(event) = self.agent.as_mut().and_then(IceAgent::poll_event) {
                self.heed_agent(event);
            } else if let Some(outcome) = self.hands.poll_outcome(self.pair.is_some()) {
                self.heed_handshake(outcome);
            } else {
                return None;
            }
        }
    }

    /// What is to be sent. What the handshake says waits until there is a way.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        if let Some(sent) = self.agent.as_mut().and_then(IceAgent::poll_transmit) {
            return Some(Transmit {
                from: sent.source,
                to: sent.destination,
                bytes: sent.contents.into(),
            });
        }
        let (from, to) = self.pair?;
        let bytes = self.hands.poll_record()?;
        Some(Transmit { from, to, bytes })
    }

    /// Says goodbye: what is polled after this is the last.
    pub(crate) fn close(&mut self) {
        self.hands.close();
        self.end();
    }

    fn end(&mut self) {
        self.state = State::Over;
        self.deadline = None;
    }

    fn fail(&mut self, reason: String) {
        self.end();
        self.events.push_back(PathEvent::Failed(reason));
    }

    fn leads(&mut self, from: SocketAddr, to: SocketAddr) {
        self.pair = Some((from, to));
        self.events.push_back(PathEvent::Leads { from, to });
    }

    fn heed_agent(&mut self, event: IceAgentEvent) {
        match event {
            IceAgentEvent::IceConnectionStateChange(state) => self.ice_changed(state),
            IceAgentEvent::NominatedSend {
                source,
                destination,
                ..
            } => self.leads(source, destination),
            // Who may send is asked of the agent; what it calls a restart is its beginning.
            IceAgentEvent::DiscoveredRecv { .. } | IceAgentEvent::IceRestart(_) => {}
        }
    }

    fn ice_changed(&mut self, ice: IceConnectionState) {
        if ice == self.ice {
            return;
        }
        self.ice = ice;
        self.events.push_back(PathEvent::Ice(ice));
        if ice.is_disconnected() && self.state == State::Connected {
            self.state = State::Lost;
            self.deadline = Some(self.now + RETURN_MAX);
            self.events.push_back(PathEvent::Lost);
        } else if ice.is_connected() && self.state == State::Lost {
            self.connected();
        }
    }

    fn heed_handshake(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Established { certificate, keys } => {
                if self.promised != fingerprint(&certificate) {
                    self.fail(
                        "the far end could not be authenticated: its certificate does not \
                         have the fingerprint of its description"
                            .to_owned(),
                    );
                    return;
                }
                self.events.push_back(PathEvent::Keys(keys));
                self.connected();
            }
            Outcome::Goodbye => {
                self.end();
                self.events.push_back(PathEvent::Goodbye);
            }
        }
    }

    fn connected(&mut self) {
        self.deadline = None;
        self.state = State::Connected;
        self.events.push_back(PathEvent::Connected);
    }
}

fn creds(credentials: &Credentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.ufrag.clone(),
        pass: credentials.password.clone(),
    }
}
