// SPDX-License-Identifier: MPL-2.0
//! The operator's guide shows the help texts of the program as it is.

use anyhow::{Result, ensure};
use sipbridge_tests::document;
use sipbridge_tests::worker::run_once;

fn help(of: &[&str]) -> Result<String> {
    let mut arguments = of.to_vec();
    arguments.push("--help");
    let output = run_once(&arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn every_command_is_in_the_guide() -> Result<()> {
    let overview = help(&[])?;
    let commands = overview
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next());
    let mut text = String::new();
    for command in commands.filter(|command| *command != "help") {
        text += &format!(
            "### `sip-worker {command}`\n\n```text\n{}```\n\n",
            help(&[command])?
        );
    }
    document::part_is_current("docs/operating.md", "command line", &text)
}
