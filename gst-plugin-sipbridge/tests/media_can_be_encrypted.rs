// SPDX-License-Identifier: MPL-2.0
//! The properties srtp and dtls: who can, encrypts; who insists, is encrypted or has no call. Hold changes
//! nothing about it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::cell::Cell;

use gst::prelude::*;
use kit::{Ear, Line, RATE_HZ, eventually, match_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

const ENDS: &str = "appsrc name=mouth format=time \
     caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! s. \
     s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false";

fn called(srtp: &str) -> (Line, String) {
    Line::answering(&format!(
        "sipbin name=s srtp={srtp} mode=listener auto-answer=true \
         agent::address=127.0.0.1 agent::port=0 {ENDS}"
    ))
}

fn calling(uri: &str, srtp: &str) -> Line {
    let line = Line::new(&format!(
        "sipbin name=s srtp={srtp} uri={uri} codecs=<pcmu> {ENDS}"
    ));
    line.play();
    line
}

fn stats(line: &Line) -> gst::Structure {
    line.element("s").property("stats")
}

/// Whether some piece of what was said is heard: a busy machine may cost others their timing.
fn is_heard(said: &[i16], heard: &[i16]) -> bool {
    let mut pieces = (0..said.len() - RATE_HZ / 2).step_by(RATE_HZ / 2);
    pieces.any(|piece| match_of(said, heard, piece) > 0.9)
}

#[test]
fn both_hear_each_other_and_hold_does_not_change_keys() {
    let suite = "AEAD_AES_256_GCM";
    both_hear_each_other("optional", "required", suite);
}

#[test]
fn keys_come_from_a_handshake_too() {
    both_hear_each_other("off", "off dtls=required", "DTLS-SRTP");
}

/// Also after a hold. `told_suite`: with which suite, when media are agreed on.
fn both_hear_each_other(of_bob: &str, of_alice: &str, told_suite: &str) {
    asserted_steadily(|| {
        let (bob, uri) = called(of_bob);
        let at_bob = Ear::on(&bob, "ear");
        let alice = calling(&uri, of_alice);
        let at_alice = Ear::on(&alice, "ear");
        alice.wait_state("answered");
        let agreed = alice.wait("sip-media", |message| {
            let structure = message.structure().filter(|s| s.name() == "sip-media")?;
            Some(structure.to_owned())
        });
        assert!(agreed.get::<bool>("srtp").unwrap());
        assert_eq!(agreed.get::<&str>("srtp-suite").unwrap(), told_suite);
        let (alices, bobs) = (voice(1, 12.0), voice(2, 12.0));
        say(&alice, "mouth", &alices, false);
        say(&bob, "mouth", &bobs, false);
        let both_are_heard = || {
            let (from_bob, from_alice) = (at_alice.samples().len(), at_bob.samples().len());
            let enough = 3 * RATE_HZ / 2;
            eventually("a second and a half on both sides", || {
                at_alice.samples().len() > from_bob + enough
                    && at_bob.samples().len() > from_alice + enough
            });
            assert!(is_heard(&alices, &at_bob.samples()[from_alice..]));
            assert!(is_heard(&bobs, &at_alice.samples()[from_bob..]));
        };
        both_are_heard();
        for (hold, direction, nth) in [(true, "sendonly", 1), (false, "sendrecv", 2)] {
            alice.element("s").emit_by_name::<bool>("hold", &[&hold]);
            let told = Cell::new(0);
            alice.wait(direction, |message| {
                let structure = message.structure().filter(|s| s.name() == "sip-media")?;
                if structure.get::<&str>("direction") == Ok(direction) {
                    told.set(told.get() + 1);
                }
                (told.get() == nth).then_some(())
            });
        }
        both_are_heard();
        for line in [&alice, &bob] {
            let stats = stats(line);
            assert_eq!(stats.get::<u64>("packets-forged").unwrap(), 0);
            let suite = stats.get::<&str>("srtp-suite").unwrap();
            // What a handshake comes to is its own affair.
            let handshake = told_suite.strip_prefix("DTLS-SRTP").map(|_| "AEAD_AES_");
            assert!(
                suite.starts_with(handshake.unwrap_or(told_suite)),
                "{suite}"
            );
            line.no_errors();
        }
    })
}

#[test]
fn who_can_do_without_does() {
    asserted_steadily(|| {
        let (_bob, uri) = called("off");
        let alice = calling(&uri, "optional");
        let plain = alice.wait("sip-media", |message| {
            let structure = message.structure().filter(|s| s.name() == "sip-media")?;
            Some(!structure.get::<bool>("srtp").unwrap())
        });
        assert!(plain);
        assert!(!stats(&alice).has_field("srtp-suite"));
        alice.no_errors();
    })
}

#[test]
fn who_insists_has_no_call_with_who_cannot() {
    for (at_bob, at_alice) in [
        ("off", "required"),
        ("required", "off"),
        ("off dtls=off", "off dtls=required"),
        ("off dtls=required", "off"),
    ] {
        let (_bob, uri) = called(at_bob);
        let alice = calling(&uri, at_alice);
        let (_, details) = alice.wait_error();
        assert_eq!(details.unwrap().get::<u32>("sip-code").unwrap(), 488);
    }
}
