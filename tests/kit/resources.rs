// SPDX-License-Identifier: MPL-2.0
//! What a process holds: descriptors, threads, memory.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Threads and sockets of WebRTC stacks end a little after the call they served.
const SETTLE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So many looks in a row without a change count as settled.
const STEADY_LOOKS: u32 = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    pub descriptors: usize,
    pub threads: usize,
    pub resident_kib: u64,
}

impl Resources {
    pub fn of(pid: u32) -> Result<Resources> {
        let folder = Path::new("/proc").join(pid.to_string());
        let status = std::fs::read_to_string(folder.join("status"))?;
        let resident_kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
            .context("no VmRSS")?;
        Ok(Resources {
            descriptors: std::fs::read_dir(folder.join("fd"))?.count(),
            threads: std::fs::read_dir(folder.join("task"))?.count(),
            resident_kib,
        })
    }

    /// Once they no longer change, or, where given, are back at `goal`; what they are by then in any case.
    pub async fn settled(pid: u32, goal: Option<&Resources>) -> Result<Resources> {
        let deadline = Instant::now() + SETTLE;
        let mut last = Resources::of(pid)?;
        let mut steady = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = Resources::of(pid)?;
            let reached = |goal: &Resources| {
                now.descriptors <= goal.descriptors && now.threads <= goal.threads
            };
            let same = now.descriptors == last.descriptors && now.threads == last.threads;
            steady = if same { steady + 1 } else { 0 };
            let done = goal.map_or(steady >= STEADY_LOOKS, reached);
            if done || Instant::now() > deadline {
                return Ok(now);
            }
            last = now;
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} descriptors, {} threads, {} KiB",
            self.descriptors, self.threads, self.resident_kib
        )
    }
}
