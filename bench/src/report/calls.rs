// SPDX-License-Identifier: MPL-2.0
//! Calls that are set up and hung up, as tables and as a picture.

use super::{Curve, Table, curves};
use crate::runs::calls::{Calls, Rates, Step};
use crate::runs::worker::Reached;

pub(super) fn text(calls: &Calls) -> String {
    let mut text = String::from("\nCalls to a sip-ua answerer, each set up and hung up\n");
    let all = |rates: &Rates| -> Vec<(&'static str, Step)> {
        let steps = rates.steps.iter().cloned();
        let steps = steps.map(|step| (rates.way.said(), step));
        let bare = rates.bare.iter().cloned();
        steps
            .chain(bare.map(|step| ("  the sockets alone", step)))
            .collect()
    };
    text.push_str(&table(calls.ways.iter().flat_map(all)));
    for rates in &calls.ways {
        if let Some(kept) = &rates.retention {
            let mib = |kib: u64| kib as f64 / 1_024.0;
            text.push_str(&format!(
                "  {}: {:.1} KiB a call at {} calls/s ({} failed); {:.1} MiB before, {:.1} with {} calls remembered, {:.1} after 64 s with {} transactions\n",
                rates.way.said(),
                kept.bytes_per_call / 1_024.0,
                kept.calls_a_second,
                kept.callers.failed,
                mib(kept.start_kib),
                mib(kept.peak_kib),
                kept.calls_remembered,
                mib(kept.end_kib),
                kept.transactions_left,
            ));
        }
    }
    if let Some(idle) = &calls.idle {
        text.push_str(&format!(
            "  {} idle dialogs: {:.0} MiB, {:.1} KiB each\n",
            idle.dialogs,
            idle.memory_kib as f64 / 1_024.0,
            idle.bytes_per_dialog / 1_024.0
        ));
    }
    text
}

/// Those through the worker.
pub(super) fn reached(reached: &Reached) -> String {
    let steps = reached.shares.iter().flat_map(|shared| {
        let steps = shared.steps.iter().cloned();
        steps.map(|step| (shared.share.said(), step))
    });
    format!(
        "\nCalls to the worker over UDP, each answered with media in a room of its own and hung up\n{}",
        table(steps)
    )
}

fn table(steps: impl Iterator<Item = (&'static str, Step)>) -> String {
    let mut table = Table::new(&[
        "",
        "calls/s",
        "us a call",
        "CPU %",
        "calls",
        "failed",
        "sent again",
        "unexpected",
        "ms to 200",
        "callers: calls/s",
        "callers: CPU %",
        "",
    ]);
    for (name, step) in steps {
        let callers = &step.callers;
        table.row(vec![
            name.to_owned(),
            step.calls_a_second.to_string(),
            format!("{:.0}", step.cpu_us_per_call),
            format!("{:.0}", step.cpu_percent),
            callers.calls.to_string(),
            callers.failed.max(step.failed_here).to_string(),
            callers.retransmissions.to_string(),
            callers.unexpected.to_string(),
            format!("{:.1}", callers.set_up_ms),
            format!("{:.0}", callers.calls_a_second),
            format!("{:.0}", callers.cpu_percent),
            match callers.late {
                true => "the callers were late",
                false => "",
            }
            .to_owned(),
        ]);
    }
    match table.is_empty() {
        true => String::new(),
        false => table.to_string(),
    }
}

pub(super) fn picture(facts: &str, calls: &Calls) -> String {
    let panels: Vec<Curve> = calls
        .ways
        .iter()
        .map(|rates| Curve {
            name: format!("{}: microseconds of processor a call", rates.way.said()),
            points: rates
                .steps
                .iter()
                .filter(|step| step.is_clean())
                .map(|step| (f64::from(step.calls_a_second), step.cpu_us_per_call))
                .collect(),
        })
        .collect();
    curves("What a call takes", facts, "calls a second", &panels)
}
