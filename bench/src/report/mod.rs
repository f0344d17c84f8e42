// SPDX-License-Identifier: MPL-2.0
//! What was measured, as a table, as JSON and as a picture.

mod bridge;
mod calls;
mod plot;
mod quality;
mod room;
mod table;
mod webrtc;

pub use plot::{Bar, Curve, bars, curves};
pub use table::Table;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::machine::Machine;
use crate::peers::Settings;
use crate::runs::bridge::Bridges;
use crate::runs::calls::Calls;
use crate::runs::growth::Growth;
use crate::runs::load::Figures;
use crate::runs::mixing::{self, Mixing};
use crate::runs::quality::Quality;
use crate::runs::room::Room;
use crate::runs::soak::{Point, Soak};
use crate::runs::transcode::{Terms, Transcoding};
use crate::runs::webrtc::Webrtc;
use crate::runs::worker::Reached;

/// All that one run of the benchmark measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    /// Seconds since 1970.
    pub at: u64,
    pub version: &'static str,
    /// The machine was not quiet: nothing in here counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub despite_load: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcoding: Option<Transcoding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixing: Option<Mixing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webrtc: Option<Webrtc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridges: Option<Bridges>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<Reached>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub soaks: Vec<Soak>,
}

impl Report {
    pub fn new() -> Report {
        Report {
            machine: Machine::here(),
            at: crate::load::seconds_since_1970(),
            version: env!("CARGO_PKG_VERSION"),
            despite_load: None,
            transcoding: None,
            mixing: None,
            quality: None,
            webrtc: None,
            room: None,
            bridges: None,
            growth: None,
            calls: None,
            worker: None,
            soaks: Vec::new(),
        }
    }

    /// Writes `bench.json` and the pictures, and says where they are.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        let mut write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            written.push(path);
            anyhow::Ok(())
        };
        write("bench.json", serde_json::to_string_pretty(self)? + "\n")?;
        if let Some(transcoding) = &self.transcoding {
            write(
                "transcoding.svg",
                transcoding_picture(&self.machine, transcoding),
            )?;
        }
        if let Some(mixing) = &self.mixing {
            write("mixing.svg", mixing_picture(&self.machine, mixing))?;
        }
        if let Some(quality) = &self.quality {
            let facts = facts(&self.machine);
            write("quality.svg", quality::picture(&facts, quality))?;
        }
        if let Some(webrtc) = &self.webrtc {
            let facts = facts(&self.machine);
            write("webrtc.svg", webrtc::picture(&facts, webrtc))?;
        }
        if let Some(room) = &self.room {
            let facts = facts(&self.machine);
            write("room.svg", room::picture(&facts, room))?;
        }
        if let Some(growth) = &self.growth {
            write("growth.svg", growth_picture(&self.machine, growth))?;
        }
        if let Some(calls) = self.calls.as_ref().filter(|calls| !calls.ways.is_empty()) {
            let facts = facts(&self.machine);
            write("calls.svg", calls::picture(&facts, calls))?;
        }
        for soak in &self.soaks {
            let name = format!("soak-{}.svg", soak.what);
            write(&name, soak_picture(&self.machine, soak))?;
        }
        Ok(written)
    }

    /// The tables, for people.
    pub fn text(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{}, {} cores, {}, Linux {}\n",
            machine.cpu, machine.cores, machine.system, machine.kernel
        );
        if let Some(why) = &self.despite_load {
            text.push_str(&format!("NONE OF THIS COUNTS: {why}\n"));
        }
        if let Some(transcoding) = &self.transcoding {
            text.push_str(&transcoding_text(transcoding));
        }
        if let Some(mixing) = &self.mixing {
            text.push_str(&mixing_text(mixing));
        }
        if let Some(quality) = &self.quality {
            text.push_str(&quality::text(quality));
        }
        if let Some(webrtc) = &self.webrtc {
            text.push_str(&webrtc::text(webrtc));
        }
        if let Some(room) = &self.room {
            text.push_str(&room::text(room));
        }
        if let Some(bridges) = &self.bridges {
            text.push_str(&bridge::text(bridges));
        }
        if let Some(growth) = &self.growth {
            text.push_str(&growth_text(growth));
        }
        if let Some(calls) = &self.calls {
            text.push_str(&calls::text(calls));
        }
        if let Some(worker) = &self.worker {
            text.push_str(&calls::reached(worker));
        }
        for soak in &self.soaks {
            text.push_str(&soak_text(soak));
        }
        text
    }
}

fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))
}

