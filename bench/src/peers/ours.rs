// SPDX-License-Identifier: MPL-2.0
//! Ourselves: two phone legs a call, joined on a context, in a process of its own ([`crate::bridge`]).

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use gstsipbridge::codec::{OpusAudioType, OpusLimits, OpusSettings};
use sip_ua::sdp::Codec;

use super::{Call, Leg, Running, Settings, Stage, TRANSCODED, Transcoder};
use crate::bridge::{Answer, Question};
use crate::process::Process;

/// What goes from one leg to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ours {
    pub name: &'static str,
    pub opus: OpusSettings,
    /// The rate at which Opus is encoded: the phone's own 8000 Hz, or another.
    pub rate_hz: u32,
    /// Whether pauses are left out.
    pub dtx: bool,
    /// Whether both phones speak PCMU, and packets pass as they are.
    pub passes: bool,
    /// As an endpoint rather than a bridge: what comes is played out of a jitter buffer, and spoken anew.
    pub played_out: bool,
}

impl Ours {
    /// Settings for a bridge: Opus at the phone's rate, as cheap as it sounds well.
    pub fn bridge() -> Ours {
        Ours {
            name: "sipbridge",
            opus: OpusSettings {
                audio_type: OpusAudioType::Voice,
                complexity: 1,
                bitrate_bps: 24_000,
                inband_fec: false,
                packet_loss_percent: 0,
                dtx: false,
                limits: OpusLimits::NONE,
            },
            rate_hz: 8_000,
            dtx: false,
            passes: false,
            played_out: false,
        }
    }

    /// Between two phones of one codec.
    pub fn passing() -> Ours {
        Ours {
            passes: true,
            ..Ours::bridge()
        }
    }

    /// As an endpoint is, such as `sipbin`: each leg has its jitter buffer.
    pub fn endpoint() -> Ours {
        Ours {
            name: "sipbridge, jitter buffer",
            played_out: true,
            ..Ours::bridge()
        }
    }

    /// As rtpengine encodes, and therefore played out: a bridge never encodes at a rate that was not heard.
    pub fn as_rtpengine() -> Ours {
        Ours {
            opus: OpusSettings {
                complexity: 10,
                ..Ours::bridge().opus
            },
            rate_hz: 48_000,
            played_out: true,
            ..Ours::bridge()
        }
    }

    /// As the elements are set where nobody says otherwise.
    pub fn defaults() -> Ours {
        Ours {
            name: "sipbridge, elements' defaults",
            opus: OpusSettings::default(),
            rate_hz: 8_000,
            dtx: false,
            passes: false,
            played_out: false,
        }
    }
}

impl Transcoder for Ours {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn codecs(&self) -> [Codec; 2] {
        match self.passes {
            true => [Codec::Pcmu; 2],
            false => TRANSCODED,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            jitter_buffer: if self.played_out { "adaptive" } else { "none" },
            ..Settings::of_ours(&self.opus, self.rate_hz)
        }
    }

    fn start(&self, stage: &Stage, phones: &[(u16, u16)]) -> Result<Running> {
        let mut bridge = Bridge::start(stage)?;
        let calls = phones
            .iter()
            .map(|phones| Ok(bridge.add(self, *phones)?.1))
            .collect::<Result<_>>()?;
        Ok(Running {
            process: bridge.process,
            calls,
        })
    }
}

/// The process that bridges, from outside.
pub struct Bridge {
    pub process: Process,
}

impl Bridge {
    pub fn start(stage: &Stage) -> Result<Bridge> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bridging");
        let log = stage.log("bridge");
        let process = Process::start("the bridge", command, stage.core, &log, true)?;
        Ok(Bridge { process })
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        let answer = self.process.ask(&serde_json::to_string(question)?)?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Refused(why)) => bail!("the bridge refuses: {why}"),
            answered => answered.with_context(|| format!("the bridge answers {answer:?}")),
        }
    }

    /// A call between the phones that listen on these ports, and its number.
    pub fn add(&mut self, ours: &Ours, (pcmu, opus): (u16, u16)) -> Result<(usize, Call)> {
        let question = Question::Add {
            pcmu,
            opus,
            settings: ours.opus.into(),
            rate_hz: ours.rate_hz,
            dtx: ours.dtx,
            passes: ours.passes,
            played_out: ours.played_out,
        };
        let Answer::Added {
            call,
            pcmu,
            opus,
            opus_payload_type,
        } = self.ask(&question)?
        else {
            bail!("the bridge answers another question");
        };
        let leg = |port, payload_type| Leg {
            to: port,
            from: port,
            payload_type,
        };
        let legs = Call {
            pcmu: leg(pcmu, 0),
            opus: leg(opus, opus_payload_type),
        };
        Ok((call, legs))
    }

    pub fn remove(&mut self, call: usize) -> Result<()> {
        self.ask(&Question::Remove { call }).map(|_| ())
    }
}
