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
        let mut head = vec![""];
        head.extend(&networks);
        head.extend(["gaps", "delay ms p50", "p99", "Opus", "jitter buffer"]);
        let mut table = Table::new(&head);
        let mut peers: Vec<&str> = lines.iter().map(|line| line.peer.as_str()).collect();
        peers.dedup();
        for peer in peers {
            let of_peer = || lines.iter().filter(|line| line.peer == peer);
            let Some(first) = of_peer().next() else {
                continue;
            };
            let mut row = vec![peer.to_owned()];
            row.extend(networks.iter().map(|network| {
                let mut lines = of_peer();
                let line = lines.find(|line| line.network == *network);
                mos(line.and_then(|line| line.pesq))
            }));
            row.push(of_peer().map(|line| line.gaps).sum::<usize>().to_string());
            row.push(ms(first.delay_p50_ms));
            row.push(ms(first.delay_p99_ms));
            row.push(first.settings.as_ref().map_or_else(String::new, opus));
            let buffer = first.settings.as_ref().map(|of| of.jitter_buffer);
            row.push(buffer.unwrap_or_default().to_owned());
            table.row(row);
        }
        if !table.is_empty() {
            text.push_str(&format!("\n{}: PESQ, MOS-LQO\n{table}", titled(way)));
        }
    }
    let mut table = Table::new(&["", "codec", "talk", "settings", "PESQ", "wideband", "Opus"]);
    for room in &quality.rooms {
        table.row(vec![
            room.peer.clone(),
            room.codec.clone(),
            if room.all_talk { "all" } else { "one" }.to_owned(),
            if room.equal { "equal" } else { "own" }.to_owned(),
            mos(room.narrow),
            mos(room.wide),
            opus(&room.settings),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&format!(
            "\nIn a conference of four: PESQ, MOS-LQO\n{table}"
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
                    name: line.peer.clone(),
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
