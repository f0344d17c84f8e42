// SPDX-License-Identifier: MPL-2.0
//! A ladder as text: the far end's rail on the left, ours on the right.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Instant;

use super::LadderStep;

/// Between the rails.
const WIDTH: usize = 58;

/// Draws the steps with the time that passed since `began`; with `messages` each is followed by all
/// of it.
pub fn draw(steps: &[LadderStep], began: Instant, messages: bool) -> String {
    let Some(first) = steps.first() else {
        return "no SIP message was kept\n".to_owned();
    };
    let mut out = String::new();
    let (theirs, ours) = (first.remote.to_string(), first.local.to_string());
    // Writing into a String cannot fail.
    let gap = (WIDTH + 2).saturating_sub(theirs.len() + ours.len());
    let _ = writeln!(out, "{:11}{theirs}{:gap$}{ours} (us)", "", "");
    for step in steps {
        if step.left_out_before > 0 {
            let _ = writeln!(out, "{:11}: {} messages left out", "", step.left_out_before);
        }
        let again = if step.repeated { " (again)" } else { "" };
        let label: String = step.summary.chars().take(WIDTH - 4 - again.len()).collect();
        let label = format!(" {label}{again} ");
        let dashes = "-".repeat(WIDTH.saturating_sub(label.chars().count() + 1));
        let arrow = match step.sent {
            true => format!("<{dashes}{label}"),
            false => format!("{label}{dashes}>"),
        };
        let elsewhere = other(step, first.remote, first.local);
        let _ = writeln!(
            out,
            "{:>9.3}  |{arrow}|{elsewhere}",
            seconds(began, step.at)
        );
        if messages {
            for line in step.message.lines() {
                let _ = writeln!(out, "{:11}|   {line}", "");
            }
            let _ = writeln!(out, "{:11}|", "");
        }
    }
    out
}

/// Says so where a message went another way than the first.
fn other(step: &LadderStep, remote: SocketAddr, local: SocketAddr) -> String {
    let mut said = String::new();
    if step.remote != remote {
        let word = if step.sent { "to" } else { "from" };
        said = format!("  {word} {}", step.remote);
    }
    if step.local != local {
        let _ = write!(said, "  at {}", step.local);
    }
    said
}

/// From one instant to another, which may be a little earlier.
fn seconds(began: Instant, at: Instant) -> f64 {
    match at.checked_duration_since(began) {
        Some(later) => later.as_secs_f64(),
        None => -began.saturating_duration_since(at).as_secs_f64(),
    }
}
