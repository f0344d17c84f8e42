// SPDX-License-Identifier: MPL-2.0
//! `[[sfu]]` of kind "whip"

use super::duration::duration;
use super::secret::secret;
use super::sfu::believed;
use crate::document::Section;
use crate::sfu::janus::OUTAGE_PATIENCE;
use crate::sfu::whip::{UrlTemplate, WhipConfig};

/// In the place of one that is wrong.
pub(super) fn any() -> WhipConfig {
    WhipConfig::new("", UrlTemplate::nowhere(), Vec::new())
}

pub(super) fn whip(section: &mut Section<'_>, name: &str) -> WhipConfig {
    let stated = section.has("whip");
    let speaks = section.parsed("whip", |text| {
        let url: UrlTemplate = text.parse()?;
        match url.wants_session() {
            true => Err("{session} is of the session that begins here".to_owned()),
            false => Ok(url),
        }
    });
    if !stated {
        section.find(
            "`whip` is missing, such as \"https://sfu.example/whip/{room}?name={participant}\"",
        );
    }
    let hears = section.parsed_list("whep", str::parse::<UrlTemplate>);
    let hears = hears.unwrap_or_default();
    let all = || speaks.iter().chain(&hears);
    let plain = !all().any(UrlTemplate::is_secure);
    if stated && speaks.as_ref().is_some_and(|url| !url.is_personal()) {
        section.find(
            "`whip` leads all phones of a room to one endpoint, and most servers let one in; \
             tell them apart by {participant}",
        );
    }
    WhipConfig {
        tls: believed(section, plain),
        token: secret(section, "token"),
        outage_patience: duration(section, "patience", 0).unwrap_or(OUTAGE_PATIENCE),
        ..WhipConfig::new(name, speaks.unwrap_or_else(UrlTemplate::nowhere), hears)
    }
}
