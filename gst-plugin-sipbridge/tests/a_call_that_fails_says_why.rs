// SPDX-License-Identifier: MPL-2.0
//! Each class of failure is its own GStreamer error, with the SIP status in the details.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::sync::Arc;

use gst::prelude::*;
use kit::Line;
use sip_ua::agent::{Agent, AgentConfig, Verdict};

/// A user agent that refuses every call with the status that is the called user's name.
fn refusing() -> (tokio::runtime::Runtime, u16) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = AgentConfig {
        screen: Arc::new(|_, _| Verdict::Allow),
        ..AgentConfig::default()
    };
    let (agent, mut calls) = runtime.block_on(Agent::bind(config)).unwrap();
    let port = agent.local_addr().port();
    runtime.spawn(async move {
        let _agent = agent;
        while let Some(incoming) = calls.recv().await {
            let user = incoming.request.uri.user.clone().unwrap();
            let status = String::from_utf8(user).unwrap().parse().unwrap();
            incoming.call.handle.reject(status, None);
        }
    });
    (runtime, port)
}

#[test]
fn by_status() {
    let (_runtime, port) = refusing();
    for (status, expected) in [
        (404, gst::ResourceError::NotFound),
        (403, gst::ResourceError::NotAuthorized),
        (486, gst::ResourceError::Busy),
        (600, gst::ResourceError::Busy),
        (503, gst::ResourceError::Failed),
        (488, gst::ResourceError::Failed),
    ] {
        let line = Line::new(&format!(
            "sipbin name=s uri=sip:{status}@127.0.0.1:{port} s. ! fakesink"
        ));
        line.play();
        let (error, details) = line.wait_error();
        assert!(error.matches(expected), "{status}: {error:?}");
        let details = details.unwrap();
        assert_eq!(details.get::<u32>("sip-code").unwrap(), status);
    }
}

#[test]
fn media_that_cannot_be_agreed_on() {
    let (_called, uri) = Line::answering(
        "sipbin name=s mode=listener auto-answer=true codecs=<pcma> agent::address=127.0.0.1 agent::port=0 s. ! fakesink",
    );
    let line = Line::new(&format!("sipbin uri={uri} codecs=<pcmu> ! fakesink"));
    line.play();
    let (_, details) = line.wait_error();
    assert_eq!(details.unwrap().get::<u32>("sip-code").unwrap(), 488);
}

#[test]
fn a_setting_that_cannot_work() {
    for (launch, word) in [
        ("sipbin", "mode=listener"),
        ("sipbin uri=sips:bob@127.0.0.1", "sips:"),
        ("sipbin uri=sip:bob:secret@127.0.0.1", "password"),
        ("sipbin uri=sip:bob@127.0.0.1 codecs=<g729>", "g729"),
        (
            "sipbin uri=sip:bob@127.0.0.1 agent::media-ports=9",
            "media-ports",
        ),
        (
            "sipbin mode=listener agent::accept-from=everybody",
            "everybody",
        ),
    ] {
        let line = Line::new(launch);
        assert!(
            line.pipeline.set_state(gst::State::Playing).is_err(),
            "{launch}"
        );
        let (error, _) = line.wait_error();
        assert!(error.to_string().contains(word), "{launch}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_caller_who_may_not_call_gets_silence_and_the_user_a_hint() {
    let (called, uri) = Line::answering(
        "sipbin name=s mode=listener auto-answer=true agent::accept-from=192.0.2.1 agent::address=127.0.0.1 agent::port=0 s. ! fakesink",
    );
    let calling = Line::new(&format!("sipbin uri={uri} ring-timeout=1 ! fakesink"));
    calling.play();
    called.wait("warning", |message| match message.view() {
        gst::MessageView::Warning(warning) => {
            assert!(warning.debug().unwrap().contains("accept-from"));
            Some(())
        }
        _ => None,
    });
    calling.wait_error();
    assert!(
        called
            .element("s")
            .property::<gst::Structure>("stats")
            .get::<&str>("call")
            .is_err()
    );
}
