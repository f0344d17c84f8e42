// SPDX-License-Identifier: MPL-2.0
//! Callers: sipp with a scenario of ours, as a process of its own on the load's core, and where it is too slow
//! [`Dialing`].

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::dialer::Dialing;
use crate::process::{Process, Usage};

const SCENARIO: &str = include_str!("../../scenarios/caller.xml");

/// How often its processor time is looked at; what it uses after the last look is not counted.
const LOOK: Duration = Duration::from_millis(50);

/// What calls that wait for an answer until the end may take beyond all others: Timer B.
const PATIENCE: Duration = Duration::from_secs(40);

/// More calls at a time than any load has; sipp would wait otherwise instead of failing.
const AT_A_TIME: u32 = 100_000;

/// Connections at a time.
/// A rate that falls short of the wanted one by more is none of the measured one's.
pub(super) const SHORT_MAX: f64 = 0.03;

/// How calls come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    Udp,
    /// All over one connection.
    TcpOne,
    /// Each over its own.
    TcpEach,
}

impl Way {
    pub const ALL: [Way; 3] = [Way::Udp, Way::TcpOne, Way::TcpEach];

    pub fn said(self) -> &'static str {
        match self {
            Way::Udp => "UDP",
            Way::TcpOne => "TCP, one connection",
            Way::TcpEach => "TCP, a connection a call",
        }
    }
}

/// So many calls, so fast.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    pub way: Way,
    pub to: SocketAddr,
    pub calls: u64,
    pub calls_a_second: u32,
    /// How long a call that is up stays so.
    pub stay: Duration,
}

/// What the callers counted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    pub calls: u64,
    pub failed: u64,
    /// Messages that it sent again.
    pub retransmissions: u64,
    /// Messages that came and were not of the scenario.
    pub unexpected: u64,
    /// From INVITE to 200, on average.
    pub set_up_ms: f64,
    /// The rate that it came to.
    pub calls_a_second: f64,
    /// Of a core.
    pub cpu_percent: f64,
    #[serde(skip)]
    pub cpu: Duration,
    /// It did not begin calls as fast as it should have: whatever failed may be its own fault.
    pub late: bool,
}

impl Caller {
    /// Begins to call.
    pub fn start(&self, core: usize, folder: &Path) -> Result<Calling> {
        Ok(match self.way {
            Way::Udp => Calling::Sipp(Box::new(self.by_sipp(core, folder, "u1")?)),
            Way::TcpOne => Calling::Sipp(Box::new(self.by_sipp(core, folder, "t1")?)),
            Way::TcpEach => Calling::Dialer(Dialing::start(*self, core)),
        })
    }

    fn by_sipp(&self, core: usize, folder: &Path, mode: &str) -> Result<Sipp> {
        let folder = folder.join("sipp");
        fs::create_dir_all(&folder)?;
        // Nobody minds if there was none.
        let _ = fs::remove_file(folder.join("statistics.csv"));
        fs::write(folder.join("caller.xml"), SCENARIO)?;
        let from = self.to.ip().to_string();
        let seconds = self.calls / u64::from(self.calls_a_second.max(1));
        let whole = Duration::from_secs(seconds) + self.stay + PATIENCE;
        let mut command = Command::new("sipp");
        command
            .current_dir(&folder)
            .args(["-sf", "caller.xml", "-s", "bench", "-nostdin"])
            .args(["-i", &from, "-mi", &from, "-t", mode])
            .args(["-buff_size", "4194304"])
            .args(["-m", &self.calls.to_string(), "-l", &AT_A_TIME.to_string()])
            .args(["-r", &self.calls_a_second.to_string(), "-timer_resol", "1"])
            .args([
                "-d",
                &self.stay.as_millis().to_string(),
                "-deadcall_wait",
                "0",
            ])
            .args(["-timeout", &whole.as_secs().to_string(), "-timeout_error"])
            .args(["-trace_stat", "-stf", "statistics.csv", "-fd", "1"])
            .args(["-trace_err", "-error_file", "errors.log"])
            .arg(self.to.to_string());
        let process = Process::start("sipp", command, core, &folder.join("sipp.log"), false)?;
        Ok(Sipp {
            process,
            caller: *self,
            statistics: folder.join("statistics.csv"),
            errors: folder.join("errors.log"),
            began: Instant::now(),
            cpu: Duration::ZERO,
        })
    }
}

/// Calls, while they are made.
pub enum Calling {
    Sipp(Box<Sipp>),
    Dialer(Dialing),
}

impl Calling {
    /// Fails if it has ended.
    pub fn must_run(&mut self) -> Result<()> {
        match self {
            Calling::Sipp(sipp) => sipp.process.must_run(),
            Calling::Dialer(dialing) if dialing.is_finished() => bail!("nobody calls any more"),
            Calling::Dialer(_) => Ok(()),
        }
    }

    /// Waits until all calls are over.
    pub fn finish(self) -> Result<Counts> {
        match self {
            Calling::Sipp(sipp) => sipp.finish(),
            Calling::Dialer(dialing) => dialing.finish(),
        }
    }
}

