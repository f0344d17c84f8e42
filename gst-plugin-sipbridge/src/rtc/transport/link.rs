// SPDX-License-Identifier: MPL-2.0
//! What the way to the far end tells, and what becomes of the transport by that.

use std::net::SocketAddr;
use std::time::Instant;

use is::IceConnectionState;

use super::{Action, IceState, Transport, TransportEvent, TransportState};
use crate::rtc::path::{Path, PathEvent};
use crate::srtp::Srtp;

/// What exists once the far end is known.
pub(super) struct Link {
    pub(super) path: Path,
    /// The keys, once the far end has proved who it is.
    pub(super) srtp: Option<Srtp>,
    /// Room for a packet that is opened.
    pub(super) opened: Vec<u8>,
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
        let link = self.link.as_mut();
        let taken = link.is_some_and(|link| link.path.take_check(now, local, from, bytes));
        self.stirred |= taken;
        taken
    }

    /// A record of the handshake, or of what follows it.
    pub(super) fn take_record(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> bool {
        let Some(link) = self.link.as_mut().filter(|link| link.path.knows(from)) else {
            return false;
        };
        self.stats.bytes_received += bytes.len() as u64;
        self.stirred = true;
        link.path.take_record(now, from, bytes)
    }

    /// Something is due.
    pub(super) fn pass_time(&mut self, now: Instant) {
        self.stirred = true;
        let Some(link) = &mut self.link else {
            return;
        };
        link.path.timeout(now);
        if link.path.is_over() {
            return;
        }
        self.stats.check_round_trip = link.path.check_round_trip();
        self.report(now, false);
    }

    /// Collects what became of all that was stirred, and when to look again.
    pub(super) fn settle(&mut self) {
        while let Some(event) = self.link.as_mut().and_then(|link| link.path.poll_event()) {
            self.heed(event);
        }
        let over = self.is_over();
        let Some(link) = &mut self.link else {
            return;
        };
        while let Some(sent) = link.path.poll_transmit() {
            self.stats.bytes_sent += sent.bytes.len() as u64;
            self.actions.push_back(Action::Send {
                from: sent.from,
                to: sent.to,
                bytes: sent.bytes,
            });
        }
        if over {
            // Goodbye is said.
            self.link = None;
            self.wake = None;
            return;
        }
        let due = [link.path.due(), self.reports.due()];
        self.wake = due.into_iter().flatten().min();
    }

    fn heed(&mut self, event: PathEvent) {
        match event {
            PathEvent::Ice(state) => self.ice_changed(state),
            PathEvent::Leads { from, to } => self.stats.pair = Some((from, to)),
            PathEvent::Keys(keys) => {
                if let Some(link) = &mut self.link {
                    link.srtp = Some(Srtp::for_many(&keys));
                }
                if let Some(now) = self.now {
                    self.reports.begin(now);
                }
            }
            PathEvent::Connected => self.enter(TransportState::Connected, None),
            PathEvent::Lost => self.enter(TransportState::Disconnected, None),
            PathEvent::Goodbye => self.enter(TransportState::Closed, None),
            PathEvent::Failed(reason) => self.fail(reason),
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
    }
}
