// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sipbin
 *
 * A whole telephone call: what is said to the far end goes into `sink`, what it says comes out of
 * `src`. Either pad may stay unlinked.
 *
 * ## Examples
 *
 * Call somebody and record what they say:
 *
 * ```sh
 * gst-launch-1.0 -e sipbin uri=sip:bob@127.0.0.1:5060 ! queue ! audioconvert ! wavenc ! filesink location=call.wav
 * ```
 *
 * Call somebody and play a file to them:
 *
 * ```sh
 * gst-launch-1.0 filesrc location=hello.wav ! wavparse ! audioconvert ! audioresample ! sipbin uri=sip:bob@127.0.0.1:5060
 * ```
 *
 * Answer calls and let the callers hear themselves:
 *
 * ```sh
 * gst-launch-1.0 -m sipbin name=s mode=listener auto-answer=true keep-listening=true s. ! queue ! s.
 * ```
 *
 * Properties, signals and messages are those of `sipsrc` and `sipsink`, which are inside.
 */
mod imp;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// The `sipbin` element.
    pub struct SipBin(ObjectSubclass<imp::SipBin>) @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::URIHandler, gst::ChildProxy;
}

/// Registers the element.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sipbin",
        gst::Rank::NONE,
        SipBin::static_type(),
    )
}
