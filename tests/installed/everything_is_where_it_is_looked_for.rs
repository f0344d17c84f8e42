// SPDX-License-Identifier: MPL-2.0
//! `meson install` puts each file where GStreamer, pkg-config, systemd and the worker look, and with
//! DESTDIR the same below that folder.

use anyhow::{Result, ensure};
use sipbridge_tests::installed::{Tree, files, sources, succeeds};
use std::process::Command;

/// All there is; `*` is the machine's kind, such as x86_64-linux-gnu.
const FILES: [&str; 12] = [
    "bin/sip-worker",
    "lib/*/gstreamer-1.0/libgstsipbridge.so",
    "lib/*/pkgconfig/gstsipbridge.pc",
    "lib/systemd/system/sip-worker.service",
    "lib/sysusers.d/sip-worker.conf",
    "share/doc/sipbridge/LICENSE",
    "share/doc/sipbridge/README.md",
    "share/doc/sipbridge/operating.md",
    "share/doc/sipbridge/sip-worker.example.toml",
    "share/sipbridge/pipelines/room-stock.toml",
    "share/sipbridge/pipelines/room-rtp.toml",
    "share/sipbridge/pipelines/room.toml",
];

fn is_there(pattern: &str, file: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => file.starts_with(start) && file.ends_with(end),
        None => file == pattern,
    }
}

pub fn in_the_prefix_and_below_destdir(tree: &Tree) -> Result<()> {
    let prefix = tree.prefix();
    let installed = files(&prefix)?;
    for pattern in FILES {
        ensure!(
            installed.iter().any(|file| is_there(pattern, file)),
            "{pattern} is missing: {installed:#?}"
        );
    }
    ensure!(installed.len() == FILES.len(), "{installed:#?}");

    let staged = tree.staged().join(prefix.strip_prefix("/")?);
    assert_eq!(installed, files(&staged)?);
    assert_eq!(files(&staged)?.len(), files(&tree.staged())?.len());

    let pkg_config = prefix.join(
        installed
            .iter()
            .find(|file| file.ends_with(".pc"))
            .map_or("", String::as_str),
    );
    let said = succeeds(
        Command::new("pkg-config")
            .args(["--modversion", "--variable=pluginsdir"])
            .arg(&pkg_config),
    )?;
    ensure!(
        said.contains(&tree.plugins()?.display().to_string()),
        "{said}"
    );

    // No file speaks of where it was built.
    let unit = std::fs::read_to_string(prefix.join("lib/systemd/system/sip-worker.service"))?;
    let sources = sources()?.display().to_string();
    ensure!(!unit.contains("dir@") && !unit.contains(&sources), "{unit}");
    ensure!(unit.contains(&format!(
        "ExecStart={}/bin/sip-worker run",
        prefix.display()
    )));
    Ok(())
}