/// sipp, while it runs.
pub struct Sipp {
    process: Process,
    caller: Caller,
    statistics: std::path::PathBuf,
    errors: std::path::PathBuf,
    began: Instant,
    cpu: Duration,
}

impl Sipp {
    fn finish(mut self) -> Result<Counts> {
        let status = loop {
            if let Some(status) = self.process.ended()? {
                break status;
            }
            if let Ok(cpu) = Usage::cpu(self.process.pid()) {
                self.cpu = cpu;
            }
            sleep(LOOK);
        };
        let took = self.began.elapsed();
        let text = fs::read_to_string(&self.statistics)
            .with_context(|| format!("sipp ({status}) left no statistics"))?;
        let last = Columns::last(&text).context("sipp's statistics are empty")?;
        let calls = last.count("TotalCallCreated")?;
        if calls == 0 {
            let errors = fs::read_to_string(&self.errors).unwrap_or_default();
            let first = errors.lines().next().unwrap_or_default();
            bail!("sipp made no call ({status}): {first}");
        }
        let began = Columns::pace(&text, self.caller.calls_a_second);
        let seconds = took.as_secs_f64().max(0.001);
        Ok(Counts {
            calls,
            // A call that was never begun is no success either.
            failed: last.count("FailedCall(C)")? + self.caller.calls.saturating_sub(calls),
            retransmissions: last.count("Retransmissions(C)")?,
            unexpected: last.count("FailedUnexpectedMessage(C)")?
                + last.count("OutOfCallMsgs(C)")?,
            set_up_ms: last.milliseconds("ResponseTime1(C)").unwrap_or(0.0),
            calls_a_second: began,
            cpu_percent: 100.0 * self.cpu.as_secs_f64() / seconds,
            cpu: self.cpu,
            late: began < f64::from(self.caller.calls_a_second) * (1.0 - SHORT_MAX),
        })
    }
}

/// One line of sipp's statistics, by the names of its columns.
struct Columns<'a>(HashMap<&'a str, &'a str>);

impl<'a> Columns<'a> {
    fn all(text: &'a str) -> impl Iterator<Item = Columns<'a>> {
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        lines.map(move |line| Columns(head.split(';').zip(line.split(';')).collect()))
    }

    fn last(text: &'a str) -> Option<Columns<'a>> {
        Columns::all(text).last()
    }

    /// The mean rate of the whole seconds in which all calls of a second should have begun, and not
    /// only the last of them.
    fn pace(text: &'a str, wanted: u32) -> f64 {
        let rates: Vec<f64> = Columns::all(text)
            .filter_map(|columns| columns.0.get("CallRate(P)")?.parse().ok())
            .collect();
        // The first line is written at once, and calls run out within the last ones.
        let within = rates.iter().skip(1);
        let full: Vec<f64> = match within
            .clone()
            .rposition(|rate| *rate > f64::from(wanted) / 2.0)
        {
            Some(last) if last > 0 => within.take(last).copied().collect(),
            _ => within.take(1).copied().collect(),
        };
        full.iter().sum::<f64>() / full.len().max(1) as f64
    }

    fn count(&self, name: &str) -> Result<u64> {
        self.0
            .get(name)
            .and_then(|value| value.parse().ok())
            .with_context(|| format!("sipp's statistics have no {name}"))
    }

    /// `00:00:01:234000` and `00:00:01:234` are 1234 ms.
    fn milliseconds(&self, name: &str) -> Option<f64> {
        let mut parts = self.0.get(name)?.split(':');
        let mut next = || parts.next()?.parse::<f64>().ok();
        let (hours, minutes, seconds) = (next()?, next()?, next()?);
        let fraction = self.0.get(name)?.rsplit(':').next()?;
        let scale = 10f64.powi(fraction.len() as i32);
        let fraction: f64 = fraction.parse().ok()?;
        let whole = (hours * 60.0 + minutes) * 60.0 + seconds;
        Some(whole * 1_000.0 + fraction * 1_000.0 / scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATISTICS: &str = "CallRate(P);TotalCallCreated;ResponseTime1(C)\n\
        0.000;0;00:00:00:000000\n\
        998.000;998;00:00:00:001200\n\
        1002.000;2000;00:00:00:001100\n\
        600.000;2600;00:00:01:001000\n\
        0.000;2600;00:00:01:001000\n";

    #[test]
    fn what_sipp_counted_is_read() {
        let last = Columns::last(STATISTICS).unwrap();
        assert_eq!(last.count("TotalCallCreated").unwrap(), 2_600);
        assert_eq!(last.milliseconds("ResponseTime1(C)"), Some(1_001.0));
        assert!(last.count("FailedCall(C)").is_err());
    }

    #[test]
    fn the_pace_is_that_of_whole_seconds() {
        assert_eq!(Columns::pace(STATISTICS, 1_000), 1_000.0);
    }
}
