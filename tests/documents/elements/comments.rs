// SPDX-License-Identifier: MPL-2.0
//! What the sources of the plugin say: the block `/** SECTION:element-NAME … */` of an element, and the
//! comment `// NAME: what it is` above each signal and each structure that an application meets.

use anyhow::{Context as _, Result, ensure};
use sipbridge_tests::document;
use std::collections::BTreeMap;
use std::path::Path;

const SOURCES: &str = "gst-plugin-sipbridge/src";
/// Whatever is built so has its comment.
const SIGNAL: &str = "Signal::builder(";
const STRUCTURE: &str = "gst::Structure::builder(\"";
/// Structures of caps, which speak for themselves.
const CAPS: [&str; 2] = ["audio/", "application/x-rtp"];

#[derive(Default)]
pub struct Comments {
    blocks: Vec<String>,
    /// By the folder in which they are built, then by name.
    signals: BTreeMap<String, BTreeMap<String, String>>,
    structures: BTreeMap<String, BTreeMap<String, String>>,
}

impl Comments {
    pub fn read() -> Result<Comments> {
        let mut comments = Comments::default();
        comments.read_folder(&document::path(SOURCES))?;
        Ok(comments)
    }

    fn read_folder(&mut self, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                // Tests are no part of what an application meets.
                if !path.ends_with("tests") {
                    self.read_folder(&path)?;
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)?;
                let folder = folder.file_name().unwrap_or_default().to_string_lossy();
                self.read_source(&text, &folder)
                    .with_context(|| path.display().to_string())?;
            }
        }
        Ok(())
    }

    fn read_source(&mut self, text: &str, folder: &str) -> Result<()> {
        self.blocks
            .extend(text.split("/**\n").skip(1).filter_map(block));
        // Nor those in the same file.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        // `NAME: text` of the comment that was read last, until something is built.
        let mut said: Option<(String, String)> = None;
        for (number, line) in code.lines().map(str::trim).enumerate() {
            if let Some(comment) = line.strip_prefix("// ") {
                said = match (name_of(comment), said) {
                    (Some((name, text)), _) => Some((name.to_owned(), text.to_owned())),
                    (None, Some((name, text))) => Some((name, format!("{text} {comment}"))),
                    (None, None) => None,
                };
            }
            let (into, built) = if line.starts_with(SIGNAL) {
                (self.signals.entry(folder.to_owned()).or_default(), None)
            } else if let Some((_, rest)) = line.split_once(STRUCTURE)
                && !CAPS.iter().any(|caps| rest.starts_with(caps))
            {
                let structures = self.structures.entry(folder.to_owned()).or_default();
                (structures, rest.split('"').next())
            } else {
                continue;
            };
            let (name, text) = said
                .take()
                .with_context(|| format!("line {}: no comment `// NAME: …` above", number + 1))?;
            ensure!(
                built.is_none_or(|built| built == name),
                "line {}: the comment above is about {name}",
                number + 1
            );
            into.insert(name, text);
        }
        Ok(())
    }

    /// The block that begins with `title`, without it.
    pub fn section(&self, title: &str) -> Result<&str> {
        self.blocks
            .iter()
            .find_map(|block| block.strip_prefix(title)?.strip_prefix('\n'))
            .with_context(|| format!("no block {title} in {SOURCES}"))
    }

    /// A signal that is built in this folder, or else, shared, in another one.
    pub fn signal(&self, folder: &str, name: &str) -> Result<&str> {
        let own = self.signals.get(folder).into_iter();
        let mut all = own.chain(self.signals.values());
        let text = all.find_map(|signals| signals.get(name));
        Ok(text.with_context(|| format!("no comment // {name}: … in {SOURCES}"))?)
    }

    /// Element messages, and what signals, properties and errors carry, by name: those that are built in
    /// this folder.
    pub fn structures(&self, folder: &str) -> Option<&BTreeMap<String, String>> {
        self.structures.get(folder)
    }
}

/// The lines of a block up to its end, without the stars before them.
fn block(text: &str) -> Option<String> {
    let (lines, _) = text.split_once("*/")?;
    let bare = lines.lines().map(|line| {
        let line = line.trim_start().trim_start_matches('*');
        line.strip_prefix(' ').unwrap_or(line)
    });
    Some(bare.collect::<Vec<_>>().join("\n").trim_end().to_owned())
}

/// `name: text`, where the name is one that a signal or a structure can have.
fn name_of(comment: &str) -> Option<(&str, &str)> {
    let (name, text) = comment.split_once(": ")?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-/_".contains(&byte));
    is_name.then_some((name, text))
}
