// SPDX-License-Identifier: MPL-2.0
//! What connections leave behind: nothing that grows with how much was said over them, or with how many
//! there were. Alone in its process, for it counts every octet that is allocated.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sip_ua::endpoint::Transmit;
use sip_ua::transport::{Action, FlowId, FlowLimits, Flows, Proof, Transport};
use sipbridge_measure::memory::{Counting, held};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a crowd may leave: tables of a size that any crowd would need again.
const LITTLE: usize = 300 << 10;

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);

fn address(n: u32) -> SocketAddr {
    let [_, _, high, low] = (n / 50_000).to_be_bytes();
    SocketAddr::from(([192, 0, high, low], 10_000 + (n % 50_000) as u16))
}

/// Somebody connects from the nth address and says something, which is answered.
fn speaks(flows: &mut Flows, now: Instant, n: u32) -> FlowId {
    let flow = flows.accepted(now, Transport::Tcp, HERE, address(n));
    let flow = flow.expect("there is room");
    answered(flows, now, flow, n);
    flow
}

fn answered(flows: &mut Flows, now: Instant, flow: FlowId, n: u32) {
    flows.received(
        now,
        flow,
        b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n",
    );
    let answer = Transmit {
        transport: Transport::Tcp,
        local: HERE,
        remote: address(n),
        flow: Some(flow),
        proof: Proof::Address,
        packet: b"SIP/2.0 200 OK\r\n\r\n"[..].into(),
    };
    flows.send(now, answer);
    while let Some(action) = flows.poll_action() {
        if let Action::Write { flow, packet } = action {
            flows.written(flow, packet.len());
        }
    }
}

#[test]
fn a_busy_connection_and_a_crowd_of_short_ones_leave_nothing() {
    let mut flows = Flows::new(FlowLimits::default());
    let mut now = Instant::now();
    let trunk = speaks(&mut flows, now, 0);
    let before = held();
    // Within ten minutes, after which it would be idle.
    for _ in 0..100_000 {
        now += Duration::from_millis(1);
        answered(&mut flows, now, trunk, 0);
    }
    let more = held().saturating_sub(before);
    assert!(more < LITTLE, "one connection holds {more} octets more");
    for n in 1..50_000 {
        now += Duration::from_millis(1);
        let flow = speaks(&mut flows, now, n);
        flows.closed(flow, "the far end closed the connection");
        while flows.poll_action().is_some() {}
    }
    let left = held().saturating_sub(before);
    assert!(left < LITTLE, "the crowd left {left} octets");
}
