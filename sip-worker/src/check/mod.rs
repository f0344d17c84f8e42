// SPDX-License-Identifier: MPL-2.0
//! `sip-worker check`: what is wrong in configuration and pipeline files, a sentence each.

use std::path::{Path, PathBuf};

use crate::config;
use crate::document::{Document, Finding};
use crate::pipeline;

/// Checks each file as what it is: one with `schema` or a launch text is a pipeline file, any other
/// a configuration. A folder stands for the `.toml` files in it. GStreamer must be initialised.
///
/// Nothing found is nothing wrong.
pub fn check(paths: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in paths {
        match files_of(path) {
            Ok(files) => files
                .iter()
                .for_each(|file| check_file(file, &mut findings)),
            Err(error) => findings.push(Finding::of_file(path, format!("cannot be read: {error}"))),
        }
    }
    findings
}

fn files_of(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn check_file(path: &Path, findings: &mut Vec<Finding>) {
    let document = match Document::read(path) {
        Ok(document) => document,
        Err(finding) => return findings.push(finding),
    };
    let found = if pipeline::looks_like_one(&document) {
        pipeline::Graph::parse(&document, &[]).err()
    } else {
        config::Config::parse(&document).err()
    };
    findings.extend(found.unwrap_or_default());
}

#[cfg(test)]
mod tests;
