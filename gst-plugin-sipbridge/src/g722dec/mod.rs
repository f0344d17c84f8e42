// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-g722dec
 *
 * Decodes G.722 at 64 kbit/s to mono at 16 kHz. Gap events are concealed.
 *
 * ```bash
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audioconvert ! audioresample ! g722enc ! g722dec ! fakesink
 * ```
 *
 * Since: plugins-sipbridge-0.1
 */
use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    pub struct G722Dec(ObjectSubclass<imp::G722Dec>)
        @extends gst_audio::AudioDecoder, gst::Element, gst::Object;
}

/// Registers `g722dec`.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "g722dec",
        gst::Rank::SECONDARY,
        G722Dec::static_type(),
    )
}
