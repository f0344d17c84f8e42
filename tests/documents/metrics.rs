// SPDX-License-Identifier: MPL-2.0
//! The operator's guide lists the metrics that a worker exposes.

use anyhow::{Result, ensure};
use sipbridge_tests::document;
use sipbridge_tests::worker::Worker;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

#[test]
fn every_metric_is_in_the_guide() -> Result<()> {
    let worker = Worker::start("metrics", Ipv4Addr::LOCALHOST.into(), "")?;
    let answer = worker.metrics()?;
    let kinds: BTreeMap<&str, &str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    ensure!(!kinds.is_empty(), "{answer}");
    let mut text = String::from("| metric | kind | what it is |\n|---|---|---|\n");
    for line in answer.lines() {
        if let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|line| line.split_once(' '))
        {
            let kind = kinds.get(name).copied().unwrap_or_default();
            text += &format!("| `{name}` | {kind} | {help} |\n");
        }
    }
    document::part_is_current("docs/operating.md", "metrics", &text)
}
