// SPDX-License-Identifier: MPL-2.0
//! The signals that all three elements have.

use std::ops::ControlFlow;

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;

use super::Line;

pub(crate) const INCOMING_CALL: &str = "incoming-call";

/// `line` finds the line of an element of the type that the signals are for.
pub(crate) fn signals(line: fn(&glib::Value) -> Option<std::sync::Arc<Line>>) -> Vec<Signal> {
    vec![
        // incoming-call: somebody calls. The structure names `from`, `to`, `source`, `call` and
        // `sip-call-id`. The first handler that returns FALSE refuses the call. Handlers run on the
        // agents' thread and must not block.
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
                let code = args.get(1)?.get().ok()?;
                let reason = args.get(2)?.get::<Option<String>>().ok()?;
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
