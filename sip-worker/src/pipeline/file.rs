// SPDX-License-Identifier: MPL-2.0
//! The file's own form: keys and types, before GStreamer is asked about any of it.

use super::params::Param;
use crate::document::{Document, Located, Section};

/// The version of the form.
const SCHEMA: i64 = 1;

/// A pipeline file as written.
pub(super) struct File {
    pub(super) description: String,
    pub(super) requires: Vec<Located<String>>,
    pub(super) params: Vec<Param>,
    pub(super) room: Option<PartText>,
    pub(super) call: Option<PartText>,
    pub(super) track: Option<PartText>,
}

/// One launch text with its ports.
pub(super) struct PartText {
    /// `room`, `call` or `track`.
    pub(super) name: &'static str,
    pub(super) text: Located<String>,
    pub(super) ports: Vec<PortName>,
}

/// A port, and the element or elements it names.
#[derive(Debug, Clone)]
pub(super) struct PortName {
    pub(super) port: &'static str,
    pub(super) elements: Vec<Located<String>>,
}

/// What the worker does with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PortKind {
    /// One element of one of these factories.
    Factory(&'static [&'static str]),
    /// As `Factory`, and a graph may do without.
    Optional(&'static [&'static str]),
    /// One element whose pads the worker links.
    Element,
    /// Any number of elements that give sink pads on request; a graph may do without.
    Slots,
}

/// Each is a connection: by WebRTC, or a bin around an `rtpbin`.
const CONNECTIONS: &[&str] = &["webrtcbin", "rtcbin", "bin"];

pub(super) const ROOM_PORTS: [(&str, PortKind); 2] = [
    ("mixer", PortKind::Factory(&["sipmixer"])),
    ("comfort", PortKind::Optional(&["sipmixer"])),
];

pub(super) const CALL_PORTS: [(&str, PortKind); 6] = [
    ("sip", PortKind::Factory(&["sipbin"])),
    ("publish", PortKind::Factory(CONNECTIONS)),
    ("slots", PortKind::Slots),
    ("mixer", PortKind::Optional(&["sipmixer"])),
    ("comfort", PortKind::Optional(&["volume", "sipmixer"])),
    ("voice", PortKind::Optional(&["tee"])),
];

pub(super) const TRACK_PORTS: [(&str, PortKind); 3] = [
    ("subscribe", PortKind::Factory(CONNECTIONS)),
    ("in", PortKind::Element),
    ("out", PortKind::Element),
];

impl PortKind {
    /// Whether a graph may do without.
    fn is_optional(self) -> bool {
        matches!(self, PortKind::Optional(_) | PortKind::Slots)
    }
}

/// Whether this is meant to be a pipeline file rather than a configuration.
pub fn looks_like_one(document: &Document) -> bool {
    let own = [
        "schema", "requires", "ports", "params", "room", "call", "track", "launch",
    ];
    document
        .top_keys()
        .iter()
        .any(|key| own.contains(&key.as_str()))
}

/// Reads the form. What is wrong ends among the document's findings.
pub(super) fn read(document: &Document) -> Option<File> {
    let mut root = document.root()?;
    let schema = root.integer("schema", 1..=i64::MAX);
    match schema {
        Some(SCHEMA) => {}
        Some(other) => document.find_in_file(format!(
            "schema = {other} is of a later version; this one reads schema = {SCHEMA}"
        )),
        None => document.find_in_file(format!("schema = {SCHEMA} is missing")),
    }
    let description = root.string("description").map(|text| text.value);
    let requires = root.strings("requires").unwrap_or_default();
    let params = root.section("params").map(Param::all).unwrap_or_default();

    let mut ports = root.section("ports");
    let stated = root.has("call");
    let shared = root.has("room");
    let room = part(&mut root, "room", ports.as_mut(), &ROOM_PORTS);
    let call = part(&mut root, "call", ports.as_mut(), &CALL_PORTS);
    let track = part(&mut root, "track", ports.as_mut(), &TRACK_PORTS);
    if let Some(ports) = ports {
        ports.finish();
    }
    if !stated {
        document.find_in_file("there is no [call] with the `text` of a call's graph");
    }
    if let Some(call) = &call {
        mixes_once(document, call, shared);
    }
    root.finish();
    Some(File {
        description: description.unwrap_or_default(),
        requires,
        params,
        room,
        call,
        track,
    })
}

/// What is heard meets at one mixer: that of the room, or one of the call's own.
fn mixes_once(document: &Document, call: &PartText, shared: bool) {
    let of = |name| call.ports.iter().find(|port: &&PortName| port.port == name);
    let (slots, mixer, voice) = (of("slots"), of("mixer"), of("voice"));
    let find = |port: Option<&PortName>, sentence: &str| {
        let element = port.and_then(|port| port.elements.first());
        let at = element.map_or_else(|| call.text.at.clone(), |element| element.at.clone());
        document.find(at, format!("[ports] call: {sentence}"));
    };
    if shared {
        if let Some(own) = [slots, mixer, of("comfort")].into_iter().flatten().next() {
            find(
                Some(own),
                &format!(
                    "the port `{}` is that of [room], for there is a [room] part",
                    own.port
                ),
            );
        }
        if voice.is_none() {
            find(
                None,
                "the port `voice` is missing: a tee that other phones of the room hear",
            );
        }
        return;
    }
    match (slots, mixer) {
        (None, None) => find(
            None,
            "a port is missing that takes what is heard: `mixer` names a sipmixer, or `slots` names elements of which each takes one track",
        ),
        (Some(_), Some(_)) => find(
            mixer,
            "the ports `mixer` and `slots` are for the same: name one of them",
        ),
        _ => {}
    }
    if voice.is_some() {
        find(
            voice,
            "the port `voice` leads to the mixer of a [room] part, and there is none",
        );
    }
}

fn part(
    root: &mut Section<'_>,
    name: &'static str,
    ports: Option<&mut Section<'_>>,
    wanted: &[(&'static str, PortKind)],
) -> Option<PartText> {
    let mut section = root.section(name)?;
    let text = section.string("text");
    if text.is_none() {
        section.find("`text` is missing");
    }
    let ports = match ports.and_then(|ports| ports.section(name)) {
        Some(table) => port_names(table, wanted),
        None => {
            let names: Vec<&str> = wanted
                .iter()
                .filter(|(_, kind)| !kind.is_optional())
                .map(|(port, _)| *port)
                .collect();
            section.find(format!(
                "[ports] has no `{name}`, which names {}",
                names.join(", ")
            ));
            Vec::new()
        }
    };
    section.finish();
    Some(PartText {
        name,
        text: text?,
        ports,
    })
}

fn port_names(mut table: Section<'_>, wanted: &[(&'static str, PortKind)]) -> Vec<PortName> {
    let mut ports = Vec::new();
    for (port, kind) in wanted {
        let stated = table.has(port);
        if !stated && kind.is_optional() {
            continue;
        }
        if !stated {
            table.find(format!("the port `{port}` is missing"));
        }
        let elements = match kind {
            PortKind::Slots => table.strings(port),
            PortKind::Factory(_) | PortKind::Optional(_) | PortKind::Element => {
                table.string(port).map(|name| vec![name])
            }
        };
        ports.push(PortName {
            port,
            elements: elements.unwrap_or_default(),
        });
    }
    table.finish();
    ports
}
