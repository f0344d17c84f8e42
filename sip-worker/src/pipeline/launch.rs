// SPDX-License-Identifier: MPL-2.0
//! From launch text to elements: parsed, and looked through for what may not be there.

use gst::prelude::*;

use super::file::PartText;
use super::{allow, loops};
use crate::document::Document;
use crate::plain;

/// Why a text makes no elements.
#[derive(Debug)]
pub(super) enum LaunchError {
    /// These elements are not installed.
    Missing(Vec<String>),
    /// What the parser says.
    Syntax(String),
}

/// Parses a launch text.
pub(super) fn parse(text: &str) -> Result<gst::Bin, LaunchError> {
    let mut context = gst::ParseContext::new();
    let parsed = gst::parse::bin_from_description_full(
        text,
        false,
        Some(&mut context),
        // A text of a single element makes a part like any other.
        gst::ParseFlags::FATAL_ERRORS | gst::ParseFlags::PLACE_IN_BIN,
    );
    parsed
        .map_err(|error| {
            // After another error the parser calls elements missing that are there.
            let mut missing: Vec<String> = context
                .missing_elements()
                .iter()
                .map(ToString::to_string)
                .filter(|name| gst::ElementFactory::find(name).is_none())
                .collect();
            missing.dedup();
            if missing.is_empty() {
                LaunchError::Syntax(error.message().replace('\n', " "))
            } else {
                LaunchError::Missing(missing)
            }
        })
        .and_then(|element| {
            element.downcast::<gst::Bin>().map_err(|element| {
                LaunchError::Syntax(format!("it is a single {} and no graph", element.name()))
            })
        })
}

/// The elements of a loop, which the parser would not survive. What an operator permits beyond the usual
/// elements is believed to know what it does.
pub(super) fn find_loop(part: &PartText) -> Option<Vec<String>> {
    loops::find(&part.text.value, allow::is_usual)
}

/// Notes a loop.
pub(super) fn explain_loop(document: &Document, part: &PartText, elements: &[String]) {
    let first = elements.first().map(String::as_str).unwrap_or_default();
    let all = elements.join("` to `");
    let sentence = format!(
        "[{}]: the elements `{all}` are linked in a loop, which GStreamer does not survive: end it where the sound comes back",
        part.name
    );
    document.find_at_line(line_of(document, part, first), sentence);
}

/// Notes why a text makes no elements.
pub(super) fn explain(document: &Document, part: &PartText, error: &LaunchError) {
    let name = part.name;
    match error {
        LaunchError::Missing(missing) => {
            for element in missing {
                let sentence = format!("[{name}]: there is no element `{element}` on this machine");
                document.find_at_line(line_of(document, part, element), sentence);
            }
        }
        LaunchError::Syntax(message) => {
            // The parser quotes what it stumbled over.
            let word = message.split('"').nth(1).unwrap_or_default();
            let line = line_of(document, part, word);
            document.find_at_line(line, format!("[{name}]: {message}"));
        }
    }
}

/// Notes every element that may not be used.
pub(super) fn forbid(document: &Document, part: &PartText, bin: &gst::Bin, more: &[String]) {
    for element in elements(bin) {
        let Some(factory) = element.factory() else {
            continue;
        };
        let factory = factory.name();
        let is_udp = matches!(factory.as_str(), "udpsrc" | "udpsink");
        if allow::permits(&factory, more) || is_udp && is_socket(&element, part) {
            continue;
        }
        let sentence = format!(
            "[{}]: the element `{factory}` is not on the list of media elements; if it is meant, add it to `allow_elements` of [media]",
            part.name
        );
        document.find_at_line(line_of(document, part, &factory), sentence);
    }
}

/// Whether it has a socket whose addresses the worker sets: in a bin that is a connection of the part.
fn is_socket(element: &gst::Element, part: &PartText) -> bool {
    let Some(bin) = element.parent().and_downcast::<gst::Bin>() else {
        return false;
    };
    let connections = part
        .ports
        .iter()
        .filter(|port| matches!(port.port, "publish" | "subscribe"))
        .flat_map(|port| &port.elements);
    let is_connection = connections
        .into_iter()
        .any(|name| bin.name() == *name.value);
    is_connection && plain::SOCKETS.contains(&element.name().as_str())
}

/// The elements a text asks for: those in plain bins of the text too, not those inside elements.
pub(super) fn elements(bin: &gst::Bin) -> Vec<gst::Element> {
    let mut elements = Vec::new();
    for child in bin.children() {
        match child.downcast_ref::<gst::Bin>() {
            Some(inner) if is_plain(inner) => elements.extend(self::elements(inner)),
            _ => elements.push(child),
        }
    }
    elements
}

fn is_plain(bin: &gst::Bin) -> bool {
    bin.factory().is_some_and(|factory| factory.name() == "bin")
}

/// The line on which an element of a launch text gets its name, or is asked for where it gets none.
pub(super) fn line_of_element(
    document: &Document,
    part: &PartText,
    element: Option<&gst::Element>,
) -> usize {
    let word = element.and_then(|element| {
        let named = format!("name={}", element.name());
        let is_named = part.text.value.contains(&named);
        let factory = || Some(element.factory()?.name().to_string());
        is_named.then_some(named).or_else(factory)
    });
    line_of(document, part, &word.unwrap_or_default())
}

/// The line of the file on which a word of a launch text stands; the text's first where it does not.
fn line_of(document: &Document, part: &PartText, word: &str) -> usize {
    let whole = document.text();
    let span = part.text.at.clone();
    let first = document.line(span.start);
    let Some(text) = whole.get(span.clone()).filter(|_| !word.is_empty()) else {
        return first;
    };
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let found = text.match_indices(word).find(|(at, _)| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    });
    found.map_or(first, |(at, _)| document.line(span.start + at))
}
