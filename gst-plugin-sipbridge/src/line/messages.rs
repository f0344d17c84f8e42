// SPDX-License-Identifier: MPL-2.0
//! Element messages about a call.

use gst::prelude::*;

use crate::agent::RegistrationNews;
use crate::call::{Call, CallNotice, CallState};

/// GStreamer's numbers of telephone keys (`dtmf-event`).
const KEYS: &str = "0123456789*#ABCD";

/// The structure for a notice; `None` for those that are no news to an application.
pub(super) fn structure(call: &Call, notice: &CallNotice) -> Option<gst::Structure> {
    let state = |state: CallState, code: u16, reason: &str| {
        // sip-call-state: element message: the call is in another state. `call` is its name, `state`
        // one of `calling`, `incoming`, `ringing`, `early-media`, `answered` and `ended`, `code` the
        // SIP status that led there (0: none), `reason` a sentence, `sip-call-id` its Call-ID. When
        // it ended, `by` is `local`, `remote` or `network`.
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
            srtp,
        } => {
            // sip-media: element message: media were agreed on, for the first time or anew. `call`,
            // `codec`, `ptime` in milliseconds, `remote` where it is sent to, `direction` ours
            // (`sendrecv`, `sendonly`, `recvonly` or `inactive`), `srtp` whether it is encrypted, and
            // `srtp-suite` with what.
            gst::Structure::builder("sip-media")
                .field("call", call.name())
                .field("codec", *codec)
                .field("ptime", u32::from(*ptime_ms))
                .field("remote", remote.to_string())
                .field("direction", *direction)
                .field("srtp", srtp.is_some())
                .field_if_some("srtp-suite", *srtp)
                .build()
        }
        CallNotice::Digit {
            digit,
            duration_ms,
            form,
        } => {
            // dtmf-event: element message: the far end pressed a key, told once, whatever forms it came
            // in. `number` is 0 to 9 for the digits, then 10 for `*`, 11 for `#` and 12 to 15 for A to
            // D; `type`, `method` and `volume` are as GStreamer's own elements send them. `duration` is
            // how long it was held in milliseconds, `form` how it came, `rfc4733` or `info`. As an event
            // to an element the same structure with `start` presses a key towards the far end.
            gst::Structure::builder("dtmf-event")
                .field("type", 1i32)
                .field("number", i32::try_from(KEYS.find(*digit)?).ok()?)
                .field("method", 1i32)
                .field("volume", 0i32)
                .field("duration", *duration_ms)
                .field("form", form.as_str())
                .build()
        }
        CallNotice::FirstMedia => return None,
    })
}

/// The structure that tells how the agent's registration stands.
pub(super) fn registration(news: &RegistrationNews) -> gst::Structure {
    // sip-registration: element message of a listener whose agent has a `registrar`: how the
    // registration stands. `state` is `registering`, `registered`, `failed` or `unregistered`, `code`
    // the SIP status (0: none), `reason` a sentence where it failed, `expires` the seconds granted.
    gst::Structure::builder("sip-registration")
        .field("state", news.state)
        .field("code", u32::from(news.code))
        .field("reason", news.reason.as_str())
        .field("expires", u32::try_from(news.expires).unwrap_or(u32::MAX))
        .build()
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
