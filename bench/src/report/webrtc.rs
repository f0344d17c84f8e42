// SPDX-License-Identifier: MPL-2.0
//! What WebRTC connections took.

use super::{Bar, Table, bars, opus};
use crate::runs::transcode::Terms;
use crate::runs::webrtc::Webrtc;

pub fn text(webrtc: &Webrtc) -> String {
    let mut text = String::new();
    let mut table = Table::new(&[
        "",
        "connections",
        "CPU %",
        "threads",
        "descriptors",
        "KiB",
        "lost %",
        "Opus",
        "jitter buffer",
    ]);
    for line in &webrtc.connections {
        table.row(vec![
            line.element.clone(),
            format!("{} to {}", line.from, line.to),
            format!("{:.3}", line.cpu_percent),
            format!("{:.1}", line.threads),
            format!("{:.1}", line.descriptors),
            format!("{:.0}", line.memory_kib),
            format!("{:.2}", line.lost_percent),
            opus(&line.settings),
            line.settings.jitter_buffer.to_owned(),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&format!(
            "\nOne WebRTC connection more, 50 packets of Opus a second each way, encoded beforehand\n{table}"
        ));
    }
    let mut table = Table::new(&[
        "between sipbin and rtpopuspay",
        "settings",
        "calls/core",
        "times rtpengine",
        "calls",
        "CPU %",
        "lost %",
        "gaps",
        "far end lost %",
        "threads",
        "descriptors",
        "MiB",
        "Opus",
        "jitter buffer",
    ]);
    for calls in &webrtc.calls {
        table.row(vec![
            calls.encoding.clone(),
            kind(calls.terms).to_owned(),
            format!("{:.0}", calls.calls_per_core),
            calls
                .times_rtpengine
                .map_or_else(|| "-".to_owned(), |times| format!("{times:.2}")),
            calls.calls.to_string(),
            format!("{:.0}", calls.cpu_percent),
            format!("{:.2}", calls.tally.loss_percent()),
            calls.tally.gaps.to_string(),
            format!("{:.2}", calls.lost_percent),
            calls.threads.to_string(),
            calls.descriptors.to_string(),
            format!("{:.0}", calls.memory_kib as f64 / 1_024.0),
            opus(&calls.settings),
            calls.settings.jitter_buffer.to_owned(),
        ]);
    }
    if !table.is_empty() {
        text.push_str(&format!(
            "\nPCMU phones to Opus over ICE, DTLS and SRTP (sipbin, rtpopuspay, rtcbin), and back\n{table}"
        ));
    }
    for plain in &webrtc.rtpengine {
        text.push_str(&format!(
            "  rtpengine with plain RTP on both sides, {} settings: {:.0} calls/core ({})\n",
            kind(plain.terms),
            plain.figures.calls_per_core,
            opus(&plain.figures.settings)
        ));
    }
    text
}

fn kind(terms: Terms) -> &'static str {
    match terms {
        Terms::EqualToRtpengine | Terms::EqualToOurs => "equal",
        Terms::Own | Terms::Conversation => "own",
    }
}

pub fn picture(facts: &str, webrtc: &Webrtc) -> String {
    let mut all: Vec<Bar> = webrtc
        .calls
        .iter()
        .map(|calls| Bar {
            name: "sipbin, rtcbin".to_owned(),
            detail: calls.encoding.clone(),
            group: format!("calls per core, {} settings", kind(calls.terms)),
            value: calls.calls_per_core,
            ours: true,
        })
        .collect();
    all.extend(webrtc.rtpengine.iter().map(|plain| Bar {
        name: plain.figures.peer.clone(),
        detail: "plain RTP on both sides".to_owned(),
        group: format!("calls per core, {} settings", kind(plain.terms)),
        value: plain.figures.calls_per_core,
        ours: false,
    }));
    all.sort_by(|a, b| a.group.cmp(&b.group));
    all.extend(webrtc.connections.iter().map(|line| Bar {
        name: line.element.clone(),
        detail: format!("50 packets of Opus a second each way, {} of them", line.to),
        group: "a connection, thousandths of a core".to_owned(),
        value: line.cpu_percent * 10.0,
        ours: line.element == "rtcbin",
    }));
    bars("WebRTC", facts, &all)
}
