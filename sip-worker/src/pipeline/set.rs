// SPDX-License-Identifier: MPL-2.0
//! All graphs there are, swapped as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::Graph;
use crate::config::{Config, SfuConfig};
use crate::document::{Document, Finding};
use crate::installed;

/// The graph used where the configuration names none.
pub const DEFAULT: &str = "room";

/// The graph of rooms that are reached by plain RTP.
pub const PLAIN: &str = "room-rtp";

/// In the program itself, so that it runs without the folder.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "pipelines/room.toml",
        include_str!("../../../pipelines/room.toml"),
    ),
    (
        "pipelines/room-stock.toml",
        include_str!("../../../pipelines/room-stock.toml"),
    ),
    (
        "pipelines/room-rtp.toml",
        include_str!("../../../pipelines/room-rtp.toml"),
    ),
];

/// Every graph, by name.
#[derive(Debug)]
pub struct PipelineSet {
    graphs: BTreeMap<String, Arc<Graph>>,
    chosen: Arc<Graph>,
}

/// What is wrong with the pipeline files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineError(pub Vec<Finding>);

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PipelineError {}

impl PipelineSet {
    /// Loads the graphs built in, those installed with the program and those of the configured
    /// folder; one of the same name takes the earlier one's place. All are checked; any error
    /// refuses the whole set.
    pub fn load(config: &Config) -> Result<PipelineSet, PipelineError> {
        let mut documents: BTreeMap<String, Document> = BUILT_IN
            .iter()
            .map(|(file, text)| (stem(Path::new(file)), Document::new(*file, *text)))
            .collect();
        let installed = installed::pipelines();
        for folder in installed.iter().chain(&config.media.pipelines) {
            let unreadable = |error: std::io::Error| {
                let sentence = format!("the folder of pipelines cannot be read: {error}");
                PipelineError(vec![Finding::of_file(folder, sentence)])
            };
            for entry in std::fs::read_dir(folder).map_err(unreadable)? {
                let file = entry.map_err(unreadable)?.path();
                if file
                    .extension()
                    .is_some_and(|extension| extension == "toml")
                {
                    let document =
                        Document::read(&file).map_err(|finding| PipelineError(vec![finding]))?;
                    documents.insert(stem(&file), document);
                }
            }
        }

        let mut graphs = BTreeMap::new();
        let mut findings = Vec::new();
        let defaults = BTreeMap::new();
        for (name, document) in documents {
            let own = name == config.media.pipeline;
            let values = if own { &config.media.params } else { &defaults };
            match Graph::parse_with(&document, &config.media.allow_elements, values) {
                Ok(graph) => {
                    graphs.insert(name, Arc::new(graph));
                }
                Err(found) => findings.extend(found),
            }
        }
        if findings.is_empty() {
            findings = misnamed(config, &graphs);
        }
        match graphs.get(&config.media.pipeline).cloned() {
            Some(chosen) if findings.is_empty() => Ok(PipelineSet { graphs, chosen }),
            _ => Err(PipelineError(findings)),
        }
    }

    /// The one the configuration names.
    pub fn chosen(&self) -> Arc<Graph> {
        self.chosen.clone()
    }

    /// The one that an SFU's calls are to have, or the one the configuration names.
    pub fn of(&self, named: Option<&str>) -> Arc<Graph> {
        let named = named.and_then(|name| self.graphs.get(name));
        named.unwrap_or(&self.chosen).clone()
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Graph>> {
        self.graphs.get(name).cloned()
    }
}

/// What the configuration says of graphs that comes to nothing.
fn misnamed(config: &Config, graphs: &BTreeMap<String, Arc<Graph>>) -> Vec<Finding> {
    let media = &config.media;
    let of_sfus = config.sfus.iter().filter_map(|sfu| {
        let place = format!("[[sfu]] \"{}\"", sfu.name);
        Some((place, sfu.pipeline.as_ref()?))
    });
    let named = std::iter::once(("[media]".to_owned(), &media.pipeline)).chain(of_sfus);
    let unknown = named.filter(|(_, name)| !graphs.contains_key(*name));
    let mut findings: Vec<Finding> = unknown
        .map(|(place, name)| {
            let known: Vec<&str> = graphs.keys().map(String::as_str).collect();
            let sentence = format!(
                "there is no pipeline \"{name}\"; known are {}",
                known.join(", ")
            );
            Finding::of_file(Path::new(&place), sentence)
        })
        .collect();
    let has_it = |sfu: &SfuConfig| sfu.graph().is_none_or(|graph| graph == media.pipeline);
    if !media.params.is_empty() && !config.sfus.is_empty() && !config.sfus.iter().any(has_it) {
        findings.push(Finding::of_file(
            Path::new("[media.params]"),
            format!(
                "they count for the pipeline \"{}\", which no [[sfu]] has; name theirs as `pipeline` of [media]",
                media.pipeline
            ),
        ));
    }
    findings
}

fn stem(file: &Path) -> String {
    file.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}
