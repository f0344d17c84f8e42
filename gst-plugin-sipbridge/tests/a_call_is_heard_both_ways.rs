// SPDX-License-Identifier: MPL-2.0
//! Two pipelines call each other over loopback; each hears what the other says, and only that.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use kit::{Ear, Line, RATE_HZ, eventually, match_of, most_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

const CALLED: &str = "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
    appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! s. \
    s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false";

fn caller(uri: &str, codec: &str) -> String {
    format!(
        "sipbin name=c uri={uri} codecs=<{codec}> agent::username=alice \
         appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! c. \
         c. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false"
    )
}

fn both_ways(codec: &str, at_least: f64) {
    let (alices, bobs) = (voice(1, 3.0), voice(2, 3.0));
    let (bob, uri) = Line::answering(CALLED);
    let bob_hears = Ear::on(&bob, "ear");
    let alice = Line::new(&caller(&uri, codec));
    let alice_hears = Ear::on(&alice, "ear");
    alice.play();
    assert_eq!(
        alice
            .wait("sip-media", |message| {
                let structure = message.structure().filter(|s| s.name() == "sip-media")?;
                structure.get::<String>("codec").ok()
            })
            .to_ascii_lowercase(),
        codec
    );
    alice.wait_state("answered");
    // What is said before is heard by nobody.
    let from = [&alice_hears, &bob_hears].map(|ear| ear.samples().len());
    say(&alice, "mouth", &alices, false);
    say(&bob, "mouth", &bobs, false);
    let enough = from.map(|from| from + alices.len() + RATE_HZ);
    eventually("four seconds heard on both sides", || {
        let heard = [&alice_hears, &bob_hears].map(|ear| ear.samples().len());
        heard[0] > enough[0] && heard[1] > enough[1]
    });
    let (at_alice, at_bob) = (alice_hears.samples(), bob_hears.samples());
    let (forth, back) = (most_of(&alices, &at_bob, 0), most_of(&bobs, &at_alice, 0));
    for (way, found) in [("alice to bob", forth), ("bob to alice", back)] {
        assert!(found >= at_least, "{way}: {found:.3}");
    }
    // Nobody hears themselves, nor anything else that would match.
    assert!(match_of(&alices, &at_alice, 0) < 0.5);
    assert!(match_of(&bobs, &at_bob, 0) < 0.5);
    for times in [alice_hears.times(), bob_hears.times()] {
        let regular = times.windows(2).filter(|pair| {
            let step = pair[1].nseconds().abs_diff(pair[0].nseconds());
            (15_000_000..25_000_000).contains(&step)
        });
        let (regular, all) = (regular.count(), times.len() - 1);
        assert!(
            regular * 100 >= all * 97,
            "only {regular} of {all} frames are 20 ms apart"
        );
    }
    milestones(&alice);
    alice.no_errors();
    bob.no_errors();
}

/// The call knows when each of its milestones was passed, in their order.
fn milestones(alice: &Line) {
    let stats = alice.element("c").property::<gst::Structure>("stats");
    let call = gstsipbridge::call::find(&stats.get::<String>("call").unwrap()).unwrap();
    let times = call.timeline();
    let (invite, answered) = (times.invite.unwrap(), times.answered.unwrap());
    let (first_in, first_out) = (times.first_rtp_in.unwrap(), times.first_rtp_out.unwrap());
    assert!(invite < answered && answered <= first_out && answered <= first_in);
    let ladder = call.signalling().ladder();
    assert!(ladder.iter().any(|step| step.summary.starts_with("ACK ")));
}

#[test]
fn in_g711() {
    asserted_steadily(|| {
        both_ways("pcma", 0.9);
    })
}

#[test]
fn in_g722() {
    asserted_steadily(|| {
        both_ways("g722", 0.9);
    })
}

#[test]
fn in_opus() {
    asserted_steadily(|| {
        both_ways("opus", 0.8);
    })
}
