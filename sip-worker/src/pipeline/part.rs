// SPDX-License-Identifier: MPL-2.0
//! A checked graph, and the making of its parts.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use gst::prelude::*;
use sha2::{Digest, Sha256};

use super::file::{self, CALL_PORTS, PartText, PortKind, ROOM_PORTS, TRACK_PORTS};
use super::launch;
use super::params::Param;
use crate::document::{Document, Finding, Scalar};
use crate::plain;

/// A media graph: every call has a `[call]` part, and there is a `[track]` part for each track that is heard:
/// once for all calls of a room where there is a `[room]` part in which they meet, else once a call.
#[derive(Debug)]
pub struct Graph {
    /// The file's name without `.toml`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Of the file's text: the same name may mean another graph after a reload.
    pub hash: String,
    /// Once for all calls of a room; without one each call has what it needs of its own.
    pub room: Option<Part>,
    /// Once a call.
    pub call: Part,
    /// Once a track that is heard.
    pub track: Option<Part>,
}

/// A part that is known to parse, to have its ports and to take its parameters.
#[derive(Debug)]
pub struct Part {
    text: String,
    ports: BTreeMap<&'static str, Vec<String>>,
    params: Vec<Param>,
}

/// Why a part could not be made. It was made at load, so this is rare.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// GStreamer could not make it.
    #[error("the launch text makes no elements: {0}")]
    Launch(String),
    /// A parameter was refused.
    #[error("{0}")]
    Param(String),
    /// There is no such port.
    #[error("the graph has no port `{0}`")]
    Port(String),
    /// A mixer lets nobody more in: its media thread has enough to do.
    #[error("the room is more than its media thread carries")]
    Full,
    /// The port's element has no such pad.
    #[error("the port `{0}` has no {1} pad")]
    Pad(String, &'static str),
}

/// A part that is there, in state NULL and in no pipeline yet.
#[derive(Debug)]
pub struct PartInstance {
    /// Its elements.
    pub bin: gst::Bin,
    ports: BTreeMap<&'static str, Vec<gst::Element>>,
}

impl Graph {
    /// Checks a file and makes a graph of it. `allow_elements` may be used beyond the usual ones.
    pub fn parse(document: &Document, allow_elements: &[String]) -> Result<Graph, Vec<Finding>> {
        Graph::parse_with(document, allow_elements, &BTreeMap::new())
    }

    /// The same, with an operator's values for its parameters.
    pub(super) fn parse_with(
        document: &Document,
        allow_elements: &[String],
        values: &BTreeMap<String, Scalar>,
    ) -> Result<Graph, Vec<Finding>> {
        if let Err(error) = media_ready() {
            return Err(vec![Finding::of_file(document.file(), error)]);
        }
        refuse_if_others_write(document);
        let graph = file::read(document).and_then(|file| {
            let mut params = file.params;
            for (name, value) in values {
                let set = match params.iter_mut().find(|param| param.name == *name) {
                    Some(param) => param.set(value),
                    None => Err(format!("[media.params] sets `{name}`, which this graph does not have")),
                };
                if let Err(why) = set {
                    document.find_in_file(why);
                }
            }
            for element in &file.requires {
                if gst::ElementFactory::find(&element.value).is_none() {
                    let sentence = format!("`requires`: there is no element `{}` on this machine", element.value);
                    document.find(element.at.clone(), sentence);
                }
            }
            let texts = [
                (file.call, &CALL_PORTS[..]),
                (file.track, &TRACK_PORTS[..]),
                (file.room, &ROOM_PORTS[..]),
            ];
            let mut bound = vec![false; params.len()];
            let readable = texts[0].0.is_some();
            let [call, track, room] = texts.map(|(text, kinds)| {
                let text = text?;
                Part::check(document, text, kinds, allow_elements, &params, &mut bound)
            });
            for (param, bound) in params.iter().zip(bound) {
                if !bound && readable {
                    let sentence = format!("the parameter `{}` is bound to the element `{}`, which no launch text names", param.name, param.element);
                    document.find(param.at.clone(), sentence);
                }
            }
            Some(Graph {
                name: name_of(document),
                description: file.description,
                hash: hash(document.text()),
                room,
                call: call?,
                track,
            })
        });
        let findings = document.take_findings();
        match graph {
            Some(graph) if findings.is_empty() => Ok(graph),
            _ => Err(findings),
        }
    }
}

