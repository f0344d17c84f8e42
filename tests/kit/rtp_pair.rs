// SPDX-License-Identifier: MPL-2.0
//! An SFU's plain transports, made of GStreamer's own programs: one process that sends speech by RTP, and one that
//! takes what comes and decodes it.

use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::{Context as _, Result};
use sip_worker::measure::Wave;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const RATE_HZ: u32 = 16_000;
/// Before there is a pipeline: plugins are looked for first.
const START: Duration = Duration::from_secs(20);

/// Takes RTP at a port, and RTCP at the next; leaves what it heard in a file.
pub struct Taker {
    process: Process,
    address: SocketAddr,
    file: PathBuf,
}

impl Taker {
    pub fn start(scenario: &str, payload_type: u8, reports_to: u16) -> Result<Taker> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("taken.raw");
        let _ = std::fs::remove_file(&file);
        let port = ports::free();
        let text = format!(
            "rtpbin name=b udpsrc address=127.0.0.1 port={port} \
             caps=application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload={payload_type} ! b.recv_rtp_sink_0 \
             udpsrc address=127.0.0.1 port={} name=reports ! b.recv_rtcp_sink_0 \
             b.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={reports_to} sync=false async=false \
             b. ! rtpopusdepay ! opusdec plc=true ! audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate={RATE_HZ},channels=1 ! filesink sync=false buffer-mode=unbuffered location={}",
            port + 1,
            file.display()
        );
        let process = launch(scenario, "taker", &text)?;
        Ok(Taker {
            process,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            file,
        })
    }

    /// Where RTP is to go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it heard.
    pub fn into_heard(mut self) -> Result<Wave> {
        self.process.terminate()?;
        let bytes = std::fs::read(&self.file).context("nothing was taken")?;
        let samples = bytes.chunks_exact(2);
        Ok(Wave {
            rate_hz: RATE_HZ,
            samples: samples
                .map(|two| i16::from_le_bytes([two[0], two[1]]))
                .collect(),
        })
    }
}

/// Says something by RTP, with reports, from now on.
pub fn say(scenario: &str, wave: &Wave, to: u16, payload_type: u8, ssrc: u32) -> Result<Process> {
    let folder = out_dir(scenario);
    let file = folder.join("given.wav");
    wave.resampled(RATE_HZ).write(&file)?;
    let text = format!(
        "rtpbin name=b filesrc location={} ! wavparse ! audioconvert ! audioresample \
         ! audio/x-raw,rate={RATE_HZ} ! opusenc audio-type=voice ! rtpopuspay pt={payload_type} ssrc={ssrc} \
         ! b.send_rtp_sink_0 b.send_rtp_src_0 ! udpsink host=127.0.0.1 port={to} \
         b.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={} sync=false async=false",
        file.display(),
        to + 1
    );
    launch(scenario, "giver", &text)
}

fn launch(scenario: &str, name: &str, text: &str) -> Result<Process> {
    let mut command = Command::new("gst-launch-1.0");
    command.args(text.split_whitespace());
    let log = out_dir(scenario).join(format!("{name}.log"));
    let process = Process::start(name, command, &log)?;
    process.wait_for_line("Setting pipeline to PLAYING", START)?;
    Ok(process)
}
