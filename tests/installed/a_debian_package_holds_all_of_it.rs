// SPDX-License-Identifier: MPL-2.0
//! `./dev deb` makes two packages; unpacked somewhere, plugin and worker run from there.

use anyhow::{Context as _, Result, ensure};
use sipbridge_tests::installed::{
    Folder, builds, files, sources, succeeds, target, without_build_tree,
};
use std::path::{Path, PathBuf};
use std::process::Command;

fn package(name: &str) -> Result<PathBuf> {
    let folder = target()?.join("debian");
    let all = files(&folder)?;
    let file = all
        .iter()
        .find(|file| file.starts_with(&format!("{name}_")) && file.ends_with(".deb"))
        .with_context(|| format!("no package {name} was made: {all:?}"))?;
    Ok(folder.join(file))
}

fn control(package: &Path, field: &str) -> Result<String> {
    succeeds(
        Command::new("dpkg-deb")
            .arg("--field")
            .arg(package)
            .arg(field),
    )
}

#[test]
fn two_packages_that_run_unpacked() -> Result<()> {
    succeeds(
        builds(Command::new(sources()?.join("dev")).arg("deb")).env("DEB_BUILD_OPTIONS", "noopt"),
    )?;
    let (plugin, worker) = (package("gstreamer1.0-sipbridge")?, package("sip-worker")?);

    let folder = Folder::new("packages")?;
    for package in [&plugin, &worker] {
        succeeds(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(package)
                .arg(folder.path()),
        )?;
    }
    let unpacked = files(folder.path())?;
    for wanted in [
        "usr/bin/sip-worker",
        "usr/share/sipbridge/pipelines/room.toml",
        "usr/share/sipbridge/pipelines/room-stock.toml",
        "usr/share/sipbridge/pipelines/room-rtp.toml",
        "usr/share/doc/sipbridge/sip-worker.example.toml",
        "lib/systemd/system/sip-worker.service",
        "usr/lib/sysusers.d/sip-worker.conf",
    ] {
        ensure!(unpacked.contains(wanted), "{wanted}: {unpacked:#?}");
    }
    // The libraries were found out, the plugins that nothing links to were named.
    let needs = control(&worker, "Depends")?;
    for wanted in [
        "libgstreamer1.0-0 (>=",
        "gstreamer1.0-nice",
        "gstreamer1.0-plugins-bad",
    ] {
        ensure!(needs.contains(wanted), "{needs}");
    }
    // Whoever installs it gets the user and the service.
    let scripts = Folder::new("scripts")?;
    succeeds(
        Command::new("dpkg-deb")
            .arg("--control")
            .arg(&worker)
            .arg(scripts.path()),
    )?;
    let after = std::fs::read_to_string(scripts.path().join("postinst"))?;
    ensure!(
        after.contains("systemd-sysusers") && after.contains("sip-worker.service"),
        "{after}"
    );

    let registry = folder.path().join("registry.bin");
    let shared = unpacked
        .iter()
        .find(|file| file.ends_with("/libgstsipbridge.so"))
        .context("no plugin in the packages")?;
    let said = succeeds(
        without_build_tree("gst-inspect-1.0")?
            .arg(folder.path().join(shared))
            .env("GST_REGISTRY", &registry),
    )?;
    ensure!(said.contains("sipbin"), "{said}");
    let example = folder
        .path()
        .join("usr/share/doc/sipbridge/sip-worker.example.toml");
    succeeds(
        without_build_tree(folder.path().join("usr/bin/sip-worker"))?
            .arg("check")
            .arg(example)
            .env("GST_REGISTRY", &registry),
    )?;
    Ok(())
}
