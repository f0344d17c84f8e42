// SPDX-License-Identifier: MPL-2.0
//! The far end answers to SIP and sends no media: after `media-timeout` the call is over, and says why.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;

use kit::Line;
use sip_ua::agent::{Agent, AgentConfig, CallEvent, OutgoingCall, Verdict};
use sip_ua::sdp::{self, Codec, LocalMedia};

#[test]
fn and_says_why() {
    let (called, uri) = Line::answering(
        "sipbin name=s mode=listener auto-answer=true media-timeout=1 agent::address=127.0.0.1 agent::port=0 \
         audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! s. \
         s. ! queue ! fakesink",
    );
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let deaf = UdpSocket::bind((here, 0)).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let agent = runtime
        .block_on(Agent::bind(AgentConfig {
            screen: Arc::new(|_, _| Verdict::Silent),
            ..AgentConfig::default()
        }))
        .unwrap()
        .0;
    let mut call = {
        let _within = runtime.enter();
        let local = LocalMedia::new(here, port, vec![Codec::Pcma]);
        agent.dial(OutgoingCall {
            offer: Some(sdp::offer(&local)),
            ..OutgoingCall::new(uri.parse().unwrap(), "sip:phone@127.0.0.1".parse().unwrap())
        })
    };
    called.wait_state("answered");
    let ended = called.wait_state("ended");
    let reason = ended.get::<String>("reason").unwrap();
    assert_eq!(reason, "no media from the far end for 1 s");
    // The far end is told so in SIP.
    runtime.block_on(async {
        while let Some(event) = call.events.recv().await {
            if matches!(event, CallEvent::Ended(_)) {
                return;
            }
        }
        panic!("no BYE came");
    });
    runtime.block_on(agent.close(kit::PATIENCE));
}
