// SPDX-License-Identifier: MPL-2.0
//! A held call stays up, and the far end hears nothing of us until it is taken back.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Ear, Line, eventually};
use sipbridge_measure::steady::asserted_steadily;

fn loudness(samples: &[i16]) -> u32 {
    samples
        .iter()
        .map(|sample| u32::from(sample.unsigned_abs()))
        .max()
        .unwrap_or(0)
}

#[test]
fn and_taking_back_restores_it() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false",
        );
        let ear = Ear::on(&called, "ear");
        let calling = Line::new(&format!(
            "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! sipbin name=s uri={uri} codecs=<pcma>"
        ));
        calling.play();
        called.wait_state("answered");
        let lately = || {
            let heard = ear.samples();
            loudness(&heard[heard.len().saturating_sub(1_600)..])
        };
        eventually("the tone is heard", || lately() > 5_000);
        let direction = |line: &Line, wanted: &str| {
            line.wait(wanted, |message| {
                let structure = message.structure().filter(|s| s.name() == "sip-media")?;
                (structure.get::<&str>("direction") == Ok(wanted)).then_some(())
            });
        };
        let hold = |hold: bool| calling.element("s").emit_by_name::<bool>("hold", &[&hold]);
        assert!(hold(true));
        direction(&calling, "sendonly");
        direction(&called, "recvonly");
        eventually("silence", || lately() < 100);
        assert!(hold(false));
        eventually("the tone is heard again", || lately() > 5_000);
        calling.no_errors();
        called.no_errors();
    })
}