impl Part {
    fn check(
        document: &Document,
        part: PartText,
        kinds: &[(&'static str, PortKind)],
        allow_elements: &[String],
        params: &[Param],
        bound: &mut [bool],
    ) -> Option<Part> {
        if let Some(found) = launch::find_loop(&part) {
            launch::explain_loop(document, &part, &found);
            bound.fill(true);
            return None;
        }
        let bin = match launch::parse(&part.text.value) {
            Ok(bin) => bin,
            Err(error) => {
                launch::explain(document, &part, &error);
                // Its parameters may be right; nobody can tell.
                bound.fill(true);
                return None;
            }
        };
        launch::forbid(document, &part, &bin, allow_elements);
        let mut ports = BTreeMap::new();
        for port in &part.ports {
            let kind = kinds.iter().find(|(name, _)| *name == port.port);
            for element in &port.elements {
                let wrong = match (bin.by_name(&element.value), kind) {
                    (None, _) => Some(format!(
                        "the port `{}` names `{}`, and [{}] has no element of that name",
                        port.port, element.value, part.name
                    )),
                    (Some(found), Some((_, kind))) => misfit(&found, *kind).map(|why| {
                        format!("the port `{}` names `{}`, {why}", port.port, element.value)
                    }),
                    (Some(_), None) => None,
                };
                if let Some(sentence) = wrong {
                    document.find(element.at.clone(), sentence);
                }
            }
            let names = port.elements.iter().map(|element| element.value.clone());
            ports.insert(port.port, names.collect());
        }
        let mut own = Vec::new();
        for (param, bound) in params.iter().zip(bound) {
            let Some(element) = bin.by_name(&param.element) else {
                continue;
            };
            *bound = true;
            match param.apply(&element) {
                Ok(()) => own.push(param.clone()),
                Err(why) => document.find(param.at.clone(), why),
            }
        }
        if let Err(Unready { element, why }) = reaches_ready(&bin) {
            let line = launch::line_of_element(document, &part, element.as_ref());
            document.find_at_line(line, format!("[{}]: {why}", part.name));
        }
        Some(Part {
            text: part.text.value,
            ports,
            params: own,
        })
    }

    /// Makes the part's elements, in state NULL.
    pub fn instantiate(&self) -> Result<PartInstance, PartError> {
        let bin = launch::parse(&self.text).map_err(|error| match error {
            launch::LaunchError::Missing(missing) => {
                PartError::Launch(format!("{} is gone", missing.join(", ")))
            }
            launch::LaunchError::Syntax(message) => PartError::Launch(message),
        })?;
        for param in &self.params {
            let element = bin.by_name(&param.element);
            let element = element.ok_or_else(|| PartError::Port(param.element.clone()))?;
            param.apply(&element).map_err(PartError::Param)?;
        }
        let mut ports = BTreeMap::new();
        for (port, names) in &self.ports {
            let elements: Option<Vec<gst::Element>> =
                names.iter().map(|name| bin.by_name(name)).collect();
            let elements = elements.ok_or_else(|| PartError::Port((*port).to_owned()))?;
            ports.insert(*port, elements);
        }
        Ok(PartInstance { bin, ports })
    }
}

impl PartInstance {
    /// The element a port names.
    pub fn element(&self, port: &str) -> Result<gst::Element, PartError> {
        self.ports
            .get(port)
            .and_then(|elements| elements.first())
            .cloned()
            .ok_or_else(|| PartError::Port(port.to_owned()))
    }

    /// The same for a port that a graph may lack.
    pub fn optional(&self, port: &str) -> Option<gst::Element> {
        self.ports.get(port)?.first().cloned()
    }

    /// Notes that another element has taken the place of the one a port named.
    pub fn replace(&mut self, port: &'static str, element: gst::Element) {
        self.ports.insert(port, vec![element]);
    }

    /// The src pad of the element a port names.
    pub fn pad(&self, port: &str) -> Result<gst::Pad, PartError> {
        self.static_pad(port, "src")
    }

    /// Its sink pad.
    pub fn sink_pad(&self, port: &str) -> Result<gst::Pad, PartError> {
        self.static_pad(port, "sink")
    }

    fn static_pad(&self, port: &str, pad: &'static str) -> Result<gst::Pad, PartError> {
        self.element(port)?
            .static_pad(pad)
            .ok_or_else(|| PartError::Pad(port.to_owned(), pad))
    }

    /// The elements that tracks are linked to, each for one track at a time.
    pub fn slots(&self) -> Vec<gst::Element> {
        self.ports.get("slots").cloned().unwrap_or_default()
    }
}

/// GStreamer with our elements in it, once a process.
pub fn media_ready() -> Result<(), String> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    READY
        .get_or_init(|| {
            gst::init().map_err(|error| format!("GStreamer does not start: {error}"))?;
            gstsipbridge::register_once()
                .map_err(|error| format!("the sipbridge elements cannot be registered: {error}"))
        })
        .clone()
}

/// A file that others may write is a way to run their graph as this user.
fn refuse_if_others_write(document: &Document) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = std::fs::metadata(document.file()) else {
        return;
    };
    if metadata.permissions().mode() & 0o002 != 0 {
        document.find_in_file("anybody may write this file; run chmod o-w on it");
    }
}

