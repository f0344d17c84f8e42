// SPDX-License-Identifier: MPL-2.0
//! The properties of `sipmixer`.

use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use crate::handover::Handover;
use crate::mixer::{MixerSettings, Rate};
use crate::property::uint;

const SAMPLE_RATE_MAX: u32 = 48_000;

/// libopus takes no bit rate outside of this.
const BITRATE_MIN: u32 = 500;
const BITRATE_MAX: u32 = 512_000;

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) context: Option<String>,
    context_wait_ms: u32,
    pub(super) handover: Handover,
    sample_rate: u32,
    /// The share of a media thread that mixing may take where one more is let in.
    pub(super) max_load: f64,
    pub(super) comfort_noise: bool,
    pub(super) mixer: MixerSettings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            context: None,
            context_wait_ms: 5,
            handover: Handover::default(),
            sample_rate: SAMPLE_RATE_MAX,
            max_load: 0.8,
            comfort_noise: false,
            mixer: MixerSettings::default(),
        }
    }
}

impl Settings {
    pub(super) fn context_wait(&self) -> Duration {
        Duration::from_millis(u64::from(self.context_wait_ms))
    }

    /// GObject has checked types and ranges before it comes here.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: &glib::Value,
    ) -> Result<(), glib::value::ValueTypeMismatchOrNoneError<glib::value::ValueTypeMismatchError>>
    {
        let opus = &mut self.mixer.opus;
        match name {
            "context" => {
                let context = value.get::<Option<String>>().unwrap_or_default();
                self.context = context.filter(|name| !name.is_empty());
            }
            "context-wait" => self.context_wait_ms = value.get()?,
            "handover" => self.handover = value.get()?,
            "sample-rate" => {
                self.sample_rate = value.get()?;
                self.mixer.rate_max = Rate::ALL
                    .into_iter()
                    .rfind(|rate| rate.hz() <= self.sample_rate)
                    .unwrap_or(Rate::Hz8000);
            }
            "speech-threshold" => self.mixer.speech_dbfs = value.get::<f64>()? as f32,
            "max-load" => self.max_load = value.get()?,
            "comfort-noise" => self.comfort_noise = value.get()?,
            "audio-type" => opus.audio_type = value.get()?,
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
            _ => {}
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        let opus = &self.mixer.opus;
        Some(match name {
            "context" => self.context.to_value(),
            "context-wait" => self.context_wait_ms.to_value(),
            "handover" => self.handover.to_value(),
            "sample-rate" => self.sample_rate.to_value(),
            "speech-threshold" => f64::from(self.mixer.speech_dbfs).to_value(),
            "max-load" => self.max_load.to_value(),
            "comfort-noise" => self.comfort_noise.to_value(),
            "audio-type" => opus.audio_type.to_value(),
            "complexity" => u32::from(opus.complexity).to_value(),
            "bitrate" => opus.bitrate_bps.to_value(),
            "inband-fec" => opus.inband_fec.to_value(),
            "packet-loss-percentage" => u32::from(opus.packet_loss_percent).to_value(),
            "dtx" => opus.dtx.to_value(),
            _ => return None,
        })
    }
}

/// In the order gst-inspect shows them.
pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let default = MixerSettings::default();
    vec![
        glib::ParamSpecString::builder("context")
            .nick("Context")
            .blurb("The media thread to mix on, by name; unset: the least loaded of the default ones. While playing, the room moves there")
            .mutable_playing()
            .build(),
        uint(
            "context-wait",
            "Context wait",
            "Milliseconds the named media thread may sleep to gather work",
            0..=5,
            5,
        ),
        glib::ParamSpecEnum::builder_with_default("handover", Handover::default())
            .nick("Handover")
            .blurb("Which thread pushes from minus pads: one of the pad, or the media thread that all calls share")
            .mutable_ready()
            .build(),
        uint(
            "sample-rate",
            "Sample rate",
            "The highest rate that the room takes in and gives out, in Hz",
            8_000..=SAMPLE_RATE_MAX,
            SAMPLE_RATE_MAX,
        ),
        glib::ParamSpecDouble::builder("speech-threshold")
            .nick("Speech threshold")
            .blurb("Louder than this is speech, in dBFS; quieter may be where there is less noise. -100: everybody is always mixed")
            .minimum(-100.0)
            .maximum(0.0)
            .default_value(f64::from(default.speech_dbfs))
            .mutable_playing()
            .build(),
        glib::ParamSpecDouble::builder("max-load")
            .nick("Maximum load")
            .blurb("The share of its media thread that mixing may take: nobody more is let in from there on")
            .minimum(0.0)
            .maximum(1.0)
            .default_value(Settings::default().max_load)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("comfort-noise")
            .nick("Comfort noise")
            .blurb("Let all hear quiet noise (-50 dBFS): a line that waits is not a dead one")
            .default_value(false)
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("audio-type", default.opus.audio_type)
            .nick("Audio type")
            .blurb("What Opus is tuned for: many voices, or one alone")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("complexity")
            .nick("Complexity")
            .blurb("Computation spent on a frame of Opus, from 0 (least) to 10 (most)")
            .maximum(10)
            .default_value(u32::from(default.opus.complexity))
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("bitrate")
            .nick("Bit rate")
            .blurb("Bits a second of Opus (500 to 512000); 0: as fits the sample rate")
            .maximum(BITRATE_MAX)
            .default_value(default.opus.bitrate_bps)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("inband-fec")
            .nick("In-band FEC")
            .blurb("Carry a coarse copy of each Opus packet in the next, where packet-loss-percentage makes it worth it")
            .default_value(default.opus.inband_fec)
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("packet-loss-percentage")
            .nick("Packet loss percentage")
            .blurb("The loss that Opus prepares for, in percent")
            .maximum(100)
            .default_value(u32::from(default.opus.packet_loss_percent))
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("dtx")
            .nick("DTX")
            .blurb("Send next to no Opus while there is silence")
            .default_value(default.opus.dtx)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Who takes part, and what mixing them takes")
            .read_only()
            .build(),
    ]
}
