// SPDX-License-Identifier: MPL-2.0
//! The demonstration's telephone: `sip-worker phone` in a process of its own.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A running telephone. Killed when dropped.
pub(super) struct Telephone {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What the telephone tells, in monotonic microseconds.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Told {
    Invite {
        us: u64,
    },
    Ringing {
        us: u64,
    },
    Answered {
        us: u64,
    },
    FirstAudio {
        us: u64,
    },
    Playing {
        us: u64,
    },
    Level {
        in_dbfs: f32,
    },
    Ended {
        reason: String,
    },
    Recorded {
        start_us: u64,
    },
    #[serde(other)]
    Other,
}

impl Telephone {
    /// Calls `to`, says `play` once answered and records what it hears.
    pub(super) fn call(to: &str, play: &Path, record: &Path) -> anyhow::Result<Telephone> {
        let program = std::env::current_exe().context("this program does not find itself")?;
        let mut child = Command::new(program)
            .args([
                "phone",
                to,
                "--json",
                "--from",
                super::PHONE_NAME,
                "--codecs",
                "pcma,pcmu",
            ])
            .arg("--play")
            .arg(play)
            .arg("--record")
            .arg(record)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the phone does not start")?;
        let out = child.stdout.take().context("the phone has no output")?;
        Ok(Telephone {
            child,
            lines: BufReader::new(out).lines(),
        })
    }

    /// The next thing it tells; `None` once it is gone.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            let line = self.lines.next_line().await.ok().flatten()?;
            match serde_json::from_str(&line) {
                Ok(told) => return Some(told),
                Err(error) => {
                    tracing::debug!(%error, line, "the phone says what nobody understands")
                }
            }
        }
    }

    /// Asks it to hang up; it tells the rest and ends.
    pub(super) fn hang_up(&self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // SAFETY: kill(2) takes any two integers; the child is ours and has not been reaped.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_phone_tells_is_understood_and_the_rest_skipped() {
        let told = |line: &str| serde_json::from_str::<Told>(line).unwrap();
        assert_eq!(
            told(r#"{"event":"first-audio","us":7}"#),
            Told::FirstAudio { us: 7 }
        );
        assert_eq!(
            told(r#"{"event":"recorded","file":"a.wav","start_us":9,"us":10}"#),
            Told::Recorded { start_us: 9 }
        );
        assert_eq!(told(r#"{"event":"digit","digit":"5","us":1}"#), Told::Other);
    }
}
