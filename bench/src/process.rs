// SPDX-License-Identifier: MPL-2.0
//! What is measured: a process of its own on a core of its own, and what it uses.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::machine;

/// How long a process may take to end on SIGTERM before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A child process, ended when dropped.
pub struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts `command` on a core, or on whichever are free; what it says on standard error goes to `log`, and on standard
    /// output too unless it `converses`.
    pub fn start(
        name: &str,
        mut command: Command,
        core: impl Into<Option<usize>>,
        log: &Path,
        converses: bool,
    ) -> Result<Process> {
        let core = core.into();
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stderr(file.try_clone()?);
        if converses {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(file);
        }
        // SAFETY: between fork and exec only system calls are made, and no memory is allocated.
        unsafe {
            command.pre_exec(move || {
                // However we end, it ends too.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                core.map_or(Ok(()), machine::pin)
            });
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Process {
            name: name.to_owned(),
            input: child.stdin.take(),
            output: child.stdout.take().map(BufReader::new),
            child,
            log: log.to_owned(),
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to it and reads the line it answers.
    pub fn ask(&mut self, line: &str) -> Result<String> {
        let (Some(input), Some(output)) = (&mut self.input, &mut self.output) else {
            bail!("{} does not converse", self.name);
        };
        let mut answer = String::new();
        let told = writeln!(input, "{line}").and_then(|()| output.read_line(&mut answer));
        match told {
            Ok(length) if length > 0 => Ok(answer.trim_end().to_owned()),
            _ => bail!("{} ended; see {}", self.name, self.log.display()),
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Fails, with its last words, unless it runs.
    pub fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                let last = said.lines().next_back().unwrap_or_default();
                bail!("{} ended ({status}): {last}", self.name)
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        // SAFETY: the child is ours and not yet waited for, so its id is not another process's.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // It ignores SIGTERM; neither call fails for a child of ours.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process of ours does that is told line by line what to do: it answers questions, one JSON object a line,
/// until standard input ends.
pub fn serve<Q: DeserializeOwned, A: Serialize>(
    mut obey: impl FnMut(Q) -> Result<A>,
    refused: impl Fn(String) -> A,
) -> Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(question) => obey(question).unwrap_or_else(|error| refused(format!("{error:#}"))),
            Err(error) => refused(error.to_string()),
        };
        writeln!(output, "{}", serde_json::to_string(&answer)?)?;
        output.flush()?;
    }
    Ok(())
}

/// What a process holds and has used.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    /// Processor time, user and system, of all threads, living or dead.
    pub cpu: Duration,
    pub threads: usize,
    pub descriptors: usize,
    /// Memory, with what is shared divided among those who share it (PSS), in KiB.
    pub memory_kib: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Usage> {
        let folder = Path::new("/proc").join(pid.to_string());
        let read = |name: &str| {
            fs::read_to_string(folder.join(name))
                .with_context(|| format!("cannot read {name} of process {pid}"))
        };
        let count = |name: &str| fs::read_dir(folder.join(name)).map_or(0, Iterator::count);
        let ticks = ticks_in(&read("stat")?).context("the kernel tells no processor time")?;
        let memory_kib = read("smaps_rollup")?
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .context("the kernel tells no memory")?;
        Ok(Usage {
            cpu: Duration::from_secs_f64(ticks as f64 / machine::ticks_per_second()),
            threads: count("task"),
            descriptors: count("fd"),
            memory_kib,
        })
    }

    /// Processor time alone, which is quickly had.
    pub fn cpu(pid: u32) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks = ticks_in(&stat).context("the kernel tells no processor time")?;
        Ok(Duration::from_secs_f64(
            ticks as f64 / machine::ticks_per_second(),
        ))
    }
}

/// User and system time in what `/proc/PID/stat` says. The name in it may hold anything.
pub fn ticks_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.threads >= 1 && usage.descriptors >= 3 && usage.memory_kib > 500);
        assert_eq!(
            ticks_in("1 (a) b) S 1 1 1 0 -1 0 0 0 0 0 7 5 0 0"),
            Some(12)
        );
    }
}
