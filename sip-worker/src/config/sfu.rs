// SPDX-License-Identifier: MPL-2.0
//! `[[sfu]]`

use std::sync::Arc;

use sip_ua::agent::{Tls, TlsFiles};

use super::duration::duration;
use super::rtp::{Local, rtp};
use super::secret::secret;
use super::whip;
use super::{Ice, path_in};
use crate::document::Section;
use crate::pipeline::PLAIN;
use crate::plain::PlainConfig;
use crate::sfu::Sfu;
use crate::sfu::embedded::{Embedded, EmbeddedConfig, MAX_PARTICIPANTS};
use crate::sfu::janus::{Janus, JanusConfig, OUTAGE_PATIENCE};
use crate::sfu::rtp::{Rtp, RtpConfig, Way};
use crate::sfu::whip::{Whip, WhipConfig};

/// One SFU.
#[derive(Debug, Clone)]
pub struct SfuConfig {
    /// What routes call it.
    pub name: String,
    /// Which connector, and what that needs.
    pub kind: SfuKind,
    /// The media graph of calls there, where it is not the usual one.
    pub pipeline: Option<String>,
    /// Whether everybody in a room is told which keys the phones there press.
    pub tell_keys: bool,
}

/// The connectors there are.
#[derive(Debug, Clone)]
pub enum SfuKind {
    /// `kind = "embedded"`: rooms in the worker itself.
    Embedded(EmbeddedConfig),
    /// `kind = "janus"`: the VideoRoom plugin over WebSocket.
    Janus(JanusConfig),
    /// `kind = "whip"`: any server that speaks WHIP and WHEP.
    Whip(Box<WhipConfig>),
    /// `kind = "rtp"`: plain RTP.
    Rtp(RtpConfig),
}

impl SfuConfig {
    /// The media graph of calls there: the one it names, that of plain RTP where it speaks that, or none in particular.
    pub fn graph(&self) -> Option<&str> {
        let usual = match &self.kind {
            SfuKind::Rtp(_) => Some(PLAIN),
            _ => None,
        };
        self.pipeline.as_deref().or(usual)
    }

    /// What counts for its connections, where they are of plain RTP.
    pub fn plain(&self) -> Option<PlainConfig> {
        match &self.kind {
            SfuKind::Rtp(rtp) => Some(rtp.plain.clone()),
            _ => None,
        }
    }
}

/// The connectors of a configuration.
#[derive(Default)]
pub struct Connectors {
    /// All of them, in order.
    pub all: Vec<Arc<dyn Sfu>>,
    /// The one among them that is inside the worker.
    pub embedded: Option<Arc<Embedded>>,
}

impl Connectors {
    /// Those that are described. The embedded one is reached as `ice` says.
    pub fn new(sfus: &[SfuConfig], ice: &Ice) -> Connectors {
        let mut connectors = Connectors::default();
        for sfu in sfus {
            let connector: Arc<dyn Sfu> = match &sfu.kind {
                SfuKind::Janus(janus) => Arc::new(Janus::new(janus.clone())),
                SfuKind::Whip(whip) => Arc::new(Whip::new(WhipConfig::clone(whip))),
                SfuKind::Rtp(rtp) => Arc::new(Rtp::new(rtp.clone())),
                SfuKind::Embedded(embedded) => {
                    let embedded = Arc::new(Embedded::new(EmbeddedConfig {
                        addresses: ice.addresses.clone(),
                        advertise: ice.advertise,
                        ..embedded.clone()
                    }));
                    connectors.embedded = Some(embedded.clone());
                    embedded
                }
            };
            connectors.all.push(connector);
        }
        connectors
    }
}