fn misfit(element: &gst::Element, kind: PortKind) -> Option<String> {
    let factory = element.factory().map(|factory| factory.name().to_string());
    let factory = factory.unwrap_or_default();
    match kind {
        PortKind::Factory(wanted) | PortKind::Optional(wanted) => {
            let fits = wanted.contains(&factory.as_str());
            if fits && factory == "bin" {
                return plain::misfit(element);
            }
            (!fits).then(|| format!("which is a {factory} and not a {}", wanted.join(" or ")))
        }
        PortKind::Slots => {
            let on_request = element.pad_template_list().iter().any(|template| {
                template.presence() == gst::PadPresence::Request
                    && template.direction() == gst::PadDirection::Sink
            });
            (!on_request).then(|| format!("which is a {factory} and gives no sink pads on request"))
        }
        PortKind::Element => None,
    }
}

/// Why a part does not reach READY, and which of its elements said so.
struct Unready {
    element: Option<gst::Element>,
    why: String,
}

/// Takes the part to READY and back. A sipbin stays behind: it needs a call.
fn reaches_ready(bin: &gst::Bin) -> Result<(), Unready> {
    let elements = launch::elements(bin);
    for element in &elements {
        let factory = element.factory().map(|factory| factory.name().to_string());
        if factory.is_some_and(|name| matches!(name.as_str(), "sipbin" | "sipsrc" | "sipsink")) {
            element.set_locked_state(true);
        }
    }
    let bus = gst::Bus::new();
    bin.set_bus(Some(&bus));
    let ready = bin.set_state(gst::State::Ready);
    let said = bus
        .pop_filtered(&[gst::MessageType::Error])
        .and_then(|message| {
            let gst::MessageView::Error(error) = message.view() else {
                return None;
            };
            let source = error.src()?;
            let said = format!("{}: {}", source.name(), error.error());
            // It may be one inside of what the text names.
            let mut of_text = elements.iter();
            let at = of_text
                .find(|of| source == of.upcast_ref::<gst::Object>() || source.has_as_ancestor(*of));
            Some((at.cloned(), said))
        });
    // On the way down nothing can be wrong that was not wrong on the way up.
    let _ = bin.set_state(gst::State::Null);
    bin.set_bus(None);
    match ready {
        Ok(_) => Ok(()),
        Err(_) => {
            let (element, said) = said.unzip();
            let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
            Err(Unready {
                element: element.flatten(),
                why: format!("it does not reach the state READY{said}"),
            })
        }
    }
}

fn name_of(document: &Document) -> String {
    let stem = document.file().file_stem();
    stem.map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
