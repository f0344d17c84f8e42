// SPDX-License-Identifier: MPL-2.0
//! Timers A, E and G are off over a transport that repeats by itself (RFC 3261 §17.1.1.2).

use std::time::Instant;

use sip_ua::endpoint::{CallEvent, CallId, EndCause, Event};
use sip_ua::transaction::Path;
use sip_ua::transport::Transport;

use crate::pair::{Side, endpoint, everyone, outgoing};

#[test]
fn an_invite_is_sent_once_and_given_up_after_32_seconds() {
    let mut alice = endpoint(1, everyone());
    let start = Instant::now();
    let id = CallId::unique();
    let mut call = outgoing();
    call.sip_call_id = alice.new_sip_call_id();
    let path = Path {
        transport: Transport::Tcp,
        ..Path::udp(Side::Alice.addr(), Side::Bob.addr())
    };
    alice.dial(start, id, path, call);
    let mut sent = Vec::new();
    let mut ended = None;
    loop {
        while let Some(transmit) = alice.poll_transmit() {
            assert_eq!(transmit.transport, Transport::Tcp);
            sent.push(transmit.packet);
        }
        while let Some(event) = alice.poll_event() {
            if let Event::Call {
                event: CallEvent::Ended(end),
                ..
            } = event
            {
                ended = Some(end);
            }
        }
        let Some(at) = alice.poll_timeout().filter(|_| ended.is_none()) else {
            break;
        };
        alice.handle_timeout(at);
        assert!(at.duration_since(start).as_secs() <= 32);
    }
    assert_eq!(sent.len(), 1);
    assert_eq!(ended.unwrap().cause, EndCause::Unreachable);
}
