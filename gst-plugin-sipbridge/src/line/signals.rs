// SPDX-License-Identifier: MPL-2.0
//! The signals that all three elements have.

use std::ops::ControlFlow;

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;

use super::Line;

pub(crate) const INCOMING_CALL: &str = "incoming-call";
pub(crate) const TRANSFER_REQUESTED: &str = "transfer-requested";

/// `line` finds the line of an element of the type that the signals are for.
pub(crate) fn signals(line: fn(&glib::Value) -> Option<std::sync::Arc<Line>>) -> Vec<Signal> {
    vec![
        // incoming-call: somebody calls. The structure names `from`, `to`, `source`, `call` and
        // `sip-call-id`, and more of who calls where the call says it. The first handler that returns
        // FALSE refuses the call. Handlers run on the agents' thread and must not block.
        Signal::builder(INCOMING_CALL)
            .param_types([gst::Structure::static_type()])
            .return_type::<bool>()
            .run_last()
            .class_handler(|_| Some(true.to_value()))
            .accumulator(|_hint, _so_far, value| match value.get::<bool>() {
                Ok(false) => ControlFlow::Break(value.clone()),
                _ => ControlFlow::Continue(value.clone()),
            })
            .build(),
        // transfer-requested: the far end wants you to call somebody else in its place; only with
        // `allow-transfer`. The structure names `call`, `to` and perhaps `referred-by` and `replaces`.
        // The first handler that returns TRUE takes it on: it makes that call, and tells how it goes by
        // `notify-transfer`. Handlers run on the agents' thread and must not block.
        Signal::builder(TRANSFER_REQUESTED)
            .param_types([gst::Structure::static_type()])
            .return_type::<bool>()
            .run_last()
            .class_handler(|_| Some(false.to_value()))
            .accumulator(|_hint, _so_far, value| match value.get::<bool>() {
                Ok(true) => ControlFlow::Break(value.clone()),
                _ => ControlFlow::Continue(value.clone()),
            })
            .build(),
        // transfer: asks the far end to call somebody else in your place: a sip:, sips: or tel: URI, or
        // the name of another call of this process, whose far end it is joined with. However long that
        // takes, messages `sip-transfer` tell how it goes, and the promise (may be NULL) is answered when
        // it succeeded or failed. FALSE: there is no answered call, or nobody of that name.
        Signal::builder("transfer")
            .action()
            .param_types([String::static_type(), gst::Promise::static_type()])
            .return_type::<bool>()
            .class_handler(move |args| {
                let line = args.first().and_then(line)?;
                let to = args.get(1)?.get::<Option<String>>().ok()?;
                let promise = args.get(2)?.get::<Option<gst::Promise>>().ok()?;
                let asked = line.transfer(&to.unwrap_or_default(), promise);
                Some(asked.to_value())
            })
            .build(),
        // notify-transfer: tells the far end how the call goes that it asked for, by the SIP status that
        // call met with (180, 200, 486 …) and its reason (may be NULL). One of 200 and above is the last
        // word; after a 2xx the far end hangs up. FALSE: there is no call.
        Signal::builder("notify-transfer")
            .action()
            .param_types([u32::static_type(), String::static_type()])
            .return_type::<bool>()
            .class_handler(move |args| {
                let line = args.first().and_then(line)?;
                let (code, reason) = code_and_reason(args)?;
                Some(line.notify_transfer(code, reason.as_deref()).to_value())
            })
            .build(),
        // answer: answers the call that came in. FALSE: there is none.
        Signal::builder("answer")
            .action()
            .return_type::<bool>()
            .class_handler(move |args| {
                let line = args.first().and_then(line)?;
                Some(line.answer().to_value())
            })
            .build(),
        // hangup: ends the call. The code (0: none) refuses a call not answered yet, with the reason
        // (may be NULL) as its phrase. FALSE: there is no call.
        Signal::builder("hangup")
            .action()
            .param_types([u32::static_type(), String::static_type()])
            .return_type::<bool>()
            .class_handler(move |args| {
                let line = args.first().and_then(line)?;
                let (code, reason) = code_and_reason(args)?;
                Some(line.hangup(code, reason.as_deref()).to_value())
            })
            .build(),
        // hold: puts the far end on hold, or takes it back. FALSE: there is no answered call.
        Signal::builder("hold")
            .action()
            .param_types([bool::static_type()])
            .return_type::<bool>()
            .class_handler(move |args| {
                let line = args.first().and_then(line)?;
                Some(line.hold(args.get(1)?.get().ok()?).to_value())
            })
            .build(),
        // send-dtmf: presses keys, each for so many milliseconds (0: 160), in the form that `dtmf` asks
        // for. FALSE: they cannot be sent.
        Signal::builder("send-dtmf")
            .action()
            .param_types([String::static_type(), u32::static_type()])
            .return_type::<bool>()
            .class_handler(move |args| {
                let line = args.first().and_then(line)?;
                let digits = args.get(1)?.get::<Option<String>>().ok()??;
                Some(line.send_dtmf(&digits, args.get(2)?.get().ok()?).to_value())
            })
            .build(),
    ]
}

/// What follows the element: a SIP status, and a phrase that may be NULL.
fn code_and_reason(args: &[glib::Value]) -> Option<(u32, Option<String>)> {
    Some((args.get(1)?.get().ok()?, args.get(2)?.get().ok()?))
}
