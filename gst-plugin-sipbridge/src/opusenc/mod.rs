// SPDX-License-Identifier: MPL-2.0
/**
 * SECTION:element-sipopusenc
 *
 * Encodes mono speech to Opus on libopus's single-stream API, which on virtual machines costs
 * about half of the multistream one that `opusenc` uses.
 *
 * Encode at the rate the audio has: speech from a G.711 call sounds better, and costs a third, at
 * 8 kHz than after upsampling to 48 kHz.
 *
 * ```bash
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! audio/x-raw,rate=8000,channels=1 ! sipopusenc complexity=5 ! fakesink
 * ```
 *
 * Since: plugins-sipbridge-0.1
 */
use gst::glib;
use gst::prelude::*;

mod imp;

glib::wrapper! {
    pub struct OpusEnc(ObjectSubclass<imp::OpusEnc>)
        @extends gst_audio::AudioEncoder, gst::Element, gst::Object;
}

/// How much audio a packet of [`OpusEnc`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstSipOpusFrameSize")]
pub enum FrameSize {
    /// 10 ms: least delay, most overhead.
    #[enum_value(name = "10 ms", nick = "10")]
    Ms10 = 10,
    /// 20 ms: what telephones use.
    #[default]
    #[enum_value(name = "20 ms", nick = "20")]
    Ms20 = 20,
    /// 40 ms.
    #[enum_value(name = "40 ms", nick = "40")]
    Ms40 = 40,
    /// 60 ms: least overhead, most delay.
    #[enum_value(name = "60 ms", nick = "60")]
    Ms60 = 60,
}

/// Registers `sipopusenc`.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    #[cfg(feature = "doc")]
    FrameSize::static_type().mark_as_plugin_api(gst::PluginAPIFlags::empty());
    gst::Element::register(
        Some(plugin),
        "sipopusenc",
        gst::Rank::NONE,
        OpusEnc::static_type(),
    )
}
