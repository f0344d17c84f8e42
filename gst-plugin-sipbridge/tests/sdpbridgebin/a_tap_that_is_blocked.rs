// SPDX-License-Identifier: MPL-2.0
//! A tap that the media thread itself pushes into is blocked by a probe, as by an application that is about to link
//! something else: what waits there is a thread of the pad, and the bridge goes on.

use std::sync::mpsc::channel;

use gst::prelude::*;
use sip_ua::sdp::Codec;
use sipbridge_measure::steady::asserted_steadily;

use crate::kit::{Ear, PATIENCE, RATE_HZ, voice};
use crate::phone::{Bridge, Phone, hear_each_other};
use crate::somebody_listens_in::wait_heard;

const CONTEXT: &str = "with-a-tap";

#[test]
fn and_the_bridge_goes_on() {
    asserted_steadily(|| {
        let bridge = Bridge::new(&format!(
            "context={CONTEXT} b.tap_a ! queue leaky=downstream \
             ! audio/x-raw,rate={RATE_HZ} ! appsink name=of_a sync=false"
        ));
        let ear = Ear::on(&bridge.line, "of_a");
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcmu]), Phone::new(&[Codec::Pcmu]));
        bridge.call(&mut alice, &mut bob);
        let of_alice = voice(71, 10.0);
        alice.say(&of_alice);
        wait_heard(&ear, &of_alice);

        let pad = bridge.element.static_pad("tap_a").unwrap();
        let (held, is_held) = channel();
        let probe = pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, move |_, _| {
            let thread = std::thread::current().name().map(str::to_owned);
            // The test is gone when more than one item comes by.
            let _ = held.send(thread);
            gst::PadProbeReturn::Ok
        });
        let thread = is_held.recv_timeout(PATIENCE).unwrap();
        assert_ne!(thread.as_deref(), Some(CONTEXT));
        hear_each_other(&mut alice, &mut bob);
        pad.remove_probe(probe.unwrap());
        let of_alice = voice(72, 10.0);
        alice.say(&of_alice);
        wait_heard(&ear, &of_alice);
        bridge.line.no_errors();
    });
}
