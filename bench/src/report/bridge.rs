// SPDX-License-Identifier: MPL-2.0
//! What bridges cost, as a table.

use super::{Table, ms};
use crate::runs::bridge::{Bridges, Compared};
use crate::runs::load::Figures;

pub(super) fn text(bridges: &Bridges) -> String {
    let mut text = String::from("\nBridges, plain RTP, both sides talk all the time\n");
    for (what, compared) in [
        (
            "PCMU on both sides, which passes as it is",
            &bridges.passing,
        ),
        ("PCMU to Opus and back", &bridges.transcoding),
    ] {
        text.push_str(&format!("\n  {what}\n{}", table(compared)));
        if let Some(times) = compared.times {
            text.push_str(&format!("  {times:.1} times rtpengine's calls per core\n"));
        }
    }
    let threads = match bridges.threads_constant {
        true => "as many threads for many bridges as for few",
        false => "MORE THREADS FOR MORE BRIDGES",
    };
    text.push_str(&format!("  {threads}\n"));
    text
}

fn table(compared: &Compared) -> Table {
    let mut table = Table::new(&[
        "",
        "calls",
        "calls/core",
        "CPU %",
        "lost %",
        "gaps",
        "ms p50",
        "p99",
        "like",
        "threads",
        "MiB",
    ]);
    for figures in compared.theirs.iter().chain(&compared.ours) {
        table.row(row(figures));
    }
    table
}

fn row(figures: &Figures) -> Vec<String> {
    let there = &figures.pcmu_to_opus;
    vec![
        figures.peer.clone(),
        figures.calls.to_string(),
        format!("{:.0}", figures.calls_per_core),
        format!("{:.1}", figures.cpu_percent),
        format!("{:.2}", figures.tally.loss_percent()),
        figures.tally.gaps.to_string(),
        ms(there.delay_p50_ms),
        ms(there.delay_p99_ms),
        format!("{:.2}", there.correlation),
        figures.threads.to_string(),
        format!("{:.0}", figures.memory_kib as f64 / 1_024.0),
    ]
}
