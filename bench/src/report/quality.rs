// SPDX-License-Identifier: MPL-2.0
//! How it sounds.

use super::{Bar, Table, bars, ms, opus};
use crate::runs::quality::{Line, Quality, Way};

fn titled(way: Way) -> &'static str {
    match way {
        Way::PcmuToOpus => "PCMU comes over the network, Opus is heard",
        Way::OpusToPcmu => "Opus comes over the network, PCMU is heard",
    }
}

/// In the order in which they were listened to, each once.
fn networks(lines: &[Line]) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for line in lines {
        if !all.contains(&line.network.as_str()) {
            all.push(&line.network);
        }
    }
    all
}

/// Whose row a line is in, and whether that has equal settings.
fn who(line: &Line) -> (&str, bool) {
    (line.peer.as_str(), line.equal)
}

fn kind(equal: bool) -> &'static str {
    if equal { "equal" } else { "own" }
}

fn mos(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}"))
}

pub fn text(quality: &Quality) -> String {
    let mut text = String::new();
    for way in Way::BOTH {
        let lines: Vec<Line> = quality
            .lines
            .iter()
            .filter(|line| line.way == way)
            .cloned()
            .collect();
        let networks = networks(&lines);
        let mut head = vec!["", "settings"];
        head.extend(&networks);
        let mut gaps = Table::new(&head);
        head.extend(["delay ms p50", "p99", "Opus", "jitter buffer"]);
        let mut table = Table::new(&head);
        let mut peers: Vec<_> = lines.iter().map(who).collect();
        peers.dedup();
        for peer in peers {
            let of_peer = || lines.iter().filter(|line| who(line) == peer);
            let Some(first) = of_peer().next() else {
                continue;
            };
            let over = |said: &dyn Fn(&Line) -> String| -> Vec<String> {
                let line = |network: &&str| of_peer().find(|line| line.network == *network);
                let cells = networks.iter().map(line);
                let named = [peer.0.to_owned(), kind(peer.1).to_owned()];
                let cells = cells.map(|line| line.map_or_else(|| "-".to_owned(), said));
                named.into_iter().chain(cells).collect()
            };
            gaps.row(over(&|line| line.gaps.to_string()));
            let mut row = over(&|line| mos(line.pesq));
            row.push(ms(first.delay_p50_ms));
            row.push(ms(first.delay_p99_ms));
            row.push(first.settings.as_ref().map_or_else(String::new, opus));
            let buffer = first.settings.as_ref().map(|of| of.jitter_buffer);
            row.push(buffer.unwrap_or_default().to_owned());
            table.row(row);
        }
        if !table.is_empty() {
            text.push_str(&format!(
                "\n{}: PESQ, MOS-LQO\n{table}\n  Silences where something was said, in all calls together\n{gaps}",
                titled(way)
            ));
        }
    }
    let mut table = Table::new(&[
        "",
        "codec",
        "in a room",
        "talk",
        "settings",
        "PESQ",
        "wideband",
        "Opus",
    ]);
    for room in &quality.rooms {
        table.row(vec![
            room.peer.clone(),
            room.codec.clone(),
            room.size.to_string(),
            room.talking.to_string(),
            kind(room.equal).to_owned(),
            mos(room.narrow),
            mos(room.wide),
            opus(&room.settings),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&format!(
            "\nWhat a silent one hears in a conference: PESQ, MOS-LQO\n{table}"
        ));
    }
    text
}

pub fn picture(facts: &str, quality: &Quality) -> String {
    let mut all = Vec::new();
    for way in Way::BOTH {
        for network in networks(&quality.lines) {
            let mut lines = quality.lines.iter();
            while let Some(line) = lines.find(|line| line.way == way && line.network == network) {
                all.push(Bar {
                    name: match line.equal {
                        true => format!("{}, equal settings", line.peer),
                        false => line.peer.clone(),
                    },
                    detail: line.settings.as_ref().map_or_else(String::new, |of| {
                        format!("jitter buffer: {}", of.jitter_buffer)
                    }),
                    group: format!("{}, {network}", titled(way)),
                    value: line.pesq.unwrap_or_default(),
                    ours: line.peer.starts_with("sipbridge"),
                });
            }
        }
    }
    bars("How speech sounds: PESQ, MOS-LQO", facts, &all)
}
