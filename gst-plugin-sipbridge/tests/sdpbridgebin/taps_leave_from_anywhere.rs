// SPDX-License-Identifier: MPL-2.0
//! A tap is unlinked, linked and released wherever an application does such things: in a probe, on the pad's own
//! thread, or while that thread waits in one. Nobody waits for themselves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;
use sip_ua::sdp::Codec;
use sipbridge_measure::steady::asserted_steadily;

use crate::kit::{PATIENCE, RATE_HZ, count_threads, eventually, hold, voice};
use crate::phone::{Bridge, Phone, hear_each_other};
use crate::somebody_listens_in::{leave, listener, wait_heard};

/// A bridge that runs, and who speaks at side A.
fn call() -> (Bridge, Phone, Phone) {
    let bridge = Bridge::new("");
    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::new(&[Codec::Pcmu]));
    bridge.call(&mut alice, &mut bob);
    hear_each_other(&mut alice, &mut bob);
    (bridge, alice, bob)
}

fn takes() -> String {
    format!("audio/x-raw,rate={RATE_HZ}")
}

/// Does something on the pad's own thread, in a probe that blocks it, and returns when it is done.
fn in_a_probe(pad: &gst::Pad, does: impl Fn(&gst::Pad) + Send + Sync + 'static) {
    let (done, is_done) = channel();
    let blocking = gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER;
    pad.add_probe(blocking, move |pad, _| {
        does(pad);
        // The listener has left where it waited too long.
        let _ = done.send(());
        gst::PadProbeReturn::Remove
    });
    is_done.recv_timeout(PATIENCE).unwrap();
}

/// What GStreamer complained of since, such as a thread that would wait for itself.
fn complaints() -> Arc<Mutex<Vec<String>>> {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = heard.clone();
    let levels = glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL;
    glib::log_set_handler(
        Some("GStreamer"),
        levels,
        false,
        false,
        move |_, _, text| {
            told.lock().unwrap().push(text.to_owned());
        },
    );
    heard
}

#[test]
fn unlinked_and_linked_on_its_own_thread() {
    asserted_steadily(|| {
        let complained = complaints();
        let (bridge, mut alice, _bob) = call();
        let pad = bridge.element.request_pad_simple("tap_a").unwrap();
        let (first, ear) = listener(&bridge, &takes());
        let of_alice = voice(61, 10.0);
        alice.say(&of_alice);
        pad.link(&first.static_pad("sink").unwrap()).unwrap();
        eventually("audio", || !ear.samples().is_empty());
        let (second, ear) = listener(&bridge, "audio/x-raw,rate=48000");
        let [from, to] = [&first, &second].map(|bin| bin.static_pad("sink").unwrap());
        in_a_probe(&pad, move |pad| {
            pad.unlink(&from).unwrap();
            pad.link(&to).unwrap();
        });
        leave(&bridge, &first);
        let of_alice = voice(62, 10.0);
        alice.say(&of_alice);
        wait_heard(&ear, &of_alice);
        bridge.line.no_errors();
        assert_eq!(*complained.lock().unwrap(), [""; 0]);
    });
}

#[test]
fn unlinked_while_its_thread_waits() {
    asserted_steadily(|| {
        let (bridge, mut alice, _bob) = call();
        let pad = bridge.element.request_pad_simple("tap_a").unwrap();
        let (first, ear) = listener(&bridge, &takes());
        let of_alice = voice(63, 20.0);
        alice.say(&of_alice);
        pad.link(&first.static_pad("sink").unwrap()).unwrap();
        eventually("audio", || !ear.samples().is_empty());
        let probe = hold(&pad);
        // On a thread of its own: what waits for ever would hold up the test.
        let (done, is_done) = channel();
        let (tap, from) = (pad.clone(), first.static_pad("sink").unwrap());
        std::thread::spawn(move || {
            tap.unlink(&from).unwrap();
            let _ = done.send(());
        });
        is_done.recv_timeout(PATIENCE).unwrap();
        leave(&bridge, &first);
        let (second, ear) = listener(&bridge, &takes());
        pad.link(&second.static_pad("sink").unwrap()).unwrap();
        pad.remove_probe(probe);
        let of_alice = voice(64, 10.0);
        alice.say(&of_alice);
        wait_heard(&ear, &of_alice);
        bridge.line.no_errors();
    });
}

