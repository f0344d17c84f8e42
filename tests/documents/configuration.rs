// SPDX-License-Identifier: MPL-2.0
//! The example configuration names every key there is and no other, and the operator's guide explains
//! each in the example's words.

use anyhow::{Context as _, Result, ensure};
use sip_worker::config::Config;
use sip_worker::document::Document;
use sipbridge_tests::document;
use std::collections::BTreeSet;

const EXAMPLE: &str = "sip-worker/sip-worker.example.toml";

/// A line of the example, as what it is with or without a `# ` in front.
enum Line<'a> {
    Table(&'a str),
    Key(&'a str),
    Words(&'a str),
    Empty,
}

fn read(line: &str) -> Line<'_> {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    let name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let key = bare.split_once(" = ").map_or("", |(key, _)| key);
    if bare.starts_with('[') && bare.ends_with(']') {
        Line::Table(bare)
    } else if !key.is_empty() && key.chars().all(name) {
        Line::Key(bare)
    } else if line == "#" || line.is_empty() {
        Line::Empty
    } else {
        Line::Words(bare)
    }
}

fn example() -> Result<String> {
    std::fs::read_to_string(document::path(EXAMPLE)).context(EXAMPLE)
}

#[test]
fn the_example_names_every_key_and_no_other() -> Result<()> {
    // Nothing commented out.
    let text = example()?;
    let whole: Vec<&str> = text
        .lines()
        .map(|line| match read(line) {
            Line::Table(bare) | Line::Key(bare) => bare,
            Line::Words(_) | Line::Empty => "",
        })
        .collect();
    let document = Document::new(EXAMPLE, whole.join("\n"));
    // Secrets it names are not there; only whether each key is known counts.
    let unknown: Vec<String> = Config::parse(&document)
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .filter(|finding| finding.contains("unknown key") || finding.contains("not TOML"))
        .collect();
    ensure!(unknown.is_empty(), "{unknown:#?}");

    let mut named = BTreeSet::new();
    let mut table = String::new();
    for line in &whole {
        match read(line) {
            Line::Table(bare) => {
                table = bare.trim_matches(['[', ']']).to_owned();
                named.insert(table.clone());
            }
            Line::Key(bare) => {
                let (key, value) = bare.split_once(" = ").unwrap_or_default();
                named.insert(format!("{table}.{key}"));
                let inside = value.strip_prefix('{').unwrap_or_default();
                for (inner, _) in inside.split(',').filter_map(|pair| pair.split_once('=')) {
                    named.insert(format!("{table}.{key}.{}", inner.trim()));
                }
            }
            Line::Words(_) | Line::Empty => {}
        }
    }
    let is_named = |asked: &String| {
        // The other way to give a secret is explained once, at the top.
        let as_file = asked
            .strip_suffix("_env")
            .map(|name| format!("{name}_file"));
        let of_many = |name: &String| name.starts_with(&format!("{asked}."));
        named.contains(asked)
            || as_file.is_some_and(|file| named.contains(&file))
            || named.iter().any(of_many)
    };
    let missing: Vec<String> = document
        .asked()
        .into_iter()
        .filter(|asked| !is_named(asked))
        .collect();
    ensure!(missing.is_empty(), "not in {EXAMPLE}: {missing:#?}");
    Ok(())
}

#[test]
fn the_guide_explains_every_key() -> Result<()> {
    document::part_is_current(
        "docs/operating.md",
        "configuration",
        &explained(&example()?),
    )
}

/// The example as a list: each key, or keys that share a comment, with that comment.
fn explained(example: &str) -> String {
    let mut out = String::new();
    let mut open = Entry::default();
    for line in example.lines() {
        match read(line) {
            Line::Key(bare) => open.keys.push(bare),
            Line::Words(text) => {
                open.close(&mut out);
                open.words.push(text);
            }
            Line::Empty => {
                open.close(&mut out);
                open.words.clear();
            }
            Line::Table(bare) => {
                open.close(&mut out);
                let words = open.words.drain(..).collect::<Vec<_>>().join(" ");
                let heading = format!("\n### `{bare}`\n\n");
                // A second table of a list goes on where the first ended.
                if !out.contains(&heading) {
                    out += &heading;
                    out += &words;
                    out += if words.is_empty() { "" } else { "\n\n" };
                }
            }
        }
    }
    open.close(&mut out);
    out
}

/// Keys, and the comment above them.
#[derive(Default)]
struct Entry<'a> {
    words: Vec<&'a str>,
    keys: Vec<&'a str>,
}

impl Entry<'_> {
    /// Writes it, if there are keys. A comment without keys waits for those that follow.
    fn close(&mut self, out: &mut String) {
        if self.keys.is_empty() {
            return;
        }
        let keys: Vec<String> = self.keys.drain(..).map(|key| format!("`{key}`")).collect();
        *out += &format!("- {}", keys.join(", "));
        if !self.words.is_empty() {
            *out += &format!("  \n  {}", self.words.join(" "));
            self.words.clear();
        }
        *out += "\n";
    }
}
