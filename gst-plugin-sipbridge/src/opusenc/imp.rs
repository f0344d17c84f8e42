// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `sipopusenc`.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_audio::prelude::*;
use gst_audio::subclass::prelude::*;

use super::FrameSize;
use crate::codec::chain::append_samples;
use crate::codec::{OpusEncoder, OpusSettings};
use crate::line::caps::codec_templates;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sipopusenc",
        gst::DebugColorFlags::empty(),
        Some("Opus encoder for telephony"),
    )
});

/// libopus takes no bit rate outside of this.
const BITRATE_MIN: u32 = 500;
const BITRATE_MAX: u32 = 512_000;

#[derive(Debug, Clone, Copy, Default)]
struct Settings {
    opus: OpusSettings,
    frame_size: FrameSize,
    /// Set by a change while the encoder runs; taken up with the next frame.
    changed: bool,
}

struct State {
    encoder: OpusEncoder,
    /// In samples.
    frame: usize,
    pcm: Vec<i16>,
    packet: Vec<u8>,
}

#[derive(Default)]
pub struct OpusEnc {
    settings: Mutex<Settings>,
    state: Mutex<Option<State>>,
}

impl OpusEnc {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One packet from at most one frame of audio; the last of a stream may be short.
    fn encode(&self, buffer: &gst::Buffer) -> Result<(Option<gst::Buffer>, i32), gst::FlowError> {
        let settings = {
            let mut settings = self.settings();
            let current = *settings;
            settings.changed = false;
            current
        };
        let mut state = self.state();
        let state = state.as_mut().ok_or(gst::FlowError::NotNegotiated)?;
        if settings.changed
            && let Err(error) = state.encoder.set(settings.opus)
        {
            gst::warning!(CAT, imp = self, "settings not taken up: {error}");
        }
        let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
        state.pcm.clear();
        append_samples(&map, &mut state.pcm);
        let given = state.pcm.len() as i32;
        state.pcm.resize(state.frame, 0);
        state.packet.clear();
        state.encoder.encode(&state.pcm, &mut state.packet);
        if state.packet.is_empty() {
            gst::trace!(CAT, imp = self, "silence is not sent");
            return Ok((None, given));
        }
        Ok((Some(gst::Buffer::from_slice(state.packet.clone())), given))
    }

    fn set(
        &self,
        value: &glib::Value,
        name: &str,
    ) -> Result<(), glib::value::ValueTypeMismatchError> {
        let mut settings = self.settings();
        let opus = &mut settings.opus;
        // GObject has checked ranges before it comes here.
        match name {
            "complexity" => opus.complexity = value.get::<u32>()? as u8,
            "bitrate" => {
                opus.bitrate_bps = match value.get::<u32>()? {
                    0 => 0,
                    bps => bps.max(BITRATE_MIN),
                }
            }
            "inband-fec" => opus.inband_fec = value.get()?,
            "packet-loss-percentage" => opus.packet_loss_percent = value.get::<u32>()? as u8,
            "dtx" => opus.dtx = value.get()?,
            "frame-size" => settings.frame_size = value.get()?,
            _ => return Ok(()),
        }
        settings.changed = true;
        Ok(())
    }
}

#[glib::object_subclass]
impl ObjectSubclass for OpusEnc {
    const NAME: &'static str = "GstSipOpusEnc";
    type Type = super::OpusEnc;
    type ParentType = gst_audio::AudioEncoder;
}

