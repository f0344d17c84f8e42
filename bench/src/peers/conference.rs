// SPDX-License-Identifier: MPL-2.0
//! Ourselves: `sipbin`s around a `sipmixer`, as anybody would write it for gst-launch. Each calls its
//! phone, which answers by SIP; the generator is what it then talks to.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use gstsipbridge::codec::OpusSettings;
use gstsipbridge::mixer::MixerSettings;
use sip_ua::agent::{Agent, AgentConfig, CallEvent, IncomingCall, Verdict};
use sip_ua::sdp::{self, Codec, LocalMedia};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::{Conference, Leg, Mixes, Rooms, Settings, Stage, named};
use crate::process::Process;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How long all calls together may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a room is told to be.
pub struct Sipmixer {
    pub name: &'static str,
    /// The highest rate of the room.
    pub rate_hz: u32,
    pub opus: OpusSettings,
}

impl Sipmixer {
    /// As the element is set where nobody says otherwise.
    pub fn defaults() -> Sipmixer {
        Sipmixer {
            name: "sipmixer",
            rate_hz: 48_000,
            opus: MixerSettings::default().opus,
        }
    }

    /// As AudioBridge is set, as far as that can be.
    pub fn as_audiobridge(rate_hz: u32) -> Sipmixer {
        Sipmixer {
            name: "sipmixer",
            rate_hz,
            opus: OpusSettings {
                complexity: 4,
                // What libopus chooses for AudioBridge, in frames of 20 ms.
                bitrate_bps: rate_hz + 3_000,
                inband_fec: false,
                packet_loss_percent: 0,
                ..OpusSettings::default()
            },
        }
    }

    fn launch(&self, rooms: Rooms, phones: usize, agent: u16) -> String {
        let OpusSettings {
            audio_type,
            complexity,
            bitrate_bps,
            inband_fec,
            packet_loss_percent,
            ..
        } = self.opus;
        let audio_type = named(audio_type);
        let codec = match rooms.codec {
            Codec::Opus => "opus",
            _ => "pcmu",
        };
        let mixers = (0..rooms.count).map(|room| {
            format!(
                "sipmixer name=m{room} sample-rate={} audio-type={audio_type} complexity={complexity} bitrate={bitrate_bps} \
                 inband-fec={inband_fec} packet-loss-percentage={packet_loss_percent} ",
                self.rate_hz
            )
        });
        let legs = (0..phones).map(|number| {
            let (room, seat) = (number / rooms.size, number % rooms.size);
            format!(
                "sipbin name=p{number} uri=sip:{number}@127.0.0.1:{agent} codecs=<{codec}> \
                 p{number}. ! m{room}.sink_{seat} m{room}.minus_{seat} ! p{number}. "
            )
        });
        mixers.chain(legs).collect()
    }
}

impl Mixes for Sipmixer {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn settings(&self) -> Settings {
        Settings::of_ours(&self.opus, self.rate_hz)
    }

    fn start(&self, stage: &Stage, rooms: Rooms, phones: &[u16]) -> Result<Conference> {
        let (agent, calls, runtime) = answering()?;
        let mut command = Command::new("gst-launch-1.0");
        let plugins = std::env::current_exe()?;
        let plugins = plugins.parent().context("this program has no folder")?;
        ensure!(
            plugins.join("libgstsipbridge.so").exists(),
            "the plugin is not built: ./dev build"
        );
        command
            .arg("-q")
            .env("GST_PLUGIN_PATH", plugins)
            .env("GST_REGISTRY", stage.folder.join("registry.bin"))
            .args(
                self.launch(rooms, phones.len(), agent.local_addr().port())
                    .split_whitespace(),
            );
        let log = stage.log("conference");
        let process = Process::start("gst-launch-1.0", command, stage.core, &log, false)?;
        let mut conference = Conference::new(process, Vec::new());
        let answered = answer_all(calls, rooms.codec, phones.to_vec());
        let legs = runtime.block_on(async { tokio::time::timeout(PATIENCE, answered).await });
        conference.process.must_run()?;
        conference.legs = legs.context("not all calls came up")??;
        conference.keeps = Some(Phones {
            _agent: agent,
            _runtime: runtime,
        });
        Ok(conference)
    }
}

/// What answers, until the conference is over.
pub struct Phones {
    pub(super) _agent: Agent,
    pub(super) _runtime: Runtime,
}

/// Whom all may call, and what it lives on.
pub(super) fn answering() -> Result<(Agent, mpsc::Receiver<IncomingCall>, Runtime)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let config = AgentConfig {
        screen: Arc::new(|_, _| Verdict::Allow),
        ..AgentConfig::default()
    };
    let (agent, calls) = runtime.block_on(Agent::bind(config))?;
    Ok((agent, calls, runtime))
}

/// Answers a call to each phone; returns their legs, in the order of the phones.
pub(super) async fn answer_all(
    mut calls: mpsc::Receiver<IncomingCall>,
    codec: Codec,
    phones: Vec<u16>,
) -> Result<Vec<Leg>> {
    let mut legs = vec![None; phones.len()];
    let (up, mut are_up) = mpsc::channel(phones.len().max(1));
    for _ in 0..phones.len() {
        let incoming = calls.recv().await.context("nobody calls any more")?;
        let number = incoming
            .request
            .uri
            .user_decoded()
            .and_then(|user| String::from_utf8(user).ok()?.parse::<usize>().ok())
            .context("a call for nobody")?;
        let port = phones.get(number).context("a call for nobody")?;
        let media = LocalMedia::new(HERE, *port, vec![codec]);
        let (answer, negotiated) = sdp::answer(&media, &incoming.request.body)?;
        let place = legs.get_mut(number).context("a call for nobody")?;
        *place = Some(Leg {
            to: negotiated.remote_rtp.port(),
            from: negotiated.remote_rtp.port(),
            payload_type: negotiated.send_pt,
        });
        let mut call = incoming.call;
        call.handle.accept(answer);
        let up = up.clone();
        tokio::spawn(async move {
            // The call lasts as long as its events are waited for.
            while let Some(event) = call.events.recv().await {
                if matches!(event, CallEvent::Confirmed { .. }) {
                    let _ = up.send(()).await;
                }
            }
        });
    }
    for _ in 0..phones.len() {
        if are_up.recv().await.is_none() {
            bail!("a call did not come up");
        }
    }
    legs.into_iter()
        .map(|leg| leg.context("a phone was not called"))
        .collect()
}
