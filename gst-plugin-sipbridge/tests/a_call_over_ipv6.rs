// SPDX-License-Identifier: MPL-2.0
//! Signalling and media over IPv6, both heard, RTP and RTCP on one port.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Ear, Line, RATE_HZ, eventually, most_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

const MOUTH_AND_EAR: &str = "appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! s. \
    s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false";

#[test]
fn is_heard_both_ways() {
    asserted_steadily(|| {
        let (alices, bobs) = (voice(1, 3.0), voice(2, 3.0));
        let bob = Line::new(&format!(
            "sipbin name=s mode=listener auto-answer=true agent::address=::1 agent::port=0 {MOUTH_AND_EAR}"
        ));
        let bob_hears = Ear::on(&bob, "ear");
        bob.play();
        let agent = bob.element("s").property::<gst::glib::Object>("agent");
        let port = agent.property::<u32>("local-port");
        let alice = Line::new(&format!(
            "sipbin name=s uri=\"sip:bob@[::1]:{port}\" agent::address=::1 {MOUTH_AND_EAR}"
        ));
        let alice_hears = Ear::on(&alice, "ear");
        alice.play();
        say(&alice, "mouth", &alices, false);
        say(&bob, "mouth", &bobs, false);
        alice.wait_state("answered");
        let enough = alices.len() + RATE_HZ;
        eventually("four seconds heard on both sides", || {
            alice_hears.samples().len() > enough && bob_hears.samples().len() > enough
        });
        assert!(most_of(&alices, &bob_hears.samples(), RATE_HZ) > 0.8);
        assert!(most_of(&bobs, &alice_hears.samples(), RATE_HZ) > 0.8);
        let stats = alice.element("s").property::<gst::Structure>("stats");
        let remote = stats.get::<String>("remote").unwrap();
        assert!(remote.starts_with("[::1]:"), "{remote}");
        assert_eq!(stats.get::<u64>("packets-foreign").unwrap(), 0);
        alice.no_errors();
        bob.no_errors();
    })
}
