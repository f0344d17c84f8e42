// SPDX-License-Identifier: MPL-2.0
//! The configurations on the SFUs' pages are taken as they stand there, and with every key that is commented out.

use anyhow::{Context as _, Result, ensure};
use sipbridge_tests::worker::run_once;
use sipbridge_tests::{certificate, document, out_dir};
use std::net::Ipv4Addr;
use std::path::Path;

/// The blocks of TOML of a page, each with the number of its first line.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (line, number) in page.lines().zip(1..) {
        match (&mut open, line) {
            (None, "```toml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, text)), line) => *text += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    blocks
}

/// The key and the value of a line, with or without a `# ` in front.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    let (key, value) = bare.split_once(" = ")?;
    let fits = |c: char| c.is_ascii_lowercase() || c == '_';
    (!key.is_empty() && key.chars().all(fits)).then_some((key, value))
}

/// The same with nothing commented out.
fn whole(block: &str) -> String {
    let bare = |line: &str| match key_of(line) {
        Some((key, value)) => format!("{key} = {value}\n"),
        None => format!("{line}\n"),
    };
    block.lines().map(bare).collect()
}

/// What the block names is there: secrets, and an authority.
fn make_files(folder: &Path, block: &str) -> Result<()> {
    for (key, value) in block.lines().filter_map(key_of) {
        let Some(name) = value.split('"').nth(1) else {
            continue;
        };
        if key == "ca_file" {
            let made = certificate::make(folder, Ipv4Addr::LOCALHOST.into())?;
            std::fs::rename(made.ca, folder.join(name))?;
        } else if key.ends_with("_file") {
            std::fs::write(folder.join(name), "a secret\n")?;
        }
    }
    Ok(())
}

fn is_fine(place: &str, folder: &Path, text: &str) -> Result<()> {
    let file = folder.join("sip-worker.toml");
    std::fs::write(&file, text)?;
    let output = run_once(&["check", &file.to_string_lossy()])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{place}: {said}\n{text}");
    Ok(())
}

#[test]
fn the_configurations_of_the_sfus_pages_are_fine() -> Result<()> {
    let folder = out_dir("sfu_pages");
    std::fs::create_dir_all(&folder)?;
    let mut with_blocks = Vec::new();
    for entry in std::fs::read_dir(document::path("docs/sfu"))? {
        let path = entry?.path();
        let page = std::fs::read_to_string(&path)?;
        let name = path.file_name().context("a page has a name")?;
        let name = name.to_string_lossy();
        let blocks = blocks(&page);
        if !blocks.is_empty() {
            with_blocks.push(name.to_string());
        }
        for (line, block) in blocks {
            let place = format!("docs/sfu/{name}:{line}");
            make_files(&folder, &block)?;
            is_fine(&place, &folder, &block)?;
            is_fine(&format!("{place}, all of it"), &folder, &whole(&block))?;
        }
    }
    with_blocks.sort();
    let kinds = ["embedded.md", "janus.md", "rtp.md", "whip.md"];
    ensure!(with_blocks == kinds, "{with_blocks:?}");
    Ok(())
}
