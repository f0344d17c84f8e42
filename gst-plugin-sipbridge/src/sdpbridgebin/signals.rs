// SPDX-License-Identifier: MPL-2.0
//! Action signals.

use std::sync::LazyLock;

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;

use super::SdpBridgeBin;
use super::operations::Operation;

pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        vec![
            // pass-offer: takes what somebody offers, and gives the offer for the other side. In the structure
            // are strings: `sdp`, `from-tag` (who offers; `from` where it is missing) and `to-tag` (to whom,
            // where several have answered; without it, to who is heard). The promise is answered with
            // `sdp-bridge-reply`.
            Signal::builder("pass-offer")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Offer))
                .build(),
            // pass-answer: takes what somebody answers, puts it into force, and gives the answer for who
            // offered. In the structure are strings: `sdp`, `from-tag` (who offered; `from` where it is
            // missing) and `to-tag` (who answers; `to` where it is missing). The promise is answered with
            // `sdp-bridge-reply`.
            Signal::builder("pass-answer")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Answer))
                .build(),
            // add-ice-candidate: takes a candidate that came after its description (trickle ICE). In the
            // structure are strings: `candidate` (the value of a=candidate, with that word), and whose it is:
            // `tag`, or `side` (`a` or `b`) for who is heard there. One that is not for UDP, names a host, or
            // is where no media may go, is passed over. The promise is answered with `sdp-bridge-reply`.
            Signal::builder("add-ice-candidate")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Candidate))
                .build(),
            // mute: keeps from the other side what a side says, or lets it pass again. In the structure are strings:
            // `side` (`a` or `b`), and `how`: `silence` (the other side is sent silence), `block` (it is sent
            // nothing) or `off`. Keys that are pressed meanwhile are told of and not passed on. The promise is
            // answered with `sdp-bridge-reply`.
            Signal::builder("mute")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Mute))
                .build(),
            // play: plays a file to a side, in place of what the other one says. In the structure are `side`
            // (string, `a` or `b`: who hears it), `file` (string: the path of something that GStreamer decodes, of
            // 10 minutes at the most; without it, what is played ends) and `repeat` (boolean: again and again). It
            // is read before this returns. `sdp-bridge-played` tells of its end. The promise is answered with
            // `sdp-bridge-reply`.
            Signal::builder("play")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Play))
                .build(),
            // play-digits: presses keys (RFC 4733) towards a side. In the structure are `side` (string, `a` or
            // `b`: who gets them), `digits` (string) and `duration` (unsigned integer: of each, in milliseconds, 40
            // to 6000; 100 where it is missing). The promise is answered with `sdp-bridge-reply`.
            Signal::builder("play-digits")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Digits))
                .build(),
            // rollback: undoes the offer that waits for its answer, because it was refused: what was agreed on
            // before holds, and where there is no such thing the bridge ends. The structure has no fields, and
            // may be missing. The promise is answered with `sdp-bridge-reply`.
            Signal::builder("rollback")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Rollback))
                .build(),
            // delete: ends the bridge: says goodbye to both sides (RTCP BYE) and frees all ports. The structure
            // has no fields, and may be missing. The promise is answered with `sdp-bridge-reply`.
            Signal::builder("delete")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| ask(values, Operation::Delete))
                .build(),
        ]
    });
    &SIGNALS
}

fn ask(values: &[glib::Value], operation: Operation) -> Option<glib::Value> {
    let element: SdpBridgeBin = values.first()?.get().ok()?;
    let fields: Option<gst::Structure> = values.get(1)?.get().ok()?;
    let promise: Option<gst::Promise> = values.get(2)?.get().ok()?;
    element.ask(operation, fields.as_deref(), promise);
    None
}
