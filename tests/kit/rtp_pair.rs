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
        let port = ports::free();
        let text = format!(
            "rtpbin name=b udpsrc address=127.0.0.1 port={port} \
             caps=application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload={payload_type} ! b.recv_rtp_sink_0 \
             udpsrc address=127.0.0.1 port={} name=reports ! b.recv_rtcp_sink_0 \
             b.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={reports_to} sync=false async=false b.",
            port + 1,
        );
        Taker::of(scenario, port, &text)
    }

    /// The same for SRTP by `srtpdec`, of a sender with this SSRC and key, whose reports come to the same port.
    pub fn start_encrypted(
        scenario: &str,
        payload_type: u8,
        ssrc: u32,
        key: &str,
    ) -> Result<Taker> {
        let port = ports::free();
        let text = format!(
            "udpsrc address=127.0.0.1 port={port} \
             caps=application/x-srtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload={payload_type},ssrc=(uint){ssrc},\
             srtp-key=(buffer){key},srtp-cipher=aes-128-icm,srtp-auth=hmac-sha1-80,\
             srtcp-cipher=aes-128-icm,srtcp-auth=hmac-sha1-80 ! d.rtp_sink srtpdec name=d \
             d.rtcp_src ! fakesink sync=false async=false d.rtp_src ! rtpjitterbuffer",
        );
        Taker::of(scenario, port, &text)
    }

    /// What it takes comes out of `source`.
    fn of(scenario: &str, port: u16, source: &str) -> Result<Taker> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("taken.raw");
        let _ = std::fs::remove_file(&file);
        let text = format!(
            "{source} ! rtpopusdepay ! opusdec plc=true ! audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate={RATE_HZ},channels=1 ! filesink sync=false buffer-mode=unbuffered location={}",
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
    let text = format!(
        "{} ! b.send_rtp_sink_0 rtpbin name=b b.send_rtp_src_0 ! udpsink host=127.0.0.1 port={to} \
         b.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={} sync=false async=false",
        spoken(scenario, wave, payload_type, ssrc)?,
        to + 1
    );
    launch(scenario, "giver", &text)
}

/// The same by SRTP, of `srtpenc` with this key.
pub fn say_encrypted(
    scenario: &str,
    wave: &Wave,
    to: u16,
    payload_type: u8,
    ssrc: u32,
    key: &str,
) -> Result<Process> {
    let text = format!(
        "{} ! srtpenc key={key} rtp-cipher=aes-128-icm rtp-auth=hmac-sha1-80 \
         rtcp-cipher=aes-128-icm rtcp-auth=hmac-sha1-80 ! udpsink host=127.0.0.1 port={to}",
        spoken(scenario, wave, payload_type, ssrc)?,
    );
    launch(scenario, "giver", &text)
}

/// Elements that make RTP of a wave.
fn spoken(scenario: &str, wave: &Wave, payload_type: u8, ssrc: u32) -> Result<String> {
    let file = out_dir(scenario).join("given.wav");
    wave.resampled(RATE_HZ).write(&file)?;
    Ok(format!(
        "filesrc location={} ! wavparse ! audioconvert ! audioresample ! audio/x-raw,rate={RATE_HZ} \
         ! opusenc audio-type=voice ! rtpopuspay pt={payload_type} ssrc={ssrc}",
        file.display()
    ))
}

fn launch(scenario: &str, name: &str, text: &str) -> Result<Process> {
    let mut command = Command::new("gst-launch-1.0");
    command.args(text.split_whitespace());
    let log = out_dir(scenario).join(format!("{name}.log"));
    let process = Process::start(name, command, &log)?;
    process.wait_for_line("Setting pipeline to PLAYING", START)?;
    Ok(process)
}
