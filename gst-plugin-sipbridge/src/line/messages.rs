// SPDX-License-Identifier: MPL-2.0
//! Element messages about a call.

use gst::prelude::*;

use crate::call::{Call, CallNotice, CallState};

/// GStreamer's numbers of telephone keys (`dtmf-event`).
const KEYS: &str = "0123456789*#ABCD";

/// The structure for a notice; `None` for those that are no news to an application.
pub(super) fn structure(call: &Call, notice: &CallNotice) -> Option<gst::Structure> {
    let state = |state: CallState, code: u16, reason: &str| {
        gst::Structure::builder("sip-call-state")
            .field("call", call.name())
            .field("state", state.as_str())
            .field("code", u32::from(code))
            .field("reason", reason)
            .field("sip-call-id", call.sip_call_id())
    };
    Some(match notice {
        CallNotice::State {
            state: now,
            code,
            reason,
        } => state(*now, *code, reason).build(),
        CallNotice::Ended(end) => state(CallState::Ended, end.code.unwrap_or(0), &end.reason)
            .field("by", end.by.as_str())
            .build(),
        CallNotice::Media {
            codec,
            ptime_ms,
            remote,
            direction,
        } => gst::Structure::builder("sip-media")
            .field("call", call.name())
            .field("codec", *codec)
            .field("ptime", u32::from(*ptime_ms))
            .field("remote", remote.to_string())
            .field("direction", *direction)
            .field("srtp", false)
            .build(),
        CallNotice::Digit { digit, .. } => gst::Structure::builder("dtmf-event")
            .field("type", 1i32)
            .field("number", i32::try_from(KEYS.find(*digit)?).ok()?)
            .field("method", 1i32)
            .field("volume", 0i32)
            .build(),
        CallNotice::FirstMedia => return None,
    })
}

pub(super) fn post(element: &gst::Element, structure: gst::Structure) {
    // A bus that is flushing has nobody to tell.
    let _ = element.post_message(
        gst::message::Element::builder(structure)
            .src(element)
            .build(),
    );
}

/// What a `dtmf-event` as dtmfsrc takes it asks for: a key and whether it goes down.
pub(crate) fn read_dtmf_event(event: &gst::EventRef) -> Option<(char, bool)> {
    let structure = event
        .structure()
        .filter(|structure| structure.name() == "dtmf-event")?;
    let number = usize::try_from(structure.get::<i32>("number").ok().unwrap_or(-1)).ok();
    let start = structure.get::<bool>("start").ok()?;
    let key = number.and_then(|number| KEYS.chars().nth(number));
    match (start, key) {
        (true, None) => None,
        (start, key) => Some((key.unwrap_or('0'), start)),
    }
}
