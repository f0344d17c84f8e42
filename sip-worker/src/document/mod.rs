// SPDX-License-Identifier: MPL-2.0
//! A TOML file, what stands where in it, and a sentence about a line of it.

mod nearest;
mod section;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

pub use section::{Located, Scalar, Section};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; `None` where it is the file as a whole.
    pub line: Option<usize>,
    /// One sentence.
    pub sentence: String,
}

impl Finding {
    /// About the file as a whole.
    pub fn of_file(file: &Path, sentence: impl Into<String>) -> Finding {
        Finding {
            file: file.to_owned(),
            line: None,
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.sentence)
    }
}

/// A TOML file being read. Findings are collected, so that one run names all that is wrong.
#[derive(Debug)]
pub struct Document {
    file: PathBuf,
    text: String,
    findings: RefCell<Vec<Finding>>,
    asked: RefCell<BTreeSet<String>>,
}

impl Document {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Document, Finding> {
        let bytes = std::fs::read(file)
            .map_err(|error| Finding::of_file(file, format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..valid]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            Finding {
                file: file.to_owned(),
                line: Some(line),
                sentence: "this is not TOML: it is not UTF-8 text".to_owned(),
            }
        })?;
        Ok(Document::new(file, text))
    }

    /// Takes text that came from elsewhere; `file` is what findings call it.
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Document {
        Document {
            file: file.into(),
            text: text.into(),
            findings: RefCell::default(),
            asked: RefCell::default(),
        }
    }

    /// What findings call it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line of a place in the text, counted from 1.
    pub fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    /// Notes what is wrong at a place.
    pub fn find(&self, at: Range<usize>, sentence: impl Into<String>) {
        self.find_at_line(self.line(at.start), sentence);
    }

    /// Notes what is wrong in a line.
    pub fn find_at_line(&self, line: usize, sentence: impl Into<String>) {
        self.findings.borrow_mut().push(Finding {
            file: self.file.clone(),
            line: Some(line),
            sentence: sentence.into(),
        });
    }

    /// Notes what is wrong with the file as a whole.
    pub fn find_in_file(&self, sentence: impl Into<String>) {
        self.findings
            .borrow_mut()
            .push(Finding::of_file(&self.file, sentence));
    }

    /// The table that the file is; `None`, and a finding, where it is not TOML.
    pub fn root(&self) -> Option<Section<'_>> {
        match DeTable::parse(&self.text) {
            Ok(table) => Some(Section::root(self, table)),
            Err(error) => {
                let at = error.span().unwrap_or(0..0);
                let why = error.message().replace('\n', ", ");
                self.find(at, format!("this is not TOML: {why}"));
                None
            }
        }
    }

    /// The file's keys at the top, or none where it is not TOML.
    pub fn top_keys(&self) -> Vec<String> {
        let table: Result<Spanned<DeTable<'_>>, _> = DeTable::parse(&self.text);
        table.map_or_else(
            |_| Vec::new(),
            |table| {
                table
                    .get_ref()
                    .keys()
                    .map(|key| key.get_ref().to_string())
                    .collect()
            },
        )
    }

    /// The keys that its reader asked for, there or not, as `table.key`: what may stand in such a file,
    /// as far as its tables are there.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// What was found so far, in the order of the lines; the document is clean again after.
    pub fn take_findings(&self) -> Vec<Finding> {
        let mut findings = self.findings.take();
        findings.sort_by_key(|finding| finding.line);
        findings
    }
}
