// SPDX-License-Identifier: MPL-2.0
//! The unit is one that systemd understands and finds well locked up; the worker tells systemd when
//! it takes calls and when it stops.

use anyhow::{Context as _, Result, ensure};
use sipbridge_tests::installed::{Tree, succeeds};
use sipbridge_tests::ports;
use sipbridge_tests::process::Process;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn told(ear: &UnixDatagram) -> Result<String> {
    let mut buffer = [0; 64];
    let length = ear.recv(&mut buffer).context("systemd was told nothing")?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

pub fn unit_and_notification(tree: &Tree) -> Result<()> {
    let unit = tree.prefix().join("lib/systemd/system/sip-worker.service");
    let said = succeeds(Command::new("systemd-analyze").arg("verify").arg(&unit))?;
    ensure!(said.is_empty(), "{said}");
    // Tenths, of 100 at the worst; what is left is the network, which is its work.
    succeeds(
        Command::new("systemd-analyze")
            .args(["security", "--offline=yes", "--threshold=15"])
            .arg(&unit),
    )?;

    let config = tree.path().join("sip-worker.toml");
    let port = ports::free();
    std::fs::write(
        &config,
        format!("[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\n"),
    )?;
    let socket = tree.path().join("notify");
    let ear = UnixDatagram::bind(&socket)?;
    ear.set_read_timeout(Some(PATIENCE))?;
    let mut command = tree.hidden(tree.prefix().join("bin/sip-worker"))?;
    command
        .arg("run")
        .arg("--config")
        .arg(&config)
        .env("NOTIFY_SOCKET", &socket);
    let mut process = Process::start("sip-worker", command, &tree.path().join("run.log"))?;
    assert_eq!(told(&ear)?, "READY=1");
    // It takes calls: the port is its own.
    ensure!(std::net::UdpSocket::bind(("127.0.0.1", port)).is_err());
    process.signal(libc::SIGTERM);
    assert_eq!(told(&ear)?, "STOPPING=1");
    let status = process.wait(PATIENCE)?;
    ensure!(status.success(), "{status}");

    // The exit that the unit does not restart after.
    std::fs::write(&config, "[spi]\n")?;
    let refused = tree
        .hidden(tree.prefix().join("bin/sip-worker"))?
        .arg("run")
        .arg("--config")
        .arg(&config)
        .output()?;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    Ok(())
}
