// SPDX-License-Identifier: MPL-2.0
//! What is going on, on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Says what is being done, with the time since the beginning.
pub struct Progress {
    started: Instant,
    terminal: bool,
}

impl Progress {
    pub fn start() -> Progress {
        Progress {
            started: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// A step, which takes about so long.
    pub fn step(&self, what: &str, takes: Duration) {
        let at = self.started.elapsed().as_secs();
        let takes = match takes.as_secs() {
            0 => String::new(),
            seconds => format!(" ({seconds} s)"),
        };
        let mut stderr = std::io::stderr().lock();
        // On a terminal a step overwrites the one before. If nobody reads, nobody misses it.
        let _ = if self.terminal {
            write!(
                stderr,
                "\r\x1b[K[{:>2}:{:02}] {what}{takes}",
                at / 60,
                at % 60
            )
        } else {
            writeln!(stderr, "[{:>2}:{:02}] {what}{takes}", at / 60, at % 60)
        };
        let _ = stderr.flush();
    }

    /// Something that stays to be read.
    pub fn note(&self, what: &str) {
        let mut stderr = std::io::stderr().lock();
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(stderr, "{clear}        {what}");
    }
}