#[test]
fn released_on_its_own_thread() {
    asserted_steadily(|| {
        let complained = complaints();
        let (bridge, mut alice, mut bob) = call();
        let threads = count_threads();
        for round in 0..3 {
            let pad = bridge.element.request_pad_simple("tap_a").unwrap();
            let (bin, ear) = listener(&bridge, &takes());
            alice.say(&voice(65 + round, 10.0));
            pad.link(&bin.static_pad("sink").unwrap()).unwrap();
            eventually("audio", || !ear.samples().is_empty());
            let element = bridge.element.clone();
            in_a_probe(&pad, move |pad| element.release_request_pad(pad));
            assert!(bridge.element.static_pad("tap_a").is_none());
            leave(&bridge, &bin);
        }
        eventually("threads that are gone", || count_threads() <= threads);
        hear_each_other(&mut alice, &mut bob);
        bridge.line.no_errors();
        assert_eq!(*complained.lock().unwrap(), [""; 0]);
    });
}

/// Two threads ask at once, as when a pad is linked while an answer is made: one of them leads the tap, and
/// the other waits for nobody.
#[test]
fn led_by_one_at_a_time() {
    let bridge = Bridge::new("");
    let pad = bridge.element.request_pad_simple("tap_a").unwrap();
    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::new(&[Codec::Pcmu]));
    bridge.call(&mut alice, &mut bob);
    let (asked, is_asked) = channel();
    let (answer, answers) = channel::<()>();
    let (asked, answers) = (Mutex::new(asked), Mutex::new(answers));
    let (inside, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen: Arc<Mutex<Vec<&str>>> = Arc::default();
    let (at_once, items, buffers) = (most.clone(), seen.clone(), seen.clone());
    // Somebody who takes their time to say what they take, the first time.
    let sink = gst::Pad::builder(gst::PadDirection::Sink)
        .query_function(move |pad, parent, query| {
            if let gst::QueryViewMut::Caps(caps) = query.view_mut() {
                at_once.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _ = asked.lock().unwrap().send(());
                let _ = answers.lock().unwrap().recv_timeout(PATIENCE);
                let raw = gst::Caps::builder("audio/x-raw").field("rate", RATE_HZ as i32);
                caps.set_result(&raw.build());
                inside.fetch_sub(1, Ordering::SeqCst);
                return true;
            }
            gst::Pad::query_default(pad, parent, query)
        })
        .event_function(move |_, _, event| {
            items.lock().unwrap().push(event.type_().name().as_str());
            true
        })
        .chain_function(move |_, _, _| {
            buffers.lock().unwrap().push("buffer");
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    sink.set_active(true).unwrap();
    // Whoever links asks nothing here, and nothing is asked for that.
    pad.link_full(&sink, gst::PadLinkCheck::NO_RECONFIGURE)
        .unwrap();
    let first = {
        let pad = pad.clone();
        std::thread::spawn(move || pad.send_event(gst::event::Reconfigure::new()))
    };
    is_asked.recv_timeout(PATIENCE).unwrap();
    let (done, is_done) = channel();
    let second = pad.clone();
    std::thread::spawn(move || {
        second.send_event(gst::event::Reconfigure::new());
        let _ = done.send(());
    });
    is_done.recv_timeout(PATIENCE).unwrap();
    drop(answer);
    first.join().unwrap();
    alice.say(&voice(68, 10.0));
    eventually("audio", || seen.lock().unwrap().ends_with(&["buffer"]));
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[..4], ["stream-start", "caps", "segment", "buffer"]);
    pad.unlink(&sink).unwrap();
    bridge.line.no_errors();
}