fn transcoding_text(transcoding: &Transcoding) -> String {
    let mut text = String::from(
        "\nPCMU to Opus and back, plain RTP, both sides talk all the time but where said otherwise\n",
    );
    for terms in [
        Terms::Own,
        Terms::EqualToRtpengine,
        Terms::EqualToOurs,
        Terms::Conversation,
    ] {
        let mut table = Table::new(&[
            "",
            "calls/core",
            "calls",
            "CPU %",
            "lost %",
            "gaps",
            "PCMU-Opus ms p50",
            "p99",
            "Opus-PCMU ms p50",
            "p99",
            "like",
            "threads",
            "MiB",
            "Opus",
            "jitter buffer",
        ]);
        for line in transcoding.lines.iter().filter(|line| line.terms == terms) {
            table.row(row(&line.figures));
        }
        if table.is_empty() {
            continue;
        }
        text.push_str(&format!("\n  {}\n{table}", terms.said()));
    }
    let floor = &transcoding.floor;
    text.push_str(&format!(
        "\n  the codec alone ({} kHz, complexity {}, {} calls in turn): {:.1} us for a frame each way, {:.0} calls/core\n",
        floor.rate_hz / 1_000,
        floor.complexity,
        floor.calls,
        floor.both_ways_us,
        floor.calls_per_core()
    ));
    if let Some(times) = transcoding.times_floor {
        text.push_str(&format!(
            "  sipbridge costs {times:.2} times the codec alone\n"
        ));
    }
    if let Some(times) = transcoding.times_rtpengine {
        text.push_str(&format!(
            "  sipbridge carries {times:.2} times rtpengine's calls per core\n"
        ));
    }
    if let Some(times) = transcoding.times_conversation {
        text.push_str(&format!(
            "  and in a conversation {times:.2} times as many\n"
        ));
    }
    text
}

fn row(figures: &Figures) -> Vec<String> {
    let settings = &figures.settings;
    let (up, down) = (&figures.pcmu_to_opus, &figures.opus_to_pcmu);
    vec![
        figures.peer.clone(),
        format!("{:.0}", figures.calls_per_core),
        figures.calls.to_string(),
        format!("{:.0}", figures.cpu_percent),
        format!("{:.2}", figures.tally.loss_percent()),
        figures.tally.gaps.to_string(),
        ms(up.delay_p50_ms),
        ms(up.delay_p99_ms),
        ms(down.delay_p50_ms),
        ms(down.delay_p99_ms),
        format!("{:.2}/{:.2}", up.correlation, down.correlation),
        figures.threads.to_string(),
        format!("{:.0}", figures.memory_kib as f64 / 1_024.0),
        opus(settings),
        settings.jitter_buffer.to_owned(),
    ]
}

fn opus(settings: &Settings) -> String {
    format!(
        "{} kHz {} {}{} c{}{}, {}",
        settings.rate_hz / 1_000,
        if settings.channels == 1 {
            "mono"
        } else {
            "stereo"
        },
        match settings.bitrate_bps {
            0 => "libopus's bit rate".to_owned(),
            bps => format!("{} kb/s", bps / 1_000),
        },
        settings
            .audio_type
            .map_or_else(String::new, |audio_type| format!(" {audio_type}")),
        settings.complexity,
        if settings.fec { " FEC" } else { "" },
        settings.library
    )
}

fn mixing_text(mixing: &Mixing) -> String {
    let mut table = Table::new(&[
        "",
        "codec",
        "in a room",
        "talk",
        "settings",
        "participants/core",
        "times",
        "participants",
        "CPU %",
        "lost %",
        "gaps",
        "level dB",
        "threads",
        "MiB",
        "Opus",
    ]);
    for line in &mixing.lines {
        table.row(vec![
            line.peer.clone(),
            line.codec.clone(),
            line.size.to_string(),
            talk(line).to_owned(),
            if line.equal { "equal" } else { "own" }.to_owned(),
            format!("{:.0}", line.participants_per_core),
            mixing
                .times(line)
                .map_or_else(|| "-".to_owned(), |times| format!("{times:.2}")),
            line.participants.to_string(),
            format!("{:.0}", line.cpu_percent),
            format!("{:.2}", line.tally.loss_percent()),
            line.tally.gaps.to_string(),
            line.level_off_db
                .map_or_else(|| "-".to_owned(), |db| format!("{db:+.1}")),
            line.threads.to_string(),
            format!("{:.0}", line.memory_kib as f64 / 1_024.0),
            opus(&line.settings),
        ]);
    }
    format!("\nConferences, plain RTP, each hears all others\n{table}")
}

fn talk(line: &mixing::Figures) -> &'static str {
    if line.all_talk { "all" } else { "three" }
}

fn mixing_picture(machine: &Machine, mixing: &Mixing) -> String {
    let mut all: Vec<Bar> = mixing
        .lines
        .iter()
        .map(|line| Bar {
            name: line.peer.clone(),
            detail: format!(
                "{} kHz, complexity {}",
                line.settings.rate_hz / 1_000,
                line.settings.complexity
            ),
            group: format!(
                "{}, {} in a room, {} talk, {} settings",
                line.codec,
                line.size,
                talk(line),
                if line.equal {
                    "equal"
                } else {
                    "each one's own"
                }
            ),
            value: line.participants_per_core,
            ours: line.peer == "sipmixer",
        })
        .collect();
    all.sort_by(|a, b| a.group.cmp(&b.group));
    bars("Participants per core", &facts(machine), &all)
}

