// SPDX-License-Identifier: MPL-2.0
//! A configuration or a pipeline file: it is read, or each thing that is wrong with it is a sentence
//! with a line of it.

use sip_worker::config::Config;
use sip_worker::document::{Document, Finding};
use sip_worker::pipeline::{Graph, looks_like_one};

use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "config",
    about: "sip-worker.toml, and pipeline files",
    seeds,
    words: &[
        "[sip]\n",
        "[media]\n",
        "[[sfu]]\n",
        "[[trunk]]\n",
        "[[user]]\n",
        "[[route]]\n",
        "[registrar]\n",
        "[http]\n",
        "[ice]\n",
        "[media.params]\n",
        "listen = [\"tls:[::1]:5061\"]\n",
        "ports = \"20000-20010\"\n",
        "max_duration = \"30m\"\n",
        "to = \"+49*\"\n",
        "room = \"{header.X-Room-ID}\"\n",
        "header.X-Room = \"*\"\n",
        "allow = [\"::/0\"]\n",
        "codecs = [\"opus\"]\n",
        "srtp = \"required\"\n",
        "\"\"\"",
        "'",
        "= {",
        "}",
        "schema = 1\n",
        "[call]\n",
        "[track]\n",
        "[ports]\n",
        "[params]\n",
        "queue name=x ! ",
        "sip. ! ",
        "webrtcbin name=publish",
        "filesink location=x",
        "caps=\"audio/x-raw\"",
        "\\",
        "true",
        "1e400",
        "nan",
    ],
    short: 300,
    run,
};

fn seeds() -> Vec<Vec<u8>> {
    let example = include_str!("../../../sip-worker/sip-worker.example.toml");
    // The same with all that is switched off in it.
    let all: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") || key.starts_with('[') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let files = [
        example,
        &all,
        include_str!("../../../pipelines/room.toml"),
        include_str!("../../../pipelines/room-stock.toml"),
    ];
    files.iter().map(|file| file.as_bytes().to_vec()).collect()
}

fn run(input: &[u8], traits: &mut Traits) {
    let text = String::from_utf8_lossy(input).into_owned();
    let lines = 1 + text.matches('\n').count();
    // Nothing stands beside it: secrets are in files that are not there.
    let document = Document::new("/nowhere/sip-worker.toml", text);
    let is_graph = looks_like_one(&document);
    let findings = match is_graph {
        true => Graph::parse(&document, &[]).err(),
        false => Config::parse(&document).err(),
    };
    traits.see((is_graph, findings.is_none()));
    let findings: Vec<Finding> = findings.unwrap_or_default();
    for finding in &findings {
        assert!(!finding.sentence.is_empty());
        if let Some(line) = finding.line {
            assert!(
                (1..=lines).contains(&line),
                "line {line} of {lines}: {finding}"
            );
        }
        traits.sentence(&finding.sentence);
    }
}
