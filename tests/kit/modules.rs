// SPDX-License-Identifier: MPL-2.0
//! Packages of npm's, of the very content that a lock file names.

use crate::{out_dir, process::Process};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The first time they have to be downloaded.
const PATIENCE: Duration = Duration::from_secs(120);

/// Installs what these two files name, and returns the folder that holds it.
pub fn install(scenario: &str, package: &str, lock: &str) -> Result<PathBuf> {
    let folder = out_dir(scenario);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("package.json"), package)?;
    std::fs::write(folder.join("package-lock.json"), lock)?;
    let mut command = Command::new("npm");
    // It holds each package against its SHA-512, and runs nothing of theirs.
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    command.arg("--prefer-offline").current_dir(&folder);
    let log = folder.join("npm.log");
    let mut npm = Process::start("npm (./dev setup installs it)", command, &log)?;
    let status = npm.wait(PATIENCE)?;
    ensure!(status.success(), "npm: {status}\n{}", npm.printed());
    Ok(folder.join("node_modules"))
}
