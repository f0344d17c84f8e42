// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `g722enc`.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::subclass::prelude::*;
use gst_audio::prelude::*;
use gst_audio::subclass::prelude::*;

use crate::codec::chain::{append_samples, raw_caps};
use crate::codec::g722::G722Encoder;
use crate::line::caps;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "g722enc",
        gst::DebugColorFlags::empty(),
        Some("G.722 encoder"),
    )
});

#[derive(Default)]
struct State {
    encoder: G722Encoder,
    pcm: Vec<i16>,
}

#[derive(Default)]
pub struct G722Enc {
    state: Mutex<State>,
}

impl G722Enc {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encode(&self, buffer: &gst::Buffer) -> Result<(gst::Buffer, i32), gst::FlowError> {
        let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        let mut state = self.state();
        let State { encoder, pcm } = &mut *state;
        pcm.clear();
        append_samples(&map, pcm);
        let given = i32::try_from(pcm.len()).map_err(|_| gst::FlowError::Error)?;
        let mut bytes = Vec::with_capacity(pcm.len() / 2 + 1);
        encoder.encode(pcm, &mut bytes);
        Ok((gst::Buffer::from_slice(bytes), given))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for G722Enc {
    const NAME: &'static str = "GstSipG722Enc";
    type Type = super::G722Enc;
    type ParentType = gst_audio::AudioEncoder;
}

impl ObjectImpl for G722Enc {}

impl GstObjectImpl for G722Enc {}

impl ElementImpl for G722Enc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "G.722 encoder",
                "Codec/Encoder/Audio",
                "Encodes mono speech at 16 kHz to G.722 at 64 kbit/s",
                "The sipbridge developers",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            caps::codec_templates(
                raw_caps(16_000),
                caps::telephone("audio/G722", 16_000).into(),
            )
        });
        TEMPLATES.as_ref()
    }
}

impl AudioEncoderImpl for G722Enc {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        *self.state() = State::default();
        Ok(())
    }

    fn set_format(&self, _info: &gst_audio::AudioInfo) -> Result<(), gst::LoggableError> {
        let caps = gst::Caps::from(caps::telephone("audio/G722", 16_000));
        self.obj()
            .set_output_format(&caps)
            .map_err(|_| gst::loggable_error!(CAT, "nobody downstream takes {caps}"))
    }

    fn handle_frame(
        &self,
        buffer: Option<&gst::Buffer>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(buffer) = buffer else {
            return Ok(gst::FlowSuccess::Ok);
        };
        // No lock is held while the packet goes downstream.
        let (packet, samples) = self.encode(buffer)?;
        self.obj().finish_frame(Some(packet), samples)
    }

    fn flush(&self) {
        *self.state() = State::default();
    }
}
