// SPDX-License-Identifier: MPL-2.0
//! The plugin as other programs find it: one file in a folder that `GST_PLUGIN_PATH` names.

use crate::out_dir;
use anyhow::{Context as _, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE: &str = "libgstsipbridge.so";

pub struct Plugin {
    folder: PathBuf,
}

/// What `cargo build` made, by its path in the target folder of this test.
pub fn built(path: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("the test runs outside a target folder")?;
    let built = folder.join(path);
    anyhow::ensure!(
        built.is_file(),
        "{} is missing: run cargo build --package gst-plugin-sipbridge --lib --examples first \
         (./dev test does)",
        built.display()
    );
    Ok(built)
}

impl Plugin {
    pub fn installed_for(scenario: &str) -> Result<Plugin> {
        let folder = out_dir(scenario).join("plugin");
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(built(FILE)?, folder.join(FILE))?;
        Ok(Plugin { folder })
    }

    /// A program that sees this plugin beside those of the system, and a registry that nobody shares.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("GST_PLUGIN_PATH", &self.folder)
            .env("GST_REGISTRY", self.folder.join("registry.bin"))
            .env("G_DEBUG", "fatal_criticals");
        command
    }
}
