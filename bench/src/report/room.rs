// SPDX-License-Identifier: MPL-2.0
//! What a room of many phones and many who talk took.

use super::{Bar, Table, bars};
use crate::runs::room::{Line, Room};

const PERCENT: &str = "percent of a core";

pub(super) fn text(room: &Room) -> String {
    let mut table = Table::new(&[
        "rooms",
        "decoders",
        "CPU %",
        "lost %",
        "gaps",
        "heard dBFS",
        "threads",
        "descriptors",
        "MiB",
    ]);
    for line in &room.lines {
        table.row(vec![
            line.what(),
            line.decoders.to_string(),
            format!("{:.1}", line.cpu_percent),
            format!("{:.2}", line.tally.loss_percent()),
            line.tally.gaps.to_string(),
            format!("{:.0}", line.heard_dbfs),
            line.threads.to_string(),
            line.descriptors.to_string(),
            format!("{:.0}", line.memory_kib as f64 / 1_024.0),
        ]);
    }
    format!(
        "\nPhones (PCMU) in rooms of the worker's; people talk there by WebRTC\n{table}  a phone more that is alone takes {:.2} % of a core; where people talk, all took {:.1} %, and one phone with the others at that price comes to {:.1} % ({})\n",
        room.leg_percent,
        room.taken_percent,
        room.allowed_percent,
        if room.holds { "holds" } else { "DOES NOT HOLD" }
    )
}

pub(super) fn picture(facts: &str, room: &Room) -> String {
    let bar = |line: &Line| Bar {
        name: line.what(),
        detail: format!("{} decoders", line.decoders),
        group: PERCENT.to_owned(),
        value: line.cpu_percent,
        ours: true,
    };
    let mut all: Vec<Bar> = room.lines.iter().map(bar).collect();
    all.push(Bar {
        name: "allowed".to_owned(),
        detail: "one phone, and the others at the price of a leg".to_owned(),
        group: PERCENT.to_owned(),
        value: room.allowed_percent,
        ours: false,
    });
    bars("A room of phones", facts, &all)
}
