// SPDX-License-Identifier: MPL-2.0
//! Element messages about a call.

use gst::prelude::*;

use crate::agent::RegistrationNews;
use crate::call::{Call, CallNotice, CallState, DigitForm, TransferRequest, TransferState};

/// GStreamer's numbers of telephone keys (`dtmf-event`).
const KEYS: &str = "0123456789*#ABCD";

const DTMF_EVENT: &str = "dtmf-event";

/// GStreamer's number of the method "sound".
const METHOD_TONES: i32 = 2;

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
            // `srtp-suite` with what (`DTLS-SRTP` where a handshake finds that: it is in `stats` then).
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
        } => dtmf_event(*digit, *duration_ms, *form)?,
        CallNotice::Transfer {
            state,
            code,
            reason,
        } => transfer("sip-transfer", *state, *code, reason)
            .field("call", call.name())
            .build(),
        CallNotice::FirstMedia | CallNotice::TransferRequested(_) => return None,
    })
}

/// A structure of this name that tells how a transfer stands.
pub(super) fn transfer(
    name: &str,
    state: TransferState,
    code: u16,
    reason: &str,
) -> gst::structure::Builder {
    // sip-transfer: element message: how a transfer goes that the signal `transfer` asked for. `call` is
    // the name of the call, `state` one of `trying`, `ringing`, `succeeded` (the call is hung up then) and
    // `failed` (it goes on), `code` the SIP status that led there (0: none), `reason` a sentence. The same
    // fields but `call` are the reply to the signal's promise, when it succeeded or failed.
    gst::Structure::builder(name)
        .field("state", state.as_str())
        .field("code", u32::from(code))
        .field("reason", reason)
}

/// What an application learns of a transfer before it decides.
pub(super) fn transfer_request(call: &Call, request: &TransferRequest) -> gst::Structure {
    // sip-transfer-request: what the signal `transfer-requested` tells. `call` is the name of the call,
    // `to` the URI to call in its place; where the far end sent them, `referred-by` and `replaces` are
    // headers for that INVITE.
    let text = |value: &[u8]| String::from_utf8_lossy(value).replace('\0', "");
    let replaces = request.replaces.as_ref();
    gst::Structure::builder("sip-transfer-request")
        .field("call", call.name())
        .field("to", request.to.to_string())
        .field_if_some("referred-by", request.referred_by.as_deref().map(text))
        .field_if_some(
            "replaces",
            replaces.map(|replaces| text(&replaces.to_bytes())),
        )
        .build()
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

pub(crate) fn post(element: &gst::Element, structure: gst::Structure) {
    // A bus that is flushing has nobody to tell.
    let _ = element.post_message(
        gst::message::Element::builder(structure)
            .src(element)
            .build(),
    );
}

pub(crate) fn dtmf_event(digit: char, duration_ms: u32, form: DigitForm) -> Option<gst::Structure> {
    let method = match form {
        DigitForm::Inband => METHOD_TONES,
        DigitForm::Rfc4733 | DigitForm::Info => 1,
    };
    // dtmf-event: element message: the far end pressed a key, told once, whatever forms it came in.
    // `number` is 0 to 9 for the digits, then 10 for `*`, 11 for `#` and 12 to 15 for A to D; `type`,
    // `method` (2 for tones, else 1) and `volume` are as GStreamer's own elements send them. `duration`
    // is how long it was held in milliseconds, `form` how it came: `rfc4733`, `info` or `inband`. The
    // same goes downstream as an event with `start` and `call`, so that a sipsink of another call
    // presses the key there, in that call's form. As an event of yours to an element, with `start` or
    // `duration`, it presses a key towards the far end, as tones where `method` is 2.
    let event = gst::Structure::builder("dtmf-event")
        .field("type", 1i32)
        .field("number", i32::try_from(KEYS.find(digit)?).ok()?)
        .field("method", method)
        .field("volume", 0i32)
        .field("duration", duration_ms)
        .field("form", form.as_str())
        .build();
    Some(event)
}

/// The events by which what is downstream of a call learns of a key: GStreamer's pair of a key that
/// goes down and comes up, the first with all there is to know.
pub(crate) fn dtmf_events(
    call: &str,
    digit: char,
    duration_ms: u32,
    form: DigitForm,
) -> Option<[gst::Event; 2]> {
    let mut down = dtmf_event(digit, duration_ms, form)?;
    down.set("start", true);
    down.set("call", call);
    let up = gst::Structure::builder(DTMF_EVENT)
        .field("type", 1i32)
        .field("start", false)
        .build();
    Some([down, up].map(gst::event::CustomDownstream::new))
}

/// What a `dtmf-event` asks for.
pub(crate) enum KeyEvent {
    /// A key goes down.
    Down(Key),
    /// It comes up.
    Up,
    /// A key was pressed for so many milliseconds.
    Press(Key, u32),
    /// Nothing that could be done.
    Nothing,
}

/// A key to press.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) digit: char,
    /// As tones, whatever the mode.
    pub(crate) tones: bool,
}

/// Reads a `dtmf-event` as dtmfsrc takes it, or as another call sends it; `None`: it is of another
/// kind. One that `call` sent itself asks for nothing.
pub(crate) fn read_dtmf_event(event: &gst::EventRef, call: &str) -> Option<KeyEvent> {
    let structure = event
        .structure()
        .filter(|structure| structure.name() == DTMF_EVENT)?;
    if structure.get::<&str>("call").is_ok_and(|from| from == call) {
        return Some(KeyEvent::Nothing);
    }
    if structure.get::<bool>("start").is_ok_and(|start| !start) {
        return Some(KeyEvent::Up);
    }
    let number = structure.get::<i32>("number").ok();
    let digit = number
        .and_then(|number| usize::try_from(number).ok())
        .and_then(|number| KEYS.chars().nth(number));
    let Some(digit) = digit else {
        return Some(KeyEvent::Nothing);
    };
    // What another call heard as tones is a key here, in this call's form.
    let sound = structure
        .get::<i32>("method")
        .is_ok_and(|method| method == METHOD_TONES);
    let tones = sound && !structure.has_field("call");
    let key = Key { digit, tones };
    Some(match structure.get::<u32>("duration") {
        Ok(duration_ms) => KeyEvent::Press(key, duration_ms),
        Err(_) if structure.has_field("start") => KeyEvent::Down(key),
        Err(_) => KeyEvent::Nothing,
    })
}