fn growth_text(growth: &Growth) -> String {
    let mut table = Table::new(&[
        "calls",
        "CPU %",
        "% a call",
        "lost %",
        "gaps",
        "ms p50",
        "p99",
        "threads",
        "descriptors",
        "MiB",
    ]);
    for step in &growth.steps {
        table.row(vec![
            step.calls.to_string(),
            format!("{:.1}", step.cpu_percent),
            format!("{:.3}", step.cpu_percent / step.calls as f64),
            format!("{:.2}", step.tally.loss_percent()),
            step.tally.gaps.to_string(),
            ms(step.pcmu_to_opus.delay_p50_ms),
            ms(step.pcmu_to_opus.delay_p99_ms),
            step.threads.to_string(),
            step.descriptors.to_string(),
            format!("{:.1}", step.memory_kib as f64 / 1_024.0),
        ]);
    }
    let settings = growth.steps.first().map(|step| &step.settings);
    format!(
        "\nsipbridge, more and more calls (Opus: {}; jitter buffer: {})\n{table}\n  {:.0} KiB a call; the dearest call costs {:.2} times the cheapest; threads {}\n",
        settings.map_or_else(String::new, opus),
        settings.map_or("", |of| of.jitter_buffer),
        growth.memory_kib_per_call,
        growth.dearest_to_cheapest,
        if growth.threads_constant {
            "constant"
        } else {
            "grow"
        }
    )
}

fn soak_text(soak: &Soak) -> String {
    let minutes = soak.points.last().map_or(0, |point| point.at_s / 60);
    let counts = soak.counts.iter();
    let counts: String = counts
        .map(|(what, count)| format!("  {what}: {count}\n"))
        .collect();
    format!(
        "\nThe {} for {minutes} minutes, {} calls at a time, {} in all: {:.2} % lost; memory grew by {:.1} KiB a minute in the last two thirds ({}); threads {} to {}, descriptors {} to {}; {} of {} turns disturbed\n{counts}",
        soak.what,
        soak.calls_at_a_time,
        soak.calls,
        soak.tally.loss_percent(),
        soak.kib_a_minute,
        if soak.flat { "flat" } else { "NOT FLAT" },
        soak.extremes(|point| point.threads).0,
        soak.extremes(|point| point.threads).1,
        soak.extremes(|point| point.descriptors).0,
        soak.extremes(|point| point.descriptors).1,
        soak.disturbed,
        soak.points.len(),
    )
}

fn soak_picture(machine: &Machine, soak: &Soak) -> String {
    let points = |value: fn(&Point) -> f64| {
        let all = soak.points.iter();
        all.map(|point| (point.at_s as f64 / 60.0, value(point)))
            .collect()
    };
    curves(
        &format!(
            "{}: {} calls at a time, that come and go",
            soak.what, soak.calls_at_a_time
        ),
        &facts(machine),
        "minutes",
        &[
            Curve {
                name: "memory, MiB".to_owned(),
                points: points(|point| point.memory_kib as f64 / 1_024.0),
            },
            Curve {
                name: "descriptors".to_owned(),
                points: points(|point| point.descriptors as f64),
            },
        ],
    )
}

fn facts(machine: &Machine) -> String {
    format!(
        "{}, {} cores, {}",
        machine.cpu, machine.cores, machine.system
    )
}

fn transcoding_picture(machine: &Machine, transcoding: &Transcoding) -> String {
    let mut all: Vec<Bar> = transcoding
        .lines
        .iter()
        .map(|line| Bar {
            name: line.figures.peer.clone(),
            detail: format!(
                "{} kHz, {} kb/s, complexity {}",
                line.figures.settings.rate_hz / 1_000,
                line.figures.settings.bitrate_bps / 1_000,
                line.figures.settings.complexity
            ),
            group: line.terms.said().to_owned(),
            value: line.figures.calls_per_core,
            ours: line.figures.peer == "sipbridge",
        })
        .collect();
    all.push(Bar {
        name: "the codec alone".to_owned(),
        detail: format!("complexity {}", transcoding.floor.complexity),
        group: "no more is possible".to_owned(),
        value: transcoding.floor.calls_per_core(),
        ours: false,
    });
    bars(
        "Calls per core, PCMU to Opus and back",
        &facts(machine),
        &all,
    )
}

fn growth_picture(machine: &Machine, growth: &Growth) -> String {
    let points = |value: fn(&Figures) -> f64| {
        let steps = growth.steps.iter();
        steps.map(|step| (step.calls as f64, value(step))).collect()
    };
    curves(
        "What more calls cost",
        &facts(machine),
        "calls",
        &[
            Curve {
                name: "processor, percent of a core".to_owned(),
                points: points(|step| step.cpu_percent),
            },
            Curve {
                name: "memory, MiB".to_owned(),
                points: points(|step| step.memory_kib as f64 / 1_024.0),
            },
        ],
    )
}
