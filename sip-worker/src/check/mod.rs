// SPDX-License-Identifier: MPL-2.0
//! `sip-worker check`: what is wrong in configuration and pipeline files, a sentence each.

use std::path::{Path, PathBuf};

use crate::config;
use crate::document::{Document, Finding};
use crate::pipeline;

/// Checks each file as what it is: one with `schema` or a launch text is a pipeline file, any other
/// a configuration. A folder stands for the `.toml` files in it. A graph may name the profiles of all
/// configurations that are checked with it. GStreamer must be initialised.
///
/// Nothing found is nothing wrong.
pub fn check(paths: &[PathBuf]) -> Vec<Finding> {
    let mut read = Vec::new();
    for path in paths {
        match files_of(path) {
            Ok(files) => read.extend(files.iter().map(|file| Checked::read(file))),
            Err(error) => read.push(Checked::unreadable(path, &error)),
        }
    }
    for graphs in [false, true] {
        let of_this_kind = read.iter_mut().filter(|file| file.is_graph == graphs);
        of_this_kind.for_each(Checked::check);
    }
    read.into_iter().flat_map(|file| file.findings).collect()
}

/// A file, and what is known to be wrong with it.
struct Checked {
    document: Option<Document>,
    is_graph: bool,
    findings: Vec<Finding>,
}

impl Checked {
    fn read(path: &Path) -> Checked {
        let (document, findings) = match Document::read(path) {
            Ok(document) => (Some(document), Vec::new()),
            Err(finding) => (None, vec![finding]),
        };
        Checked {
            is_graph: document.as_ref().is_some_and(pipeline::looks_like_one),
            document,
            findings,
        }
    }

    fn unreadable(path: &Path, error: &std::io::Error) -> Checked {
        Checked {
            document: None,
            is_graph: false,
            findings: vec![Finding::of_file(path, format!("cannot be read: {error}"))],
        }
    }

    fn check(&mut self) {
        let Some(document) = &self.document else {
            return;
        };
        if self.is_graph {
            let found = pipeline::Graph::parse(document, &[]).err();
            return self.findings.extend(found.unwrap_or_default());
        }
        match config::Config::parse(document) {
            Err(found) => self.findings.extend(found),
            Ok(config) => {
                let defined = config.profiles.iter().map(config::Profile::define);
                let refused = defined.filter_map(Result::err);
                let refused =
                    refused.map(|error| Finding::of_file(document.file(), error.to_string()));
                self.findings.extend(refused);
            }
        }
    }
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

#[cfg(test)]
mod tests;
