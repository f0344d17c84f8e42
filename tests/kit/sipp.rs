// SPDX-License-Identifier: MPL-2.0
//! sipp, which plays a SIP scenario from an XML file and counts.

use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::time::Duration;

pub struct Sipp<'a> {
    /// The scenario's XML.
    pub xml: &'a str,
    pub target: SocketAddr,
    /// The user part it calls.
    pub user: &'a str,
    pub calls: u32,
    pub calls_per_second: u32,
}

/// What is left of a run.
pub struct Outcome {
    pub status: ExitStatus,
    /// The last line of its statistics, by column name.
    pub counts: HashMap<String, String>,
}

impl Outcome {
    pub fn successful(&self) -> u32 {
        self.count("SuccessfulCall(C)")
    }

    pub fn failed(&self) -> u32 {
        self.count("FailedCall(C)")
    }

    fn count(&self, column: &str) -> u32 {
        self.counts
            .get(column)
            .and_then(|count| count.parse().ok())
            .unwrap_or(0)
    }
}

impl Sipp<'_> {
    /// Runs to its end.
    pub fn run(&self, scenario: &str, patience: Duration) -> Result<Outcome> {
        let folder = out_dir(scenario).join("sipp");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let xml = folder.join("scenario.xml");
        std::fs::write(&xml, self.xml)?;
        let statistics = folder.join("statistics.csv");
        let mut command = Command::new("sipp");
        command
            .arg("-sf")
            .arg(&xml)
            .args([
                "-i",
                "127.0.0.1",
                "-p",
                &ports::free().to_string(),
                "-nostdin",
                "-trace_stat",
                "-fd",
                "1",
            ])
            .args([
                "-m",
                &self.calls.to_string(),
                "-r",
                &self.calls_per_second.to_string(),
                "-s",
                self.user,
            ])
            .arg("-stf")
            .arg(&statistics)
            .arg(self.target.to_string())
            .current_dir(&folder);
        let mut process = Process::start("sipp", command, &folder.join("sipp.log"))?;
        let status = process.wait(patience)?;
        let text = std::fs::read_to_string(&statistics).context("sipp left no statistics")?;
        let mut lines = text.lines();
        let columns = lines.next().unwrap_or_default().split(';');
        let values = lines.next_back().unwrap_or_default().split(';');
        let counts = columns
            .zip(values)
            .map(|(column, value)| (column.to_owned(), value.to_owned()))
            .collect();
        Ok(Outcome { status, counts })
    }
}
