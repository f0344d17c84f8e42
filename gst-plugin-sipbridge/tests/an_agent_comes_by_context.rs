// SPDX-License-Identifier: MPL-2.0
//! One agent for a whole pipeline, or for several: offered beforehand, or when an element asks.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::glib;
use gst::prelude::*;
use gstsipbridge::agent::{CONTEXT_TYPE, SipAgent};
use kit::Line;

const LISTENER: &str =
    "sipbin name=s mode=listener auto-answer=true hangup-on-eos=false s. ! queue ! fakesink";

/// As an application in C or Python makes one: by the name of its type.
fn agent() -> SipAgent {
    kit::init();
    let kind = glib::Type::from_name("GstSipAgent").unwrap();
    let agent = glib::Object::with_type(kind)
        .downcast::<SipAgent>()
        .unwrap();
    agent.set_property("address", "127.0.0.1");
    agent.set_property("port", 0);
    agent
}

fn context_of(agent: &SipAgent) -> gst::Context {
    agent.property("context")
}

fn uri_of(agent: &SipAgent) -> String {
    format!("sip:bob@127.0.0.1:{}", agent.property::<u32>("local-port"))
}

fn caller(uri: &str) -> Line {
    let caller = Line::new(&format!(
        "sipbin name=c uri={uri} agent::address=127.0.0.1 agent::username=alice c. ! queue ! fakesink"
    ));
    caller.play();
    caller
}

#[test]
fn offered_to_a_pipeline_before_it_starts() {
    let agent = agent();
    let called = Line::new(LISTENER);
    called.pipeline.set_context(&context_of(&agent));
    called.play();
    let caller = caller(&uri_of(&agent));
    caller.wait_state("answered");
    called.wait_state("answered");
    // It persists: the pipeline may stop and start again.
    called.pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(agent.property::<u32>("local-port"), 0);
    called.play();
    assert_ne!(agent.property::<u32>("local-port"), 0);
}

#[test]
fn given_to_the_element_that_asks() {
    let agent = agent();
    let called = Line::new(LISTENER);
    let offered = agent.clone();
    called
        .pipeline
        .bus()
        .unwrap()
        .set_sync_handler(move |_, message| {
            if let gst::MessageView::NeedContext(need) = message.view()
                && need.context_type() == CONTEXT_TYPE
                && let Some(element) = message
                    .src()
                    .and_then(|src| src.downcast_ref::<gst::Element>())
            {
                element.set_context(&context_of(&offered));
            }
            gst::BusSyncReply::Pass
        });
    called.play();
    caller(&uri_of(&agent)).wait_state("answered");
}

#[test]
fn the_agent_of_the_element_itself_goes_first() {
    let agent = agent();
    let called = Line::new(
        "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         s. ! queue ! fakesink",
    );
    called.pipeline.set_context(&context_of(&agent));
    called.play();
    assert_eq!(agent.property::<u32>("local-port"), 0);
    caller(&called.uri()).wait_state("answered");
}

#[test]
fn elements_that_nobody_gave_one_say_which_they_took() {
    kit::init();
    let caller = Line::new("sipbin name=c uri=sip:bob@127.0.0.1:9 c. ! queue ! fakesink");
    caller.pipeline.set_state(gst::State::Ready).unwrap();
    let taken = caller.wait("have-context", |message| match message.view() {
        gst::MessageView::HaveContext(have) => SipAgent::of_context(&have.context()),
        _ => None,
    });
    assert_eq!(taken, SipAgent::shared());
    // What the application says later wins.
    let mine = agent();
    caller.pipeline.set_context(&context_of(&mine));
    caller.pipeline.set_state(gst::State::Null).unwrap();
    caller.pipeline.set_state(gst::State::Ready).unwrap();
    assert_ne!(mine.property::<u32>("local-port"), 0);
}

#[test]
fn pipelines_with_one_agent_share_its_port() {
    let agent = agent();
    let called: Vec<Line> = (0..2)
        .map(|_| {
            let line = Line::new(LISTENER);
            line.pipeline.set_context(&context_of(&agent));
            line.play();
            line
        })
        .collect();
    let uri = uri_of(&agent);
    let first = caller(&uri);
    first.wait_state("answered");
    let second = caller(&uri);
    second.wait_state("answered");
    for line in &called {
        line.wait_state("answered");
    }
    let (error, _) = caller(&uri).wait_error();
    assert!(error.matches(gst::ResourceError::Busy), "{error}");
}
