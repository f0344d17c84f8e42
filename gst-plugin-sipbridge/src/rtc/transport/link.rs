// SPDX-License-Identifier: MPL-2.0
//! The way to the far end: connectivity checks, and the handshake on what they found.

use std::net::SocketAddr;
use std::time::Instant;

use is::stun::{StunMessage, StunPacket};
use is::{IceAgent, IceAgentEvent, IceConnectionState, Protocol};

use super::{Action, IceState, RETURN_MAX, Transport, TransportEvent, TransportState};
use crate::rtc::certificate::fingerprint;
use crate::rtc::dtls::{Handshake, HandshakeError, Outcome};
use crate::srtp::Srtp;

/// What exists once the far end is known.
pub(super) struct Link {
    pub(super) agent: IceAgent,
    pub(super) dtls: Handshake,
    /// The keys, once the far end has proved who it is.
    pub(super) srtp: Option<Srtp>,
    /// From which of our addresses to which of theirs.
    pub(super) pair: Option<(SocketAddr, SocketAddr)>,
    /// Room for a packet that is opened.
    pub(super) opened: Vec<u8>,
}

impl Link {
    /// Media and handshakes come from where the checks succeeded, and from nowhere else.
    pub(super) fn knows(&self, from: SocketAddr) -> bool {
        self.pair.is_some_and(|(_, to)| to == from) || self.agent.has_viable_remote_candidate(from)
    }
}

impl Transport {
    /// A connectivity check. `false`: it is none of ours.
    pub(super) fn take_check(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let (Some(link), Ok(message)) = (&mut self.link, StunMessage::parse(bytes)) else {
            return false;
        };
        let taken = link.agent.handle_packet(
            now,
            StunPacket {
                proto: Protocol::Udp,
                source: from,
                destination: local,
                message,
            },
        );
        if taken {
            link.agent.handle_timeout(now);
            self.stirred = true;
        }
        taken
    }

    /// A record of the handshake, or of what follows it.
    pub(super) fn take_record(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> bool {
        let Some(link) = self.link.as_mut().filter(|link| link.knows(from)) else {
            return false;
        };
        self.stats.bytes_received += bytes.len() as u64;
        let received = link.dtls.receive(now, bytes);
        self.stirred = true;
        self.shaken(received)
    }

    fn shaken(&mut self, result: Result<(), HandshakeError>) -> bool {
        let Err(error) = result else {
            return true;
        };
        tracing::debug!(%error, "a DTLS record is not understood");
        if self.state == TransportState::Connecting {
            // Nothing but a handshake can fail here, and it does not come back.
            self.fail(format!("the DTLS handshake failed: {error}"));
        }
        false
    }

    /// Something is due.
    pub(super) fn pass_time(&mut self, now: Instant) {
        self.stirred = true;
        let Some(link) = &mut self.link else {
            return;
        };
        link.agent.handle_timeout(now);
        self.stats.check_round_trip = link.agent.nominated_pair_rtt();
        let shaken = link.dtls.timeout(now);
        self.shaken(shaken);
        self.report(now, false);
    }

    /// Collects what became of all that was stirred, and when to look again.
    pub(super) fn settle(&mut self) {
        self.heed_agent();
        self.heed_handshake();
        let over = self.is_over();
        let Some(link) = &mut self.link else {
            return;
        };
        while let Some(sent) = link.agent.poll_transmit() {
            let bytes: Vec<u8> = sent.contents.into();
            self.stats.bytes_sent += bytes.len() as u64;
            self.actions.push_back(Action::Send {
                from: sent.source,
                to: sent.destination,
                bytes,
            });
        }
        // What the handshake says waits until there is a way.
        if let Some((from, to)) = link.pair {
            while let Some(bytes) = link.dtls.poll_record() {
                self.stats.bytes_sent += bytes.len() as u64;
                self.actions.push_back(Action::Send { from, to, bytes });
            }
        }
        if over {
            // Goodbye is said.
            self.link = None;
            self.wake = None;
            return;
        }
        let due = [
            link.agent.poll_timeout(),
            link.dtls.due(),
            self.reports.due(),
        ];
        self.wake = due.into_iter().flatten().min();
    }

    fn heed_agent(&mut self) {
        while let Some(event) = self.link.as_mut().and_then(|link| link.agent.poll_event()) {
            match event {
                IceAgentEvent::IceConnectionStateChange(state) => self.ice_changed(state),
                IceAgentEvent::NominatedSend {
                    source,
                    destination,
                    ..
                } => {
                    self.stats.pair = Some((source, destination));
                    if let Some(link) = &mut self.link {
                        link.pair = self.stats.pair;
                    }
                }
                // Who may send is asked of the agent; what it calls a restart is its beginning.
                IceAgentEvent::DiscoveredRecv { .. } | IceAgentEvent::IceRestart(_) => {}
            }
        }
    }

    fn ice_changed(&mut self, state: IceConnectionState) {
        let state = match state {
            IceConnectionState::New => IceState::New,
            IceConnectionState::Checking => IceState::Checking,
            IceConnectionState::Connected => IceState::Connected,
            IceConnectionState::Completed => IceState::Completed,
            IceConnectionState::Disconnected => IceState::Disconnected,
        };
        if self.is_over() || state == self.ice {
            return;
        }
        self.ice = state;
        self.tell(TransportEvent::Ice(state));
        match (state, self.state) {
            (IceState::Disconnected, TransportState::Connected) => {
                self.deadline = self.now.map(|now| now + RETURN_MAX);
                self.enter(TransportState::Disconnected, None);
            }
            (IceState::Connected | IceState::Completed, TransportState::Disconnected) => {
                self.connected();
            }
            _ => {}
        }
    }

    fn heed_handshake(&mut self) {
        while let Some(outcome) = self.link.as_mut().and_then(|link| link.dtls.poll_outcome()) {
            match outcome {
                Outcome::Established { certificate, keys } => {
                    let promised = self.plan.as_ref().and_then(|plan| plan.remote.as_ref());
                    let proved = promised
                        .is_some_and(|remote| remote.fingerprint == fingerprint(&certificate));
                    if !proved {
                        self.fail(
                            "the far end could not be authenticated: its certificate does not \
                             have the fingerprint of its description"
                                .to_owned(),
                        );
                        return;
                    }
                    if let Some(link) = &mut self.link {
                        link.srtp = Some(Srtp::for_many(&keys));
                    }
                    if let Some(now) = self.now {
                        self.reports.begin(now);
                    }
                    self.connected();
                }
                Outcome::Goodbye => self.enter(TransportState::Closed, None),
            }
        }
    }

    fn connected(&mut self) {
        self.deadline = None;
        self.enter(TransportState::Connected, None);
    }
}
