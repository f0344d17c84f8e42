// SPDX-License-Identifier: MPL-2.0
//! Whatever codec a call speaks, the source gives what is downstream asks for, and the sink takes what
//! comes.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use kit::{Ear, Line, RATE_HZ, eventually, most_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

/// Says something into a call in one format, and hears it in another.
fn carried(codec: &str, encode: &str, decode: &str) {
    let said = voice(7, 3.0);
    let (called, uri) = Line::answering(&format!(
        "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         s. ! queue ! {decode} ! audioconvert ! audioresample ! \
         audio/x-raw,format=S16LE,rate=8000,channels=1 ! appsink name=ear sync=false"
    ));
    let ear = Ear::on(&called, "ear");
    let calling = Line::new(&format!(
        "appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! \
         {encode} ! sipbin uri={uri} codecs=<{codec}>"
    ));
    calling.play();
    say(&calling, "mouth", &said, false);
    eventually("three seconds", || ear.samples().len() > 3 * RATE_HZ);
    let heard = most_of(&said, &ear.samples(), RATE_HZ / 2);
    assert!(heard > 0.8, "{codec}, {encode} to {decode}: {heard:.3}");
    calling.no_errors();
    called.no_errors();
}

#[test]
fn alaw_passes_through() {
    asserted_steadily(|| {
        carried("pcma", "alawenc", "alawdec");
    })
}

#[test]
fn alaw_on_the_pads_of_a_mulaw_call() {
    asserted_steadily(|| {
        carried("pcmu", "alawenc", "alawdec");
    })
}

#[test]
fn opus_on_the_pads_of_an_alaw_call() {
    asserted_steadily(|| {
        carried("pcma", "audioresample ! opusenc", "opusdec");
    })
}

#[test]
fn rtp_out_of_an_opus_call() {
    asserted_steadily(|| {
        carried(
            "opus",
            "audioresample ! opusenc",
            "application/x-rtp,encoding-name=OPUS ! rtpopusdepay ! opusdec",
        );
    })
}
