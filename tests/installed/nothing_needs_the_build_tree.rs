// SPDX-License-Identifier: MPL-2.0
//! The build tree is gone: the elements are there, the worker runs with the graphs installed beside
//! it, and a phone and a room hear each other.

use anyhow::{Result, ensure};
use sipbridge_tests::installed::{Tree, succeeds};
use sipbridge_tests::ports;
use sipbridge_tests::process::Process;
use std::time::Duration;

const STARTED: Duration = Duration::from_secs(20);

pub fn elements_worker_and_a_whole_call(tree: &Tree) -> Result<()> {
    let worker = tree.prefix().join("bin/sip-worker");

    let said = succeeds(tree.hidden("gst-inspect-1.0")?.arg("sipbin"))?;
    let plugin = tree.plugins()?.join("libgstsipbridge.so");
    ensure!(said.contains(&plugin.display().to_string()), "{said}");

    // A graph beside those that were installed is found by its name alone.
    let graphs = tree.prefix().join("share/sipbridge/pipelines");
    std::fs::copy(graphs.join("room-stock.toml"), graphs.join("ours.toml"))?;
    let config = tree.path().join("sip-worker.toml");
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:{}\"]\n[media]\npipeline = \"ours\"\n",
        ports::free()
    );
    std::fs::write(&config, text)?;
    succeeds(tree.hidden(&worker)?.arg("check").arg(&config).arg(&graphs))?;

    // Without --config: that of the current folder.
    let mut command = tree.hidden(&worker)?;
    command.arg("run");
    let mut process = Process::start("sip-worker", command, &tree.path().join("run.log"))?;
    process.wait_for_line("taking calls", STARTED)?;
    // GStreamer knows the plugin's file too, but the elements are the worker's own: two copies of
    // the plugin in one process would each have media threads and calls of their own.
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", process.pid()))?;
    ensure!(
        maps.contains("sip-worker") && !maps.contains("libgstsipbridge"),
        "{maps}"
    );
    let status = process.terminate()?;
    ensure!(status.success(), "{status}: {}", process.printed());

    // Ends with success only if both directions were heard.
    let said = succeeds(tree.hidden(&worker)?.args(["demo", "--once"]))?;
    ensure!(said.contains("Both heard each other well."), "{said}");
    Ok(())
}
