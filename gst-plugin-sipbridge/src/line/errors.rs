// SPDX-License-Identifier: MPL-2.0
//! A call that did not come about, as a GStreamer error.

use gst::glib;
use gst::prelude::*;

use crate::call::CallEnd;

/// The GStreamer error that a SIP status stands for.
fn resource(code: u16) -> gst::ResourceError {
    match code {
        404 | 410 | 484 | 604 => gst::ResourceError::NotFound,
        401 | 403 | 407 => gst::ResourceError::NotAuthorized,
        486 | 600 => gst::ResourceError::Busy,
        _ => gst::ResourceError::Failed,
    }
}

/// The reason, with the SIP status where it does not name it already.
fn sentence(end: &CallEnd) -> String {
    let reason = &end.reason;
    match end.code.map(|code| code.to_string()) {
        Some(code) if !reason.contains(&code) => {
            format!("The call did not come about: {reason} ({code})")
        }
        _ => format!("The call did not come about: {reason}"),
    }
}

/// Posts the error, with the SIP status in its details (`sip-code`; 0 where there was none).
pub(crate) fn post(element: &gst::Element, end: &CallEnd) {
    let code = end.code.unwrap_or(0);
    let text = sentence(end);
    // sip-call-error: details of the error of a call that did not come about. `sip-code` is the SIP
    // status (0: there was none), `reason` a sentence, `by` `remote` or `network`.
    let details = gst::Structure::builder("sip-call-error")
        .field("sip-code", u32::from(code))
        .field("reason", &end.reason)
        .field("by", end.by.as_str())
        .build();
    let message = gst::message::Error::builder_from_error(glib::Error::new(resource(code), &text))
        .details(details)
        .src(element)
        .build();
    // A bus that is flushing has nobody to tell.
    let _ = element.post_message(message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::EndedBy;

    #[test]
    fn each_class_of_failure_has_its_error() {
        for (code, error) in [
            (404, gst::ResourceError::NotFound),
            (410, gst::ResourceError::NotFound),
            (484, gst::ResourceError::NotFound),
            (604, gst::ResourceError::NotFound),
            (401, gst::ResourceError::NotAuthorized),
            (403, gst::ResourceError::NotAuthorized),
            (407, gst::ResourceError::NotAuthorized),
            (486, gst::ResourceError::Busy),
            (600, gst::ResourceError::Busy),
            (408, gst::ResourceError::Failed),
            (500, gst::ResourceError::Failed),
            (0, gst::ResourceError::Failed),
        ] {
            assert_eq!(resource(code), error, "{code}");
        }
    }

    #[test]
    fn the_status_is_said_once() {
        let end = |code, reason: &str| CallEnd {
            by: EndedBy::Remote,
            code,
            reason: reason.to_owned(),
            was_answered: false,
        };
        for (end, text) in [
            (
                end(Some(486), "the far end answered 486 Busy Here"),
                "486 Busy Here",
            ),
            (end(Some(408), "nobody answered"), "nobody answered (408)"),
            (end(None, "this side hung up"), "this side hung up"),
        ] {
            assert!(sentence(&end).ends_with(text), "{}", sentence(&end));
        }
    }
}
