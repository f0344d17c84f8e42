// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `g722dec`.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::subclass::prelude::*;
use gst_audio::prelude::*;
use gst_audio::subclass::prelude::*;

use crate::codec::chain::{raw_caps, write_samples};
use crate::codec::g722::G722Decoder;
use crate::line::caps;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "g722dec",
        gst::DebugColorFlags::empty(),
        Some("G.722 decoder"),
    )
});

/// What a gap without a duration is taken for, in units of the RTP clock: one usual packet.
const USUAL_UNITS: u32 = 160;

/// Concealment fades out long before.
const CONCEAL_MAX_UNITS: u64 = 1_600;

struct State {
    decoder: G722Decoder,
    pcm: Vec<i16>,
}

#[derive(Default)]
pub struct G722Dec {
    state: Mutex<Option<State>>,
}

impl G722Dec {
    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The samples of one packet; an empty one stands for what was lost.
    fn decode(&self, buffer: &gst::Buffer) -> Result<gst::Buffer, gst::FlowError> {
        let mut state = self.state();
        let State { decoder, pcm } = state.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        pcm.clear();
        if buffer.size() == 0 {
            let units = buffer.duration().map_or(USUAL_UNITS, |lost| {
                (lost.nseconds() * 8 / 1_000_000).min(CONCEAL_MAX_UNITS) as u32
            });
            decoder.conceal(units, pcm);
        } else {
            let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            decoder.decode(&map, pcm);
        }
        let mut bytes = Vec::with_capacity(pcm.len() * 2);
        write_samples(pcm, &mut bytes);
        Ok(gst::Buffer::from_slice(bytes))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for G722Dec {
    const NAME: &'static str = "GstSipG722Dec";
    type Type = super::G722Dec;
    type ParentType = gst_audio::AudioDecoder;
}

impl ObjectImpl for G722Dec {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_needs_format(true);
        obj.set_plc(true);
    }
}

impl GstObjectImpl for G722Dec {}

impl ElementImpl for G722Dec {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "G.722 decoder",
                "Codec/Decoder/Audio",
                "Decodes G.722 at 64 kbit/s to mono at 16 kHz",
                "The sipbridge developers",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            caps::codec_templates(
                caps::telephone("audio/G722", 16_000).into(),
                raw_caps(16_000),
            )
        });
        TEMPLATES.as_ref()
    }
}

impl AudioDecoderImpl for G722Dec {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let decoder = G722Decoder::new()
            .map_err(|error| gst::error_msg!(gst::CoreError::MissingPlugin, ("{error}")))?;
        *self.state() = Some(State {
            decoder,
            pcm: Vec::new(),
        });
        // The base class forgets this whenever it stops.
        self.obj().set_plc_aware(true);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.state() = None;
        Ok(())
    }

    fn set_format(&self, _caps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = gst_audio::AudioInfo::builder(gst_audio::AudioFormat::S16le, 16_000, 1)
            .build()
            .map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        self.obj()
            .set_output_format(&info)
            .map_err(|_| gst::loggable_error!(CAT, "nobody downstream takes mono at 16 kHz"))
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
}