pub(super) fn all(sections: Vec<Section<'_>>) -> Vec<SfuConfig> {
    let mut sfus: Vec<SfuConfig> = Vec::new();
    let mut local = Local::default();
    for mut section in sections {
        let name = section.string("name").map(|name| name.value);
        match &name {
            Some(name) => section.rename(format!("[[sfu]] \"{name}\"")),
            None => section.find("`name` is missing"),
        }
        let name = name.unwrap_or_default();
        if sfus.iter().any(|sfu| sfu.name == name) {
            section.find("another SFU has this name");
        }
        let pipeline = section.string("pipeline").map(|name| name.value);
        let stated = section.has("kind");
        let kind = section.parsed("kind", |kind| match kind {
            "janus" => Ok(SfuKind::Janus(JanusConfig::new("", ""))),
            "embedded" => Ok(SfuKind::Embedded(EmbeddedConfig::new(""))),
            "whip" => Ok(SfuKind::Whip(Box::new(whip::any()))),
            "rtp" => Ok(SfuKind::Rtp(RtpConfig::new("", Way::Lines(Vec::new())))),
            "livekit" => Err(format!(
                "the kind \"{kind}\" is not built yet, only \"embedded\", \"janus\", \"whip\" and \"rtp\""
            )),
            _ => Err(format!(
                "\"{kind}\" is no kind of SFU; \"embedded\", \"janus\", \"whip\" and \"rtp\" are"
            )),
        });
        if !stated {
            section
                .find("`kind` is missing; \"embedded\", \"janus\", \"whip\" and \"rtp\" are built");
        }
        let tell_keys = section.boolean("tell_keys").unwrap_or(false);
        let carries_keys = match &kind {
            Some(SfuKind::Embedded(_)) | None => true,
            Some(SfuKind::Rtp(_)) => section.has("url"),
            Some(SfuKind::Janus(_) | SfuKind::Whip(_)) => false,
        };
        if tell_keys && !carries_keys {
            section.find(
                "`tell_keys`: this SFU carries nothing but sound; \"embedded\" and \"rtp\" with `url` carry keys",
            );
        }
        let inside = |sfu: &SfuConfig| matches!(sfu.kind, SfuKind::Embedded(_));
        let kind = match kind {
            Some(SfuKind::Embedded(_)) => {
                if sfus.iter().any(inside) {
                    section
                        .find("there is an embedded SFU already, and one has as many rooms as two");
                }
                let embedded = embedded(&mut section, &name);
                section.finish();
                SfuKind::Embedded(embedded)
            }
            Some(SfuKind::Janus(_)) => {
                let janus = janus(&mut section, &name);
                section.finish();
                SfuKind::Janus(janus)
            }
            Some(SfuKind::Whip(_)) => {
                let whip = whip::whip(&mut section, &name);
                section.finish();
                SfuKind::Whip(Box::new(whip))
            }
            Some(SfuKind::Rtp(_)) => {
                let rtp = rtp(&mut section, &name, &mut local);
                section.finish();
                SfuKind::Rtp(rtp)
            }
            // The keys of another kind would only be reported as unknown. It stays, so that routes may
            // name it without a second complaint.
            None => SfuKind::Janus(JanusConfig::new(name.clone(), String::new())),
        };
        sfus.push(SfuConfig {
            name,
            kind,
            pipeline,
            tell_keys,
        });
    }
    sfus
}

fn embedded(section: &mut Section<'_>, name: &str) -> EmbeddedConfig {
    let port = section.integer("port", 0..=65_535).unwrap_or(0);
    let max = section.integer("max_participants", 1..=10_000);
    let rooms = section.parsed_list("rooms", |pattern| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-*".contains(c);
        match !pattern.is_empty() && pattern.chars().all(fits) {
            true => Ok(pattern.to_owned()),
            false => Err(format!(
                "{pattern:?} is the pattern of no room: A-Z a-z 0-9 . _ - and * for anything"
            )),
        }
    });
    let any = EmbeddedConfig::new(name);
    EmbeddedConfig {
        port: u16::try_from(port).unwrap_or(0),
        max_participants: max
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(MAX_PARTICIPANTS),
        rooms: rooms.unwrap_or_else(|| any.rooms.clone()),
        ..any
    }
}

fn janus(section: &mut Section<'_>, name: &str) -> JanusConfig {
    let stated = section.has("url");
    let url = section.parsed("url", |url| {
        let rest = url.strip_prefix("ws://").or(url.strip_prefix("wss://"));
        let rest = rest.unwrap_or_default();
        if rest.is_empty() || rest.contains(char::is_whitespace) {
            Err("it must be of the form ws://HOST:PORT/PATH or wss://HOST:PORT/PATH".to_owned())
        } else {
            Ok(url.to_owned())
        }
    });
    if !stated {
        section.find("`url` is missing, such as \"ws://127.0.0.1:8188\"");
    }
    let plain = url.as_ref().is_some_and(|url| url.starts_with("ws:"));
    JanusConfig {
        tls: believed(section, plain),
        room_create: section.boolean("room_create").unwrap_or(true),
        api_secret: secret(section, "api_secret"),
        token: secret(section, "token"),
        pin: secret(section, "room_pin"),
        admin_key: secret(section, "admin_key"),
        outage_patience: duration(section, "patience", 0).unwrap_or(OUTAGE_PATIENCE),
        ..JanusConfig::new(name, url.unwrap_or_default())
    }
}

/// The system's authorities, and those in `ca_file`.
pub(super) fn believed(section: &mut Section<'_>, plain: bool) -> Tls {
    let Some(path) = section.string("ca_file") else {
        return Tls::default();
    };
    if plain {
        section.find(
            "`ca_file` says whose certificates count, but a plain connection shows none; say wss: or https:",
        );
    }
    let files = TlsFiles {
        ca_file: Some(path_in(section, &path.value)),
        ..TlsFiles::default()
    };
    Tls::load(files).unwrap_or_else(|error| {
        section.document().find(path.at, error.to_string());
        Tls::default()
    })
}
