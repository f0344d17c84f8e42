// SPDX-License-Identifier: MPL-2.0
//! One element asks its far end to call somebody else; the other's application decides, and tells how
//! that goes.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::sync::mpsc::{Receiver, channel};

use gst::prelude::*;
use kit::{Line, PATIENCE};

const LISTENER: &str =
    "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0";
const CAROL: &str = "sip:carol@127.0.0.1:9";

/// A caller and whom it called, who may ask it for transfers if `allow`.
fn up(allow: bool) -> (Line, Line) {
    let (called, uri) = Line::answering(&format!(
        "{LISTENER} allow-transfer={allow} s. ! fakesink sync=false"
    ));
    let calling = Line::new(&format!("sipbin name=s uri={uri} s. ! fakesink sync=false"));
    calling.play();
    calling.wait_state("answered");
    called.wait_state("answered");
    (calling, called)
}

/// Asks for a transfer; what the promise is answered with comes by the channel.
fn transfer(line: &Line, to: &str) -> (bool, Receiver<Option<gst::Structure>>) {
    let (answered, answer) = channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        let reply = reply.ok().flatten().map(gst::StructureRef::to_owned);
        answered.send(reply).unwrap();
    });
    let asked = line
        .element("s")
        .emit_by_name::<bool>("transfer", &[&to, &promise]);
    (asked, answer)
}

fn fields(structure: &gst::StructureRef) -> (String, u32) {
    let state = structure.get::<String>("state").unwrap();
    (state, structure.get::<u32>("code").unwrap())
}

fn wait_transfer(line: &Line, state: &str, code: u32) {
    line.wait(&format!("sip-transfer {state} {code}"), |message| {
        let structure = message.structure().filter(|s| s.name() == "sip-transfer")?;
        (fields(structure) == (state.to_owned(), code)).then_some(())
    });
}

#[test]
fn the_application_calls_there_and_tells() {
    let (calling, called) = up(true);
    let (asked, asks) = channel();
    called
        .element("s")
        .connect("transfer-requested", false, move |args| {
            let request = args[1].get::<gst::Structure>().unwrap();
            asked.send(request).unwrap();
            Some(true.to_value())
        });
    let (begun, answer) = transfer(&calling, CAROL);
    assert!(begun);
    let request = asks.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.get::<&str>("to"), Ok(CAROL));
    assert!(request.has_field("referred-by"));
    wait_transfer(&calling, "trying", 100);
    let (twice, refused) = transfer(&calling, CAROL);
    assert!(!twice);
    let refused = refused.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(fields(&refused), ("failed".to_owned(), 491));
    let tell = |code: u32| {
        let none: Option<&str> = None;
        let s = called.element("s");
        assert!(s.emit_by_name::<bool>("notify-transfer", &[&code, &none]));
    };
    tell(180);
    wait_transfer(&calling, "ringing", 180);
    tell(200);
    wait_transfer(&calling, "succeeded", 200);
    let reply = answer.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(fields(&reply), ("succeeded".to_owned(), 200));
    let end = calling.wait_state("ended");
    let reason = format!("transferred to {CAROL}");
    assert_eq!(end.get::<&str>("reason"), Ok(&reason[..]));
    called.wait_state("ended");
}

#[test]
fn it_is_refused_where_nobody_decides_and_the_call_goes_on() {
    for allow in [false, true] {
        let (calling, called) = up(allow);
        let (begun, answer) = transfer(&calling, CAROL);
        assert!(begun);
        let reply = answer.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(fields(&reply), ("failed".to_owned(), 603));
        let (begun, answer) = transfer(&calling, "no-such-call");
        assert!(!begun);
        let reply = answer.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(fields(&reply), ("failed".to_owned(), 404));
        let none: Option<&str> = None;
        let hang_up = calling
            .element("s")
            .emit_by_name::<bool>("hangup", &[&0u32, &none]);
        assert!(hang_up, "it is still up");
        called.wait_state("ended");
    }
}
