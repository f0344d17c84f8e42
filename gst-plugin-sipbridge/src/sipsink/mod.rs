// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sipsink
 *
 * What is said to the far end of a telephone call: raw audio, G.711, Opus or whole RTP packets; the
 * call transcodes if its codec is another.
 *
 * `uri` calls somebody, `mode=listener` waits to be called, `call` alone joins a call of that name
 * made by another element or by the application.
 *
 * ## Example
 *
 * ```sh
 * gst-launch-1.0 audiotestsrc num-buffers=250 ! audioconvert ! audioresample ! sipsink uri=sip:bob@127.0.0.1:5060
 * ```
 *
 * A file waits until the far end answers and then plays from its beginning; a live source is heard
 * from then on. A thread that pushes too fast waits for the pipeline's clock. At the end of the stream
 * the call is hung up (`hangup-on-eos`). When the far end hangs up, upstream is told EOS, and the
 * element posts EOS.
 */
mod imp;
mod input;
mod pacer;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// The `sipsink` element.
    pub struct SipSink(ObjectSubclass<imp::SipSink>) @extends gst::Element, gst::Object,
        @implements gst::URIHandler, gst::ChildProxy;
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sipsink",
        gst::Rank::PRIMARY,
        SipSink::static_type(),
    )
}

const DEFAULT_HANGUP_ON_EOS: bool = true;

/// The properties that `sipsrc` has not.
pub(crate) fn properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoolean::builder("mute")
            .nick("Mute")
            .blurb("Send silence instead of what comes in")
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("hangup-on-eos")
            .nick("Hang up on EOS")
            .blurb("End the call when the stream that is said into it ends")
            .default_value(DEFAULT_HANGUP_ON_EOS)
            .mutable_playing()
            .build(),
    ]
}
