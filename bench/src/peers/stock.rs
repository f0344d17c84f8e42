// SPDX-License-Identifier: MPL-2.0
//! GStreamer as it comes: `gst-launch-1.0` with stock elements only.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Call, Leg, Running, Settings, Stage, Transcoder};
use crate::process::Process;

/// The payload type of Opus.
const OPUS: u8 = 96;

/// Ports are looked for from here on.
const FIRST_PORT: u16 = 20_000;

/// The jitter buffers' latency: twice the packet time.
const LATENCY_MS: u32 = 40;

/// Stock elements between a PCMU and an Opus stream.
pub struct Stock {
    name: &'static str,
    encoding: Option<Encoding>,
    latency_ms: u32,
}

struct Encoding {
    rate_hz: u32,
    bitrate_bps: u32,
    complexity: u8,
}

impl Stock {
    /// As the documentation puts elements together: Opus at 48 kHz with `opusenc`'s defaults.
    pub fn defaults() -> Stock {
        Stock {
            name: "stock GStreamer",
            encoding: None,
            latency_ms: LATENCY_MS,
        }
    }

    /// With everybody's settings made equal.
    pub fn set(rate_hz: u32, bitrate_bps: u32, complexity: u8) -> Stock {
        Stock {
            encoding: Some(Encoding {
                rate_hz,
                bitrate_bps,
                complexity,
            }),
            ..Stock::defaults()
        }
    }

    /// With the latency that `rtpjitterbuffer` has where nobody says otherwise.
    pub fn patient() -> Stock {
        Stock {
            name: "stock GStreamer, 200 ms",
            latency_ms: 200,
            ..Stock::defaults()
        }
    }
}

impl Transcoder for Stock {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn settings(&self) -> Settings {
        let (rate_hz, bitrate_bps, complexity) = match &self.encoding {
            None => (48_000, 64_000, 10),
            Some(set) => (set.rate_hz, set.bitrate_bps, set.complexity),
        };
        Settings {
            library: "1.3.1, multistream",
            rate_hz,
            channels: 1,
            bitrate_bps,
            complexity,
            fec: false,
            audio_type: Some(match self.encoding {
                None => "generic",
                Some(_) => "voice",
            }),
            jitter_buffer: match self.latency_ms {
                LATENCY_MS => "rtpjitterbuffer, 40 ms",
                _ => "rtpjitterbuffer, 200 ms",
            },
        }
    }

    fn start(&self, stage: &Stage, phones: &[(u16, u16)]) -> Result<Running> {
        let ports = free_ports(phones.len() * 4)?;
        let mut calls = Vec::new();
        let mut launch = Vec::new();
        for ((pcmu, opus), ports) in phones.iter().zip(ports.as_chunks::<4>().0) {
            let [pcmu_in, pcmu_out, opus_in, opus_out] = *ports;
            launch.push(self.call(*ports, *pcmu, *opus));
            let leg = |to, from, payload_type| Leg {
                to,
                from,
                payload_type,
            };
            calls.push(Call {
                pcmu: leg(pcmu_in, pcmu_out, 0),
                opus: leg(opus_in, opus_out, OPUS),
            });
        }
        let mut command = Command::new("gst-launch-1.0");
        command.arg("-q");
        for call in &launch {
            command.args(call.split_whitespace());
        }
        let mut process = Process::start(
            "gst-launch-1.0",
            command,
            stage.core,
            &stage.log("gst-launch"),
            false,
        )?;
        // It tells nothing when it is ready; a socket that listens does.
        let last = ports.iter().rev().nth(1).copied().unwrap_or(FIRST_PORT);
        for _ in 0..600 {
            process.must_run()?;
            if UdpSocket::bind((Ipv4Addr::LOCALHOST, last)).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Running { process, calls })
    }
}

impl Stock {
    fn call(
        &self,
        [pcmu_in, pcmu_out, opus_in, opus_out]: [u16; 4],
        pcmu: u16,
        opus: u16,
    ) -> String {
        let (encode, decode) = match &self.encoding {
            None => (
                "audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=1 ! opusenc"
                    .to_owned(),
                "audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1".to_owned(),
            ),
            Some(Encoding {
                rate_hz,
                bitrate_bps,
                complexity,
            }) => {
                let resample = match rate_hz {
                    8_000 => String::new(),
                    other => format!("audioresample ! audio/x-raw,rate={other} ! "),
                };
                (
                    format!(
                        "{resample}opusenc audio-type=voice bitrate={bitrate_bps} complexity={complexity}"
                    ),
                    match rate_hz {
                        8_000 => "audio/x-raw,rate=8000,channels=1".to_owned(),
                        other => format!(
                            "audio/x-raw,rate={other},channels=1 ! audioresample ! audio/x-raw,rate=8000"
                        ),
                    },
                )
            }
        };
        let source = |port: u16, caps: &str| {
            format!(
                "udpsrc port={port} caps=application/x-rtp,media=audio,{caps} ! rtpjitterbuffer latency={}",
                self.latency_ms
            )
        };
        let sink = |from: u16, to: u16| {
            format!("udpsink host=127.0.0.1 port={to} bind-port={from} sync=false async=false")
        };
        format!(
            "{} ! rtppcmudepay ! mulawdec ! {encode} ! rtpopuspay pt={OPUS} ! {} \
             {} ! rtpopusdepay ! opusdec ! {decode} ! mulawenc \
             ! rtppcmupay min-ptime=20000000 max-ptime=20000000 ! {} ",
            source(pcmu_in, "encoding-name=PCMU,clock-rate=8000,payload=0"),
            sink(opus_out, opus),
            source(opus_in, "encoding-name=OPUS,clock-rate=48000,payload=96"),
            sink(pcmu_out, pcmu),
        )
    }
}

/// Ports nobody listens on, on any address: `udpsrc` binds to all of them.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let free: Vec<u16> = (FIRST_PORT..)
        .filter(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok())
        .take(count)
        .collect();
    (free.len() == count)
        .then_some(free)
        .context("there are too few free ports")
}
