// SPDX-License-Identifier: MPL-2.0
//! The table of connections in virtual time: what is kept, what is closed, and when.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod any_stream;
mod bounds;
mod connecting;
mod handshakes;
mod idle;
mod keep_alives;
mod strangers;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_ua::endpoint::Transmit;
use sip_ua::transport::{Action, Domain, FlowId, FlowLimits, Flows, Hop, Proof, Transport};

const SECOND: Duration = Duration::from_secs(1);

const OPTIONS: &str = "OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\nl: 0\r\n\r\n";

fn here() -> SocketAddr {
    "192.0.2.1:5060".parse().unwrap()
}

/// A far end on a port of its own.
fn there(port: u16) -> SocketAddr {
    ([198, 51, 100, 1], port).into()
}

fn message(text: &str, remote: SocketAddr, flow: Option<FlowId>) -> Transmit {
    Transmit {
        transport: Transport::Tcp,
        local: here(),
        remote,
        flow,
        proof: Proof::Address,
        packet: text.as_bytes().to_vec().into(),
    }
}

/// A table and a clock that only the test moves.
struct Table {
    now: Instant,
    flows: Flows,
}

impl Table {
    fn new() -> Table {
        Table::with(FlowLimits::default())
    }

    fn with(limits: FlowLimits) -> Table {
        Table {
            now: Instant::now(),
            flows: Flows::new(limits),
        }
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.flows.poll_action()).collect()
    }

    /// The one thing that is to be done.
    fn only(&mut self) -> Action {
        let mut actions = self.actions();
        assert_eq!(actions.len(), 1, "{actions:?}");
        actions.remove(0)
    }

    /// Somebody connects.
    fn accept(&mut self, port: u16) -> FlowId {
        let (now, kind) = (self.now, Transport::Tcp);
        self.flows.accepted(now, kind, here(), there(port)).unwrap()
    }

    /// Somebody connects, asks and is answered.
    fn known(&mut self, port: u16) -> FlowId {
        let flow = self.accept(port);
        self.flows.received(self.now, flow, OPTIONS.as_bytes());
        let answer = message("SIP/2.0 200 OK\r\n\r\n", there(port), Some(flow));
        self.flows.send(self.now, answer);
        self.actions();
        flow
    }

    /// We connect.
    fn ours(&mut self, port: u16) -> FlowId {
        self.flows.send(self.now, message("A", there(port), None));
        let flow = self
            .actions()
            .into_iter()
            .find_map(|action| match action {
                Action::Connect { flow, .. } => Some(flow),
                _ => None,
            })
            .expect("a connection is wanted");
        self.flows.connected(self.now, flow);
        self.actions();
        flow
    }

    fn hears(&mut self, flow: FlowId, text: &str) -> Vec<Action> {
        self.flows.received(self.now, flow, text.as_bytes());
        self.actions()
    }

    /// Lets time pass; what happened, each with the milliseconds since.
    fn run(&mut self, duration: Duration) -> Vec<(u128, Action)> {
        let start = self.now;
        let until = start + duration;
        let mut happened = Vec::new();
        while let Some(at) = self.flows.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.flows.handle_timeout(at);
            let millis = at.duration_since(start).as_millis();
            happened.extend(self.actions().into_iter().map(|action| (millis, action)));
        }
        self.now = until;
        happened
    }
}
