// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sipopusdec
 *
 * Decodes Opus to mono at the rate downstream asks for (48, 16 or 8 kHz), on libopus's
 * single-stream API, which on virtual machines costs about half of the multistream one that
 * `opusdec` uses. Gap events are concealed at once.
 *
 * ```bash
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audio/x-raw,rate=8000,channels=1 ! sipopusenc ! sipopusdec ! fakesink
 * ```
 *
 * Since: plugins-sipbridge-0.1
 */
use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    pub struct OpusDec(ObjectSubclass<imp::OpusDec>)
        @extends gst_audio::AudioDecoder, gst::Element, gst::Object;
}

/// Registers `sipopusdec`.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "sipopusdec",
        gst::Rank::NONE,
        OpusDec::static_type(),
    )
}
