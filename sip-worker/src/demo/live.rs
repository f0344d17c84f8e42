// SPDX-License-Identifier: MPL-2.0
//! The line that shows the call while it runs.

use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Where a full bar begins and ends, in dBFS.
const QUIET: f32 = -60.0;
const LOUD: f32 = -10.0;
const BAR: usize = 12;

/// Redraws one line on standard error, or writes none where that is no terminal.
pub(super) struct Live {
    shown: bool,
    since: Option<Instant>,
}

impl Live {
    pub(super) fn new() -> Live {
        Live {
            shown: std::io::stderr().is_terminal(),
            since: None,
        }
    }

    /// Counts the call's seconds from here.
    pub(super) fn answered(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Shows the state and how loud each hears the other.
    pub(super) fn show(&self, state: &str, phone_hears: f32, room_hears: f32) {
        if self.shown {
            let seconds = self
                .since
                .map_or(0.0, |since| since.elapsed().as_secs_f64());
            let line = line(state, phone_hears, room_hears, seconds);
            // Without a terminal to draw on there is nothing to mend.
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    }

    /// Leaves the line and goes on below it.
    pub(super) fn done(&self) {
        if self.shown {
            let _ = writeln!(std::io::stderr());
        }
    }
}

fn line(state: &str, phone_hears: f32, room_hears: f32, seconds: f64) -> String {
    format!(
        "{state:<8} room → phone {}   phone → room {}   {seconds:5.1} s",
        bar(phone_hears),
        bar(room_hears)
    )
}

fn bar(dbfs: f32) -> String {
    let part = ((dbfs - QUIET) / (LOUD - QUIET)).clamp(0.0, 1.0);
    let full = (part * BAR as f32).round() as usize;
    format!("{}{}", "█".repeat(full), "·".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_always_as_wide() {
        for dbfs in [-100.0, -60.0, -35.0, -10.0, 0.0] {
            assert_eq!(bar(dbfs).chars().count(), BAR);
        }
        assert_eq!(
            line("talking", -100.0, -10.0, 3.21),
            "talking  room → phone ············   phone → room ████████████     3.2 s"
        );
    }
}
