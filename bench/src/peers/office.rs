// SPDX-License-Identifier: MPL-2.0
//! The worker as it is shipped, and phones that call it over SIP, each into a room; their media are encrypted.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use super::Stage;
use super::worker::{Api, CALLS, LOOK_EVERY, PATIENCE, Setup, worker};
use crate::phones::{Answer, Question};
use crate::process::Process;

/// The port to discard what comes (RFC 863): nobody is called.
const NOBODY: u16 = 9;

/// Both processes.
pub struct Office {
    /// The worker. First to end, so that it can say goodbye to the phones.
    pub process: Process,
    pub phones: Phones,
    api: Api,
}

/// What the worker heard of all its phones, in packets.
pub struct Heard {
    pub packets: u64,
    pub lost: u64,
    pub late: u64,
    pub concealed: u64,
}

impl Office {
    /// The phones are on `far_core`.
    pub fn start(stage: &Stage, far_core: usize) -> Result<Office> {
        let setup = Setup {
            phones: NOBODY,
            srtp: "required",
            to: "*",
            room: "{to}",
            calls: CALLS,
            core: Some(stage.core),
        };
        let (process, api) = worker(stage, &setup)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("phones");
        let log = stage.log("phones");
        Ok(Office {
            process,
            phones: Phones {
                process: Process::start("the phones", command, far_core, &log, true)?,
            },
            api,
        })
    }

    /// One phone more calls, into this room.
    pub fn call(&mut self, room: &str) -> Result<()> {
        let uri = format!("sip:{room}@{}", self.api.sip());
        self.phones.ask(&Question::Call { uri })
    }

    pub fn until_all_are_there(&mut self, calls: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.process.must_run()?;
            self.phones.process.must_run()?;
            let there = self.api.figure("sipbridge_calls{state=\"active\"}")?;
            if there == calls {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{there} calls are up in place of {calls}"
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Of all calls so far.
    pub fn heard(&self) -> Result<Heard> {
        let of_phones = |name: &str| {
            let labels = "{side=\"phone\",direction=\"received\"}";
            Ok::<_, anyhow::Error>(self.api.figure(&format!("{name}{labels}"))? as u64)
        };
        Ok(Heard {
            packets: of_phones("sipbridge_rtp_packets_total")?,
            lost: of_phones("sipbridge_rtp_lost_packets_total")?,
            late: of_phones("sipbridge_rtp_late_packets_total")?,
            concealed: of_phones("sipbridge_rtp_concealed_frames_total")?,
        })
    }
}

/// The process of phones, from outside.
pub struct Phones {
    pub process: Process,
}

impl Phones {
    /// Those hang up that called first.
    pub fn hang_up(&mut self, count: usize) -> Result<()> {
        self.ask(&Question::HangUp { count })
    }

    fn ask(&mut self, question: &Question) -> Result<()> {
        let answer = self.process.ask(&serde_json::to_string(question)?)?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Done) => Ok(()),
            Ok(Answer::Refused(why)) => bail!("the phones refuse: {why}"),
            Err(error) => Err(error).with_context(|| format!("the phones answer {answer:?}")),
        }
    }
}
