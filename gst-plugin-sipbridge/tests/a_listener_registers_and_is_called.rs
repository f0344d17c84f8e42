// SPDX-License-Identifier: MPL-2.0
//! An element that listens is registered for as long as it does, and called at what it registered.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::sync::Arc;
use std::time::Instant;

use gst::prelude::*;
use sip_ua::agent::{Agent, AgentConfig, CallEvent, OutgoingCall, Verdict};
use sip_ua::digest::Algorithm;
use sip_ua::registrar::{Config, UserScreen};

use kit::{Line, eventually};

/// Knows `bob`, whose password is `secret`.
async fn registrar() -> Agent {
    let password = |user: &str| (user == "bob").then(|| "secret".to_owned());
    let algorithms = vec![Algorithm::SHA_256, Algorithm::MD5];
    let users = UserScreen::new("test", algorithms, Arc::new(password), Instant::now());
    let (agent, _calls) = Agent::bind(AgentConfig {
        screen: Arc::new(move |request, source| {
            users
                .judge(request, source.ip(), Instant::now())
                .unwrap_or(Verdict::Silent)
        }),
        registrar: Some(Config::default()),
        ..AgentConfig::default()
    })
    .await
    .unwrap();
    agent
}

fn listener(registrar: &Agent, password: &str) -> Line {
    let at = registrar.local_addr();
    // Nobody may call but the registrar.
    Line::new(&format!(
        "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         agent::accept-from=192.0.2.1 agent::registrar={at} agent::username=bob \
         agent::password={password} s. ! queue ! fakesink"
    ))
}

/// Waits for news of the registration of this state.
fn news(line: &Line, state: &str) -> gst::Structure {
    line.wait(&format!("registration: {state}"), |message| {
        let structure = message
            .structure()
            .filter(|s| s.name() == "sip-registration")?;
        (structure.get::<&str>("state") == Ok(state)).then(|| structure.to_owned())
    })
}

#[test]
fn it_registers_is_called_and_takes_its_binding_back() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registrar = runtime.block_on(registrar());
    let line = listener(&registrar, "secret");
    line.play();
    let registered = news(&line, "registered");
    assert_eq!(registered.get::<u32>("expires"), Ok(3600));
    let bound = registrar.bindings("bob");
    assert_eq!(bound.len(), 1);

    let answered = runtime.block_on(async {
        let from = "<sip:alice@127.0.0.1>".parse().unwrap();
        let mut call = registrar.dial(OutgoingCall {
            next_hops: vec![bound[0].hop],
            offer: Some(b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n".to_vec()),
            ..OutgoingCall::new(bound[0].contact.clone(), from)
        });
        loop {
            match call.events.recv().await {
                Some(CallEvent::Answered { sdp }) => break sdp.is_some(),
                Some(CallEvent::Ended(end)) => panic!("{end:?}"),
                Some(_) => {}
                None => break false,
            }
        }
    });
    assert!(answered);
    line.wait_state("answered");
    line.no_errors();
    drop(line);
    eventually("nobody is registered any more", || {
        registrar.bindings("bob").is_empty()
    });
}

#[test]
fn a_wrong_password_is_told_and_the_line_goes_on() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let registrar = runtime.block_on(registrar());
    let line = listener(&registrar, "guess");
    line.play();
    let failed = news(&line, "failed");
    assert_eq!(failed.get::<u32>("code"), Ok(401));
    let reason = failed.get::<&str>("reason").unwrap();
    assert!(reason.contains("realm \"test\""), "{reason}");
    assert!(!reason.contains("guess"), "{reason}");
    assert!(registrar.bindings("bob").is_empty());
    line.no_errors();
}

#[test]
fn a_registrar_without_a_user_name_is_an_error_of_the_pipeline() {
    kit::init();
    let line = Line::new(
        "sipbin name=s mode=listener agent::address=127.0.0.1 agent::port=0 \
         agent::registrar=127.0.0.1 s. ! queue ! fakesink",
    );
    let started = line.element("s").set_state(gst::State::Playing);
    assert!(started.is_err());
}
