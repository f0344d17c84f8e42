// SPDX-License-Identifier: MPL-2.0
//! WebRTC connections: those that are measured in one process, their far ends in another ([`crate::legs`]).

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sip_ua::sdp::Codec;

use super::conference::{Phones, answer_all, answering};
use super::{Leg, Stage};
use crate::legs::{Answer, Question, State};
use crate::process::Process;

/// How long connections may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process of connections, from outside.
pub struct Connections {
    pub process: Process,
}

impl Connections {
    /// On this element, on a core of its own.
    pub(super) fn start(
        stage: &Stage,
        element: &str,
        core: usize,
        name: &str,
    ) -> Result<Connections> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["legs", element]);
        let log = stage.log(name);
        let process = Process::start(name, command, core, &log, true)?;
        Ok(Connections { process })
    }

    pub(super) fn ask(&mut self, question: &Question) -> Result<Answer> {
        let answer = self.process.ask(&serde_json::to_string(question)?)?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Refused(why)) => bail!("the connections refuse: {why}"),
            answered => answered.with_context(|| format!("the connections answer {answer:?}")),
        }
    }

    pub(super) fn describe(&mut self, question: &Question) -> Result<String> {
        match self.ask(question)? {
            Answer::Description(text) => Ok(text),
            other => bail!("no description, but {other:?}"),
        }
    }

    pub fn state(&mut self) -> Result<State> {
        match self.ask(&Question::State)? {
            Answer::State(state) => Ok(state),
            other => bail!("no state, but {other:?}"),
        }
    }

    pub(super) fn talk(&mut self) -> Result<()> {
        self.ask(&Question::Talk).map(|_| ())
    }
}

/// Both processes.
pub struct Pairs {
    pub measured: Connections,
    pub far: Connections,
    /// The phones of those that have one, in order.
    pub phones: Vec<Leg>,
    _answering: Option<Phones>,
}

impl Pairs {
    /// So many connections of nothing but talk.
    pub fn of(stage: &Stage, element: &str, count: usize, far_core: usize) -> Result<Pairs> {
        let mut pairs = Pairs::none(stage, element, far_core)?;
        if element == "identity" {
            for _ in 0..count {
                pairs.measured.ask(&Question::Alone)?;
            }
        } else {
            for _ in 0..count {
                pairs.connect(&Question::Offer)?;
            }
            pairs.wait_connected(count)?;
        }
        pairs.measured.talk()?;
        pairs.far.talk()?;
        Ok(pairs)
    }

    /// A connection for each phone that listens for PCMU there.
    pub fn of_phones(
        stage: &Stage,
        encoding: &str,
        phones: &[u16],
        far_core: usize,
    ) -> Result<Pairs> {
        let (agent, calls, runtime) = answering()?;
        let mut pairs = Pairs::none(stage, "rtcbin", far_core)?;
        let legs = runtime.spawn(answer_all(calls, Codec::Pcmu, phones.to_vec()));
        let port = agent.local_addr().port();
        for number in 0..phones.len() {
            pairs.connect(&Question::Phone {
                uri: format!("sip:{number}@127.0.0.1:{port}"),
                encoding: encoding.to_owned(),
            })?;
        }
        pairs.wait_connected(phones.len())?;
        let legs = runtime.block_on(async { tokio::time::timeout(PATIENCE, legs).await });
        pairs.phones = legs.context("not all calls came up")???;
        pairs._answering = Some(Phones {
            _agent: agent,
            _runtime: runtime,
        });
        pairs.far.talk()?;
        Ok(pairs)
    }

    fn none(stage: &Stage, element: &str, far_core: usize) -> Result<Pairs> {
        Ok(Pairs {
            measured: Connections::start(stage, element, stage.core, "connections")?,
            far: Connections::start(stage, "rtcbin", far_core, "far-ends")?,
            phones: Vec::new(),
            _answering: None,
        })
    }

    fn connect(&mut self, question: &Question) -> Result<()> {
        let offer = self.measured.describe(question)?;
        let answer = self.far.describe(&Question::Answer(offer))?;
        self.measured.ask(&Question::Answered(answer)).map(|_| ())
    }

    fn wait_connected(&mut self, count: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.measured.state()?.connected < count || self.far.state()?.connected < count {
            ensure!(
                Instant::now() < deadline,
                "not all connections came about: {:?}",
                self.measured.state()?
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
