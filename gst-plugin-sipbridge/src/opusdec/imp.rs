// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `sipopusdec`.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_audio::prelude::*;
use gst_audio::subclass::prelude::*;

use crate::codec::OpusDecoder;
use crate::codec::chain::write_samples;
use crate::line::caps::codec_templates;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sipopusdec",
        gst::DebugColorFlags::empty(),
        Some("Opus decoder for telephony"),
    )
});

/// What a gap without a duration is taken for, in 48 kHz samples: one usual packet.
const USUAL_SAMPLES: u32 = 960;

/// libopus conceals no more than 120 ms at once.
const CONCEAL_MAX_SAMPLES: u64 = 5_760;

struct State {
    decoder: OpusDecoder,
    pcm: Vec<i16>,
    bytes: Vec<u8>,
}

#[derive(Default)]
pub struct OpusDec {
    state: Mutex<Option<State>>,
}

impl OpusDec {
    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The samples of one packet; an empty one stands for what was lost.
    fn decode(&self, buffer: &gst::Buffer) -> Result<gst::Buffer, gst::FlowError> {
        let mut state = self.state();
        let state = state.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        state.pcm.clear();
        if buffer.size() == 0 {
            let samples = buffer.duration().map_or(USUAL_SAMPLES, |lost| {
                (lost.nseconds() * 48 / 1_000_000).min(CONCEAL_MAX_SAMPLES) as u32
            });
            gst::trace!(CAT, imp = self, "concealing {samples} samples");
            state.decoder.conceal(samples, None, &mut state.pcm);
        } else {
            let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            state.decoder.decode(&map, &mut state.pcm);
        }
        write_samples(&state.pcm, &mut state.bytes);
        Ok(gst::Buffer::from_slice(state.bytes.clone()))
    }

    /// The rate downstream likes best.
    fn rate_hz(&self) -> u32 {
        let obj = self.obj();
        let pad = obj.src_pad();
        let mut caps = pad
            .allowed_caps()
            .filter(|caps| !caps.is_empty())
            .unwrap_or_else(|| pad.pad_template_caps());
        caps.truncate();
        if let Some(structure) = caps.make_mut().structure_mut(0) {
            structure.fixate_field_nearest_int("rate", 48_000);
        }
        let rate = caps
            .structure(0)
            .and_then(|structure| structure.get::<i32>("rate").ok());
        rate.and_then(|rate| u32::try_from(rate).ok())
            .unwrap_or(48_000)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for OpusDec {
    const NAME: &'static str = "GstSipOpusDec";
    type Type = super::OpusDec;
    type ParentType = gst_audio::AudioDecoder;
}

impl ObjectImpl for OpusDec {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_needs_format(true);
        obj.set_plc(true);
    }
}

impl GstObjectImpl for OpusDec {}

impl ElementImpl for OpusDec {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Opus decoder for telephony",
                "Codec/Decoder/Audio",
                "Decodes Opus to mono at the rate downstream asks for",
                "The sipbridge developers",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let opus = gst::Caps::builder("audio/x-opus")
                .field("channel-mapping-family", 0)
                .build();
            let raw = gst_audio::AudioCapsBuilder::new_interleaved()
                .format(gst_audio::AudioFormat::S16le)
                .rate_list([48_000, 16_000, 8_000])
                .channels(1)
                .build();
            codec_templates(opus, raw)
        });
        TEMPLATES.as_ref()
    }
}

impl AudioDecoderImpl for OpusDec {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        // The base class forgets this whenever it stops.
        self.obj().set_plc_aware(true);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.state() = None;
        Ok(())
    }

    fn set_format(&self, _caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let rate_hz = self.rate_hz();
        let decoder =
            OpusDecoder::new(rate_hz).map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        *self.state() = Some(State {
            decoder,
            pcm: Vec::new(),
            bytes: Vec::new(),
        });
        let info = gst_audio::AudioInfo::builder(gst_audio::AudioFormat::S16le, rate_hz, 1)
            .build()
            .map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        self.obj()
            .set_output_format(&info)
            .map_err(|_| gst::loggable_error!(CAT, "nobody downstream takes {rate_hz} Hz"))
    }

    fn handle_frame(
        &self,
        buffer: Option<&gst::Buffer>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(buffer) = buffer else {
            return Ok(gst::FlowSuccess::Ok);
        };
        // No lock is held while the samples go downstream.
        let samples = self.decode(buffer)?;
        self.obj().finish_frame(Some(samples), 1)
    }

    fn flush(&self, hard: bool) {
        if hard && let Some(state) = self.state().as_mut() {
            state.decoder.reset();
        }
    }

    /// The rate in Opus caps is only where the audio came from: any decodes to any.
    fn caps(&self, filter: Option<&gst::Caps>) -> gst::Caps {
        let caps = self.obj().sink_pad().pad_template_caps();
        match filter {
            Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
            None => caps,
        }
    }
}
