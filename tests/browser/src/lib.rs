// SPDX-License-Identifier: MPL-2.0
//! Chromium, headless, for whoever tests against a browser.
//!
//! - [`Browser`]: the program, with a fake microphone; [`Page`]: its page, driven and looked at
//! - [`Pages`]: serves pages of the test's own, and takes what they tell
//! - [`share_of`]: how much of what was heard is a tone

mod page;
mod pages;
mod tone;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

pub use page::Page;
pub use pages::{Files, Pages, Told};
pub use tone::share_of;

/// What it prints once it can be driven.
const DRIVEN: &str = "DevTools listening on ";

/// A browser. Killed when dropped, with all its processes.
pub struct Browser {
    leader: Child,
    profile: PathBuf,
    /// Where it is driven.
    tools: String,
}

impl Browser {
    /// Opens a page, with these more arguments.
    pub fn open(folder: &Path, address: &str, more: &[String]) -> Result<Browser> {
        let profile = folder.join("chromium");
        let _ = fs::remove_dir_all(&profile);
        fs::create_dir_all(&profile)?;
        let mut command = Command::new("chromium");
        command
            // The sandbox wants more rights than a test in a container has; the page is ours.
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-extensions", "--disable-sync", "--no-first-run"])
            .args(["--disable-background-networking", "--mute-audio"])
            .args(["--disable-component-update", "--hide-scrollbars"])
            // Whatever is looked at is on this machine.
            .arg("--no-proxy-server")
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg("--allow-loopback-in-peer-connection")
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(more);
        let mut leader = command
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("chromium (./dev setup installs it)")?;
        let stderr = leader.stderr.take().context("it prints")?;
        let mut browser = Browser {
            leader,
            profile,
            tools: String::new(),
        };
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let driven = lines.find_map(|line| Some(line.strip_prefix(DRIVEN)?.to_owned()));
        browser.tools = driven.context("chromium ended before it could be driven")?;
        let mut log = File::create(folder.join("chromium.log"))?;
        // It stops where nobody reads what it prints.
        std::thread::spawn(move || {
            use std::io::Write as _;
            lines.for_each(|line| drop(writeln!(log, "{line}")));
        });
        Ok(browser)
    }

    /// As [`Browser::open`], with a microphone that says what is in this file, over and over. Pages that may
    /// use one show their addresses.
    pub fn speaking(folder: &Path, address: &str, says: &Path, more: &[String]) -> Result<Browser> {
        let mut all = vec![
            "--use-fake-device-for-media-stream".to_owned(),
            "--use-fake-ui-for-media-stream".to_owned(),
            format!("--use-file-for-fake-audio-capture={}", says.display()),
        ];
        all.extend_from_slice(more);
        Browser::open(folder, address, &all)
    }

    /// Its page, to be driven.
    pub fn page(&self) -> Result<Page> {
        Page::of(&self.tools)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = -(self.leader.id() as libc::pid_t);
        // SAFETY: kill takes numbers alone, and the group is the one made above.
        unsafe { libc::kill(group, libc::SIGKILL) };
        let _ = self.leader.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
