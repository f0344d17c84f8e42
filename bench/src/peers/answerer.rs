// SPDX-License-Identifier: MPL-2.0
//! Who answers calls, in a process of its own: ourselves, a `sip-ua` agent ([`crate::answerer`]), or what does
//! nothing else ([`crate::bare`]).

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
        Answerer::run(stage, "answerer")
    }

    /// The one that does as little as can be.
    pub fn start_bare(stage: &Stage) -> Result<Answerer> {
        Answerer::run(stage, "bare")
    }

    fn run(stage: &Stage, command: &str) -> Result<Answerer> {
        let mut program = Command::new(std::env::current_exe()?);
        program.arg(command);
        let log = stage.log(command);
        let process = Process::start("the answerer", program, stage.core, &log, true)?;
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
