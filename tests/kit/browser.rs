// SPDX-License-Identifier: MPL-2.0
//! Chromium, headless.

use crate::out_dir;
use anyhow::{Context as _, Result};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// A browser on one page. Killed when dropped, with all its processes.
pub struct Browser {
    leader: Child,
}

impl Browser {
    /// Opens that page, with these more arguments.
    pub fn open(scenario: &str, address: &str, more: &[String]) -> Result<Browser> {
        let profile = out_dir(scenario).join("chromium");
        let _ = std::fs::remove_dir_all(&profile);
        std::fs::create_dir_all(&profile)?;
        let leader = Command::new("chromium")
            // The sandbox wants more rights than a test in a container has; the page is ours.
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-extensions", "--disable-sync", "--no-first-run"])
            .args(["--disable-background-networking", "--mute-audio"])
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg("--allow-loopback-in-peer-connection")
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(more)
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("chromium (./dev setup installs it)")?;
        Ok(Browser { leader })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = -(self.leader.id() as libc::pid_t);
        // SAFETY: kill takes numbers alone, and the group is the one made above.
        unsafe { libc::kill(group, libc::SIGKILL) };
        let _ = self.leader.wait();
    }
}
