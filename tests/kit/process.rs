// SPDX-License-Identifier: MPL-2.0
//! A child process: its output in a log file and awaited line by line, its end certain.

use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a process may take to end on SIGTERM before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Process {
    name: String,
    child: Child,
    /// Where it is told what to do, if it listens.
    ear: Option<ChildStdin>,
    output: Arc<Output>,
    log: PathBuf,
}

#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// Standard output and standard error; the process has closed so many of them.
    closed: usize,
}

impl Process {
    /// Starts `command`; what it prints goes to `log`.
    pub fn start(name: &str, command: Command, log: &Path) -> Result<Process> {
        Process::spawn(name, command, log, Stdio::null())
    }

    /// As [`Process::start`], for a program that reads what it shall do; see [`Process::tell`].
    pub fn start_listening(name: &str, command: Command, log: &Path) -> Result<Process> {
        Process::spawn(name, command, log, Stdio::piped())
    }

    fn spawn(name: &str, mut command: Command, log: &Path, stdin: Stdio) -> Result<Process> {
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let output = Arc::new(Output::default());
        let file = Arc::new(Mutex::new(
            std::fs::File::create(log)
                .with_context(|| format!("cannot write {}", log.display()))?,
        ));
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child
                .stdout
                .take()
                .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
            child
                .stderr
                .take()
                .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let (output, file) = (output.clone(), file.clone());
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                let mut line = Vec::new();
                while matches!(stream.read_until(b'\n', &mut line), Ok(length) if length > 0) {
                    // The log is for people; a full disk fails the test elsewhere.
                    let _ = file
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .write_all(&line);
                    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                    output.lock().lines.push(text);
                    output.changed.notify_all();
                    line.clear();
                }
                output.lock().closed += 1;
                output.changed.notify_all();
            });
        }
        Ok(Process {
            name: name.to_owned(),
            ear: child.stdin.take(),
            child,
            output,
            log: log.to_owned(),
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Writes a line to its standard input.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let ear = self
            .ear
            .as_mut()
            .with_context(|| format!("{} does not listen", self.name))?;
        writeln!(ear, "{line}").with_context(|| format!("{} is gone", self.name))
    }

    /// The first line, from the beginning, that contains `text`; waits for it.
    pub fn wait_for_line(&self, text: &str, patience: Duration) -> Result<String> {
        self.wait_for_line_after(&mut 0, &[text], patience)
    }

    /// The first line that contains one of `texts`, from the line number `after` on, which then is
    /// that of the line behind it; waits for it.
    pub fn wait_for_line_after(
        &self,
        after: &mut usize,
        texts: &[&str],
        patience: Duration,
    ) -> Result<String> {
        let deadline = Instant::now() + patience;
        let mut state = self.output.lock();
        let is_it = |line: &String| texts.iter().any(|text| line.contains(text));
        loop {
            let fresh = state.lines.get(*after..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(is_it) {
                let line = fresh[at].clone();
                *after += at + 1;
                return Ok(line);
            }
            *after = state.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed == 2 || left.is_zero() {
                let last = state
                    .lines
                    .iter()
                    .rev()
                    .take(5)
                    .rev()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("\n  ");
                let why = if left.is_zero() {
                    "in time"
                } else {
                    "before it ended"
                };
                bail!(
                    "{} did not print any of {texts:?} {why}; its last lines (all: {}):\n  {last}",
                    self.name,
                    self.log.display()
                );
            }
            state = self
                .output
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// All that it has printed.
    pub fn printed(&self) -> String {
        self.output.lock().lines.join("\n")
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child is ours and not yet waited for, so its id is not another process's.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        // Both streams closed means that it is ending; only then is waiting for its status sure to be short.
        let deadline = Instant::now() + patience;
        let mut state = self.output.lock();
        while state.closed < 2 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "{} did not end in time; see {}",
                    self.name,
                    self.log.display()
                );
            }
            state = self
                .output
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(state);
        Ok(self.child.wait()?)
    }

    /// SIGTERM, and its status; killed if it does not obey.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(libc::SIGTERM);
        if let Ok(status) = self.wait(PATIENCE) {
            return Ok(status);
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!(
            "{} ignored SIGTERM and had to be killed; see {}",
            self.name,
            self.log.display()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.terminate()
            && !std::thread::panicking()
        {
            eprintln!("{error:#}");
        }
    }
}

impl Output {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
