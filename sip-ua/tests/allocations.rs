// SPDX-License-Identifier: MPL-2.0
//! How often a call that is answered and hung up asks for memory, which is a good part of what it costs;
//! what stays of it for as long as its transactions have to be remembered, and what after that. Alone in
//! its process, for it counts all that is allocated.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::dialog::SessionTimer;
use sip_ua::endpoint::{Endpoint, EndpointConfig, Event, Limits, Verdict};
use sip_ua::ladder::Trace;
use sip_ua::transaction::Timers;
use sipbridge_measure::memory::{self, Counting, held};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// It was 258 when every header was copied out of its message.
const MOST: usize = 145;

/// What stays of a call for half a minute, in octets.
const STAYS: usize = 2_500;

/// After so long nothing of it may be left, but for tables of a size that any crowd would need again.
const FORGOTTEN: Duration = Duration::from_secs(64);
const LITTLE: usize = 100 << 10;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                   m=audio 20000 RTP/AVP 8 0\r\n";

/// A message of the caller's, as a carrier writes it.
fn from_caller(method: &str, call: usize, seq: u32, to_tag: &str, body: &str) -> String {
    format!(
        "{method} sip:bench@192.0.2.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-{call}-{method}-{seq};rport\r\n\
         From: \"A caller\" <sip:+15550100@192.0.2.9:5060>;tag={call}t1\r\n\
         To: <sip:bench@192.0.2.1:5060>{to_tag}\r\n\
         Call-ID: {call}-8721@192.0.2.9\r\n\
         CSeq: {seq} {method}\r\n\
         Contact: <sip:+15550100@192.0.2.9:5060;transport=UDP>\r\n\
         Max-Forwards: 70\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n\
         User-Agent: caller\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
}

/// One call, and how often memory was asked for meanwhile. What it says is written beforehand, and where
/// what comes out is read, nothing is counted. Its ladder is kept.
fn call(
    endpoint: &mut Endpoint,
    now: Instant,
    call: usize,
    ladders: &mut Vec<Arc<Trace>>,
) -> usize {
    let [here, there]: [SocketAddr; 2] =
        ["192.0.2.1:5060", "192.0.2.9:5060"].map(|address| address.parse().unwrap());
    let mut asked = 0;
    let mut counted = |endpoint: &mut Endpoint, act: &dyn Fn(&mut Endpoint)| {
        let before = memory::asked();
        act(endpoint);
        asked += memory::asked() - before;
        let mut id = None;
        while let Some(event) = endpoint.poll_event() {
            if let Event::Incoming { id: new, .. } = event {
                id = Some(new);
            }
        }
        let mut last = None;
        while let Some(transmit) = endpoint.poll_transmit() {
            last = Some(transmit.packet);
        }
        (id, last)
    };
    let invite = from_caller("INVITE", call, 1, "", SDP);
    let (id, _) = counted(endpoint, &|endpoint| {
        endpoint.handle_datagram(now, here, there, invite.as_bytes());
    });
    let id = id.unwrap();
    counted(endpoint, &|endpoint| endpoint.ring(now, id, None));
    let (_, answer) = counted(endpoint, &|endpoint| {
        endpoint.accept(now, id, SDP.as_bytes().to_vec());
    });
    ladders.extend(endpoint.trace(id));
    let answer = String::from_utf8(answer.unwrap().to_vec()).unwrap();
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    let to = answer
        .lines()
        .find(|line| line.starts_with("To: "))
        .unwrap();
    let tag = &to[to.find(";tag=").unwrap()..];
    for (method, seq) in [("ACK", 1), ("BYE", 2)] {
        let request = from_caller(method, call, seq, tag, "");
        counted(endpoint, &|endpoint| {
            endpoint.handle_datagram(now, here, there, request.as_bytes());
        });
    }
    assert!(endpoint.is_idle());
    asked
}

#[test]
fn a_call_asks_for_memory_no_more_often_than_it_has_to() {
    let mut endpoint = Endpoint::new(EndpointConfig {
        advertise: None,
        user_agent: "sipbridge-test".to_owned(),
        listeners: Vec::new(),
        screen: Arc::new(|_, _| Verdict::Allow),
        limits: Limits::default(),
        timers: Timers::default(),
        session_timer: SessionTimer::default(),
        reliable_early_media: true,
        registrar: None,
        instance: None,
        seed: Some(1),
    });
    let now = Instant::now();
    let mut ladders = Vec::with_capacity(5_000);
    // The first calls make room in tables, which grow by doubling.
    for number in 0..100 {
        call(&mut endpoint, now, number, &mut ladders);
    }
    let counts: Vec<usize> = (100..110)
        .map(|number| call(&mut endpoint, now, number, &mut ladders))
        .collect();
    let least = counts.iter().min().unwrap();
    assert!(*least <= MOST, "{counts:?}");

    // As many as the tables have room for once they have grown.
    let before = held();
    for number in 1_000..4_500 {
        call(&mut endpoint, now, number, &mut ladders);
    }
    drop(ladders);
    let stays = (held() - before) / 3_500;
    assert!(stays <= STAYS, "{stays} octets");

    let mut at = now;
    while let Some(next) = endpoint.poll_timeout() {
        at = next;
        endpoint.handle_timeout(at);
        while endpoint.poll_event().is_some() || endpoint.poll_transmit().is_some() {}
    }
    assert!(at <= now + FORGOTTEN);
    let left = held().saturating_sub(before);
    assert!(left <= LITTLE, "the crowd left {left} octets");
}
