// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sipsrc
 *
 * What the far end of a telephone call says: raw audio by default, G.711, Opus or whole RTP packets
 * where the caps downstream ask for that, whatever codec the call itself uses.
 *
 * `uri` calls somebody, `mode=listener` waits to be called, `call` alone joins a call of that name
 * made by another element or by the application.
 *
 * ## Example
 *
 * ```sh
 * gst-launch-1.0 sipsrc uri=sip:bob@127.0.0.1:5060 ! queue ! audioconvert ! wavenc ! filesink location=call.wav
 * ```
 *
 * The element posts `sip-call-state` {call, state, code, reason, sip-call-id}, `sip-media` {call,
 * codec, ptime, remote, direction, srtp} and `dtmf-event` {type, number, method, volume}; while it
 * listens with an agent that has a `registrar`, `sip-registration` {state, code, reason, expires}, where
 * state is registering, registered, failed or unregistered. When the far end hangs up it sends EOS;
 * when a call of its own does not come about it posts an error whose details hold `sip-code`.
 *
 * Leaving PAUSED downwards hangs up. PAUSED is not hold: the call stays, its data stops.
 */
mod imp;
pub(crate) mod output;

use gst::glib;
use gst::prelude::*;

pub use crate::handover::Handover;

glib::wrapper! {
    /// The `sipsrc` element.
    pub struct SipSrc(ObjectSubclass<imp::SipSrc>) @extends gst::Element, gst::Object,
        @implements gst::URIHandler, gst::ChildProxy;
}

/// Registers the element. It takes sip: URIs where a player finds no other that does.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sipsrc",
        gst::Rank::PRIMARY,
        SipSrc::static_type(),
    )
}

/// The properties that `sipsink` has not.
pub(crate) fn properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecEnum::builder_with_default("handover", Handover::default())
            .nick("Handover")
            .blurb("Which thread pushes: one of the pad, or the media thread that all calls share")
            .mutable_ready()
            .build(),
    ]
}
