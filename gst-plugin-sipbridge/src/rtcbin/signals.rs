// SPDX-License-Identifier: MPL-2.0
//! Signals, as webrtcbin has them.

use std::sync::LazyLock;

use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst_webrtc::{
    WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection, WebRTCSDPType, WebRTCSessionDescription,
};

use super::RtcBin;
use super::pad::direction_of;

pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        vec![
            // on-negotiation-needed: there is something to agree on that no description has said.
            Signal::builder("on-negotiation-needed").build(),
            // on-ice-candidate: a candidate of ours: the media line's index, and the candidate.
            Signal::builder("on-ice-candidate")
                .param_types([u32::static_type(), String::static_type()])
                .build(),
            // create-offer: makes an offer. The promise is answered with {offer} or {error}; the options
            // may hold `ice-restart` (boolean).
            Signal::builder("create-offer")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| create(values, WebRTCSDPType::Offer))
                .build(),
            // create-answer: makes an answer. The promise is answered with {answer} or {error}.
            Signal::builder("create-answer")
                .action()
                .param_types([gst::Structure::static_type(), gst::Promise::static_type()])
                .class_handler(|values| create(values, WebRTCSDPType::Answer))
                .build(),
            // set-local-description: applies a description of ours, and begins to collect
            // candidates. The promise is answered with nothing or {error}.
            Signal::builder("set-local-description")
                .action()
                .param_types([
                    WebRTCSessionDescription::static_type(),
                    gst::Promise::static_type(),
                ])
                .class_handler(|values| apply(values, true))
                .build(),
            // set-remote-description: applies a description of the far end. The promise is
            // answered with nothing or {error}.
            Signal::builder("set-remote-description")
                .action()
                .param_types([
                    WebRTCSessionDescription::static_type(),
                    gst::Promise::static_type(),
                ])
                .class_handler(|values| apply(values, false))
                .build(),
            // add-ice-candidate: takes a candidate of the far end: the media line's index, and the
            // candidate.
            Signal::builder("add-ice-candidate")
                .action()
                .param_types([u32::static_type(), String::static_type()])
                .class_handler(|values| {
                    let element = element(values)?;
                    let candidate: String = values.get(2)?.get().ok()?;
                    element.add_candidate(candidate);
                    None
                })
                .build(),
            // get-stats: counts, of the connection or of one pad. The promise is answered with a
            // structure of structures, as webrtcbin's.
            Signal::builder("get-stats")
                .action()
                .param_types([gst::Pad::static_type(), gst::Promise::static_type()])
                .class_handler(|values| {
                    let element = element(values)?;
                    let pad: Option<gst::Pad> = values.get(1)?.get().ok()?;
                    let promise: gst::Promise = values.get(2)?.get().ok()?;
                    element.count(pad, promise);
                    None
                })
                .build(),
            // add-transceiver: wants a track of this direction, with these caps, in the next
            // offer. Returns nothing.
            Signal::builder("add-transceiver")
                .action()
                .param_types([
                    WebRTCRTPTransceiverDirection::static_type(),
                    gst::Caps::static_type(),
                ])
                .return_type::<Option<WebRTCRTPTransceiver>>()
                .class_handler(|values| {
                    if let Some(element) = element(values)
                        && let Some(Ok(direction)) = values.get(1).map(|value| value.get())
                    {
                        let caps = values.get(2).and_then(|value| value.get().ok().flatten());
                        element.add_transceiver(direction_of(direction), caps);
                    }
                    Some(None::<WebRTCRTPTransceiver>.to_value())
                })
                .build(),
        ]
    });
    &SIGNALS
}

fn create(values: &[glib::Value], kind: WebRTCSDPType) -> Option<glib::Value> {
    let element = element(values)?;
    let options: Option<gst::Structure> = values.get(1)?.get().ok()?;
    let promise: Option<gst::Promise> = values.get(2)?.get().ok()?;
    let restart = options.and_then(|options| options.get("ice-restart").ok());
    element.create(kind, restart.unwrap_or(false), promise);
    None
}

fn apply(values: &[glib::Value], local: bool) -> Option<glib::Value> {
    let element = element(values)?;
    let description: WebRTCSessionDescription = values.get(1)?.get().ok()?;
    let promise: Option<gst::Promise> = values.get(2)?.get().ok()?;
    element.apply_description(local, &description, promise);
    None
}

fn element(values: &[glib::Value]) -> Option<RtcBin> {
    values.first()?.get().ok()
}
