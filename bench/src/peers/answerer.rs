// SPDX-License-Identifier: MPL-2.0
//! Ourselves, as who answers calls: a `sip-ua` agent in a process of its own ([`crate::answerer`]).

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Stage;
use crate::answerer::State;
use crate::load::Way;
use crate::process::Process;

/// The process that answers, from outside.
pub struct Answerer {
    pub process: Process,
}

impl Answerer {
    pub fn start(stage: &Stage) -> Result<Answerer> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("answerer");
        let log = stage.log("answerer");
        let process = Process::start("the answerer", command, stage.core, &log, true)?;
        Ok(Answerer { process })
    }

    pub fn state(&mut self) -> Result<State> {
        let answer = self.process.ask("state")?;
        serde_json::from_str(&answer).with_context(|| format!("the answerer answers {answer:?}"))
    }

    /// Where it is reached so.
    pub fn listens(&mut self, way: Way) -> Result<SocketAddr> {
        let state = self.state()?;
        match way {
            Way::Udp => state.udp,
            Way::TcpOne | Way::TcpEach => state.tcp,
        }
        .with_context(|| format!("it does not listen for {}", way.said()))
    }
}
