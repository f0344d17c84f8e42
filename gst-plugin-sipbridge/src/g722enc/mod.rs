// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-g722enc
 *
 * Encodes mono speech at 16 kHz to G.722 at 64 kbit/s.
 *
 * ```bash
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! g722enc ! rtpg722pay ! fakesink
 * ```
 *
 * Since: plugins-sipbridge-0.1
 */
use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    pub struct G722Enc(ObjectSubclass<imp::G722Enc>)
        @extends gst_audio::AudioEncoder, gst::Element, gst::Object;
}

/// Registers `g722enc`.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "g722enc",
        gst::Rank::SECONDARY,
        G722Enc::static_type(),
    )
}
