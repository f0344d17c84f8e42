// SPDX-License-Identifier: MPL-2.0
//! Documents, or parts of them, that are made from what the programs say of themselves.
//!
//! A test compares them with what they would be if made now; with `SIPBRIDGE_WRITE_DOCS=1` in the
//! environment (`./dev docs`) it writes them instead.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

const WRITE: &str = "SIPBRIDGE_WRITE_DOCS";

/// A file of this repository, its path from the root.
pub fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

/// Fails unless `file` is `text`.
pub fn is_current(file: &str, text: &str) -> Result<()> {
    let found = match std::fs::read_to_string(path(file)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        found => found.with_context(|| file.to_owned())?,
    };
    settle(file, &found, text)
}

/// Fails unless the part of `file` between the lines `<!-- generated: PART -->` and
/// `<!-- end: PART -->` is `text`.
pub fn part_is_current(file: &str, part: &str, text: &str) -> Result<()> {
    let found = std::fs::read_to_string(path(file)).with_context(|| file.to_owned())?;
    let (first, last) = (
        format!("<!-- generated: {part} -->\n"),
        format!("<!-- end: {part} -->\n"),
    );
    let missing = || format!("{file} has no part between {first}and {last}");
    let (before, rest) = found.split_once(&first).with_context(missing)?;
    let (_, after) = rest.split_once(&last).with_context(missing)?;
    let text = text.trim_matches('\n');
    let wanted = format!("{before}{first}\n{text}\n\n{last}{after}");
    settle(file, &found, &wanted)
}

fn settle(file: &str, found: &str, wanted: &str) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    if std::env::var_os(WRITE).is_some() {
        let path = path(file);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        return Ok(std::fs::write(path, wanted)?);
    }
    let differing = found.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    let line = differing.unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
    bail!(
        "{file} is not current, run ./dev docs; line {}:\n  is      {}\n  must be {}",
        line + 1,
        at(found),
        at(wanted)
    )
}
