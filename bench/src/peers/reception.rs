// SPDX-License-Identifier: MPL-2.0
//! The worker as it is shipped, as who answers calls: each comes to a room of its own.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::Stage;
use super::worker::{Api, LOOK_EVERY, PATIENCE, Setup, worker};
use crate::process::Process;

/// Nobody is called (RFC 863).
const NOBODY: u16 = 9;

/// At a time, until no more is answered.
const CALLS: u16 = 1_000;

/// The process, and how it is asked.
pub struct Reception {
    pub process: Process,
    api: Api,
}

/// What it has of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    OneCore,
    /// Beside the callers.
    AllCores,
}

impl Share {
    pub const ALL: [Share; 2] = [Share::OneCore, Share::AllCores];

    pub fn said(self) -> &'static str {
        match self {
            Share::OneCore => "one core",
            Share::AllCores => "all cores",
        }
    }
}

impl Reception {
    pub fn start(stage: &Stage, share: Share) -> Result<Reception> {
        let setup = Setup {
            phones: NOBODY,
            srtp: "off",
            to: "*",
            room: "{to}",
            calls: CALLS,
            core: (share == Share::OneCore).then_some(stage.core),
        };
        let (process, api) = worker(stage, &setup)?;
        Ok(Reception { process, api })
    }

    /// Where calls are taken, over UDP.
    pub fn listens(&self) -> SocketAddr {
        self.api.sip()
    }

    /// How many calls were answered and are over. Waits until all are that have begun.
    pub fn over(&mut self) -> Result<u64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.process.must_run()?;
            let begun = self
                .api
                .figure("sipbridge_calls_begun_total{direction=\"in\"}")?;
            let ended = self.api.figure("sipbridge_calls_ended_total ")?;
            if begun == ended {
                return Ok(self.api.figure("sipbridge_calls_answered_total ")? as u64);
            }
            ensure!(
                Instant::now() < deadline,
                "{ended} of {begun} calls are over"
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