impl ObjectImpl for OpusEnc {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let default = OpusSettings::default();
            vec![
                glib::ParamSpecUInt::builder("complexity")
                    .nick("Complexity")
                    .blurb("Computation spent on a frame, from 0 (least) to 10 (most)")
                    .maximum(10)
                    .default_value(u32::from(default.complexity))
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("bitrate")
                    .nick("Bit rate")
                    .blurb("Bits a second (500 to 512000); 0: as fits the sample rate (24000 at 8 kHz, 32000 at 16 kHz, what libopus chooses at 48 kHz)")
                    .maximum(BITRATE_MAX)
                    .default_value(default.bitrate_bps)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("inband-fec")
                    .nick("In-band FEC")
                    .blurb("Carry a coarse copy of each packet in the next, where packet-loss-percentage makes it worth it")
                    .default_value(default.inband_fec)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("packet-loss-percentage")
                    .nick("Packet loss percentage")
                    .blurb("The loss to prepare for, in percent")
                    .maximum(100)
                    .default_value(u32::from(default.packet_loss_percent))
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoolean::builder("dtx")
                    .nick("DTX")
                    .blurb("Send next to nothing while there is silence")
                    .default_value(default.dtx)
                    .mutable_playing()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("frame-size", FrameSize::default())
                    .nick("Frame size")
                    .blurb("The audio in a packet, in ms; taken up with the next format")
                    .mutable_ready()
                    .build(),
            ]
        });
        PROPERTIES.as_ref()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if let Err(error) = self.set(value, pspec.name()) {
            gst::error!(CAT, imp = self, "{}: {error}", pspec.name());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = self.settings();
        match pspec.name() {
            "complexity" => u32::from(settings.opus.complexity).to_value(),
            "bitrate" => settings.opus.bitrate_bps.to_value(),
            "inband-fec" => settings.opus.inband_fec.to_value(),
            "packet-loss-percentage" => u32::from(settings.opus.packet_loss_percent).to_value(),
            "dtx" => settings.opus.dtx.to_value(),
            "frame-size" => settings.frame_size.to_value(),
            _ => pspec.default_value().clone(),
        }
    }
}

impl GstObjectImpl for OpusEnc {}

impl ElementImpl for OpusEnc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Opus encoder for telephony",
                "Codec/Encoder/Audio",
                "Encodes mono speech to Opus at the rate it has",
                "The sipbridge developers",
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let raw = gst_audio::AudioCapsBuilder::new_interleaved()
                .format(gst_audio::AudioFormat::S16le)
                .rate_list([48_000, 16_000, 8_000])
                .channels(1)
                .build();
            let opus = gst::Caps::builder("audio/x-opus")
                .field("channel-mapping-family", 0)
                .build();
            codec_templates(raw, opus)
        });
        TEMPLATES.as_ref()
    }
}

impl AudioEncoderImpl for OpusEnc {
    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *self.state() = None;
        Ok(())
    }

    fn set_format(&self, info: &gst_audio::AudioInfo) -> Result<(), gst::LoggableError> {
        let settings = *self.settings();
        let mut encoder = OpusEncoder::new(info.rate(), settings.opus)
            .map_err(|error| gst::loggable_error!(CAT, "{error}"))?;
        let look_ahead = encoder.look_ahead() as i32;
        let ms = settings.frame_size as u32;
        let frame = info.rate() / 1000 * ms;
        *self.state() = Some(State {
            encoder,
            frame: frame as usize,
            pcm: Vec::with_capacity(frame as usize),
            packet: Vec::new(),
        });
        let obj = self.obj();
        obj.set_frame_samples_min(frame as i32);
        obj.set_frame_samples_max(frame as i32);
        obj.set_frame_max(1);
        obj.set_lookahead(look_ahead);
        let latency = gst::ClockTime::from_mseconds(u64::from(ms));
        obj.set_latency(latency, latency);
        let caps = gst::Caps::builder("audio/x-opus")
            .field("rate", info.rate() as i32)
            .field("channels", 1)
            .field("channel-mapping-family", 0)
            .field("stream-count", 1)
            .field("coupled-count", 0)
            .build();
        obj.set_output_format(&caps)
            .map_err(|_| gst::loggable_error!(CAT, "nobody downstream takes {caps}"))?;
        Ok(())
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
        self.obj().finish_frame(packet, samples)
    }

    fn flush(&self) {
        if let Some(state) = self.state().as_mut() {
            state.encoder.reset();
        }
    }

    /// The rate in Opus caps is only where the audio came from: it does not bind the input.
    fn caps(&self, filter: Option<&gst::Caps>) -> gst::Caps {
        let caps = self.obj().sink_pad().pad_template_caps();
        match filter {
            Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
            None => caps,
        }
    }
}
