// SPDX-License-Identifier: MPL-2.0
//! sipp, which plays a SIP scenario from an XML file and counts.

use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// How often a file of sipp's is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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

/// sipp with one call, message by message; any other message is its failure.
pub struct Flow {
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
    /// How often it was told to go on.
    told: usize,
}

impl Flow {
    /// It calls `user` at `target`.
    pub fn calls(
        scenario: &str,
        name: &str,
        xml: &str,
        target: SocketAddr,
        user: &str,
    ) -> Result<Flow> {
        Flow::start(scenario, name, xml, &["-s", user, &target.to_string()])
    }

    /// It waits to be called.
    pub fn waits(scenario: &str, name: &str, xml: &str) -> Result<Flow> {
        Flow::start(scenario, name, xml, &[])
    }

    fn start(scenario: &str, name: &str, xml: &str, more: &[&str]) -> Result<Flow> {
        let folder = out_dir(scenario).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("scenario.xml"), xml)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let mut command = Command::new("sipp");
        command
            .args(["-sf", "scenario.xml", "-m", "1", "-nostdin"])
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args(["-p", &address.port().to_string()])
            .args(["-timeout", "60", "-timeout_error"])
            .args(["-trace_err", "-error_file", "errors"])
            .args(["-trace_msg", "-message_file", "messages"])
            .args(["-trace_logs", "-log_file", "log"])
            .args(more)
            .current_dir(&folder);
        let process = Process::start(name, command, &folder.join("sipp.log"))?;
        Ok(Flow {
            process,
            address,
            folder,
            told: 0,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it to go on with a call, as the worker's API shows it, once it waits for that.
    pub fn goes_on(&mut self, call: &Value, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        self.told += 1;
        while self.read("log").lines().count() < self.told {
            if Instant::now() > deadline || self.process.wait(LOOK_EVERY).is_ok() {
                bail!("sipp does not wait\n{}", self.said());
            }
        }
        let call_id = call["sip_call_id"].as_str().context("a Call-ID")?;
        let (told, address) = (self.told, self.address);
        // Another each time, for what is the same was sent again.
        let info = format!(
            "INFO sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-goes-on-{told}\r\n\
             From: <sip:test@127.0.0.1>;tag=test\r\nTo: <sip:sipp@{address}>;tag=sipp\r\n\
             Call-ID: {call_id}\r\nCSeq: {told} INFO\r\nContent-Length: 0\r\n\r\n"
        );
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.send_to(info.as_bytes(), address)?;
        Ok(())
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// What it complained about, and all messages.
    fn said(&self) -> String {
        format!("{}\n{}", self.read("errors"), self.read("messages"))
    }

    /// Waits until its call is over, which went as its scenario says.
    pub fn finish(mut self, patience: Duration) -> Result<()> {
        let status = self.process.wait(patience)?;
        ensure!(status.success(), "sipp: {status}\n{}", self.said());
        Ok(())
    }
}
