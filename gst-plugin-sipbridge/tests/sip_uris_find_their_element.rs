// SPDX-License-Identifier: MPL-2.0
//! The URI handler, alone and under uridecodebin.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::glib;
use gst::prelude::*;
use kit::{Ear, Line, RATE_HZ, eventually, most_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

fn set(element: &gst::Element, uri: &str) -> Result<(), glib::Error> {
    element
        .dynamic_cast_ref::<gst::URIHandler>()
        .unwrap()
        .set_uri(uri)
}

#[test]
fn what_cannot_be_called_is_refused_with_its_error() {
    kit::init();
    for name in ["sipsrc", "sipsink", "sipbin"] {
        let element = gst::ElementFactory::make(name).build().unwrap();
        let refused = |uri: &str| set(&element, uri).unwrap_err();
        assert!(refused("sips:bob@192.0.2.1").matches(gst::URIError::UnsupportedProtocol));
        assert!(
            refused("sip:bob@192.0.2.1;transport=tls").matches(gst::URIError::UnsupportedProtocol)
        );
        assert!(refused("sip:").matches(gst::URIError::BadUri));
        assert!(refused("sip:bob:secret@192.0.2.1").matches(gst::URIError::BadUri));
        assert!(refused("sip:bob@192.0.2.1?From=x").matches(gst::URIError::BadUri));
        let good = "sip:bob@192.0.2.1;transport=udp?X-Room=1";
        set(&element, good).unwrap();
        assert_eq!(element.property::<String>("uri"), good);
    }
}

#[test]
fn not_while_it_runs() {
    let line =
        Line::new("sipsrc name=s mode=listener agent::address=127.0.0.1 agent::port=0 ! fakesink");
    line.play();
    let error = set(&line.element("s"), "sip:bob@192.0.2.1").unwrap_err();
    assert!(error.matches(gst::URIError::BadState));
}

#[test]
fn uridecodebin_calls() {
    asserted_steadily(|| {
        let said = voice(3, 3.0);
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! s.",
        );
        say(&called, "mouth", &said, false);
        let calling = Line::new(&format!(
            "uridecodebin uri={uri} ! audioconvert ! audioresample ! \
         audio/x-raw,format=S16LE,rate=8000,channels=1 ! appsink name=ear sync=false"
        ));
        let ear = Ear::on(&calling, "ear");
        calling.play();
        eventually("three seconds", || ear.samples().len() > 3 * RATE_HZ);
        let heard = most_of(&said, &ear.samples(), RATE_HZ / 2);
        assert!(heard > 0.8, "{heard}");
        calling.no_errors();
    })
}
