// SPDX-License-Identifier: MPL-2.0
//! `[[sfu]]`

use std::sync::Arc;

use sip_ua::agent::{Tls, TlsFiles};

use super::duration::duration;
use super::path_in;
use super::secret::secret;
use crate::document::Section;
use crate::sfu::Sfu;
use crate::sfu::janus::{Janus, JanusConfig, OUTAGE_PATIENCE};

/// One SFU.
#[derive(Debug, Clone)]
pub struct SfuConfig {
    /// What routes call it.
    pub name: String,
    /// Which connector, and what that needs.
    pub kind: SfuKind,
}

/// The connectors there are.
#[derive(Debug, Clone)]
pub enum SfuKind {
    /// `kind = "janus"`: the VideoRoom plugin over WebSocket.
    Janus(JanusConfig),
}

impl SfuConfig {
    /// The connector it describes.
    pub fn connector(&self) -> Arc<dyn Sfu> {
        match &self.kind {
            SfuKind::Janus(janus) => Arc::new(Janus::new(janus.clone())),
        }
    }
}

pub(super) fn all(sections: Vec<Section<'_>>) -> Vec<SfuConfig> {
    let mut sfus: Vec<SfuConfig> = Vec::new();
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
        let stated = section.has("kind");
        let kind = section.parsed("kind", |kind| match kind {
            "janus" => Ok(()),
            "embedded" | "livekit" | "whip" | "rtp" => Err(format!(
                "the kind \"{kind}\" is not built yet, only \"janus\""
            )),
            _ => Err(format!("\"{kind}\" is no kind of SFU; \"janus\" is")),
        });
        if !stated {
            section.find("`kind` is missing; \"janus\" is built");
        }
        // The keys of another kind would only be reported as unknown.
        if kind.is_some() {
            let janus = janus(&mut section, &name);
            section.finish();
            sfus.push(SfuConfig {
                name,
                kind: SfuKind::Janus(janus),
            });
        } else {
            // So that routes may name it without a second complaint.
            sfus.push(SfuConfig {
                kind: SfuKind::Janus(JanusConfig::new(name.clone(), String::new())),
                name,
            });
        }
    }
    sfus
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
fn believed(section: &mut Section<'_>, plain: bool) -> Tls {
    let Some(path) = section.string("ca_file") else {
        return Tls::default();
    };
    if plain {
        section.find(
            "`ca_file` says whose certificates count, but a ws: connection shows none; say wss:",
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
