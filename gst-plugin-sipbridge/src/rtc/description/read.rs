// SPDX-License-Identifier: MPL-2.0
//! Text to [`Description`].

use sdp_types::{Attribute, Media, Session};
use sip_ua::sdp::read_fingerprint;

use super::{Credentials, Description, DescriptionError, Direction, Format, Section, Setup};

/// More media lines than any client sends.
const MEDIA_LIMIT: usize = 64;

/// More sources than a media line can have in use.
const SOURCES_MAX: usize = 32;

/// The payload types that have a meaning without `a=rtpmap` (RFC 3551 section 6).
const STATIC: [(u8, &str); 4] = [(0, "PCMU"), (8, "PCMA"), (9, "G722"), (13, "CN")];

impl Description {
    /// Reads a description; what the session level says holds for each media line that does not say
    /// otherwise.
    pub fn read(text: &str) -> Result<Description, DescriptionError> {
        let session = Session::parse(text.as_bytes())
            .map_err(|error| DescriptionError::Unreadable(error.to_string()))?;
        if session.medias.is_empty() {
            return Err(DescriptionError::NoMedia);
        }
        if session.medias.len() > MEDIA_LIMIT {
            return Err(DescriptionError::TooManyMedia {
                found: session.medias.len(),
                limit: MEDIA_LIMIT,
            });
        }
        // Our answer repeats what it declines, and could not be read.
        let broken = |media: &Media| {
            let words = [&media.media, &media.proto, &media.fmt];
            words.iter().any(|word| word.trim().is_empty())
        };
        if let Some(line) = session.medias.iter().position(broken) {
            return Err(DescriptionError::Unreadable(format!(
                "media line {line} has no media, protocol or format"
            )));
        }
        let level = Level(&session.attributes);
        Ok(Description {
            session_id: session.origin.sess_id.parse().unwrap_or(0),
            version: session.origin.sess_version,
            bundle: bundle(level),
            ice_lite: level.has("ice-lite"),
            sections: session
                .medias
                .iter()
                .map(|media| section(media, level))
                .collect(),
        })
    }
}

/// The attributes of one level.
#[derive(Clone, Copy)]
struct Level<'a>(&'a [Attribute]);

impl<'a> Level<'a> {
    fn has(self, name: &str) -> bool {
        self.0.iter().any(|attribute| attribute.attribute == name)
    }

    fn value(self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    fn values(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |attribute| attribute.attribute == name)
            .filter_map(|attribute| attribute.value.as_deref())
    }
}

fn bundle(session: Level<'_>) -> Vec<String> {
    session
        .values("group")
        .filter_map(|group| group.trim().strip_prefix("BUNDLE"))
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

fn section(media: &Media, session: Level<'_>) -> Section {
    let own = Level(&media.attributes);
    let either = |name| own.value(name).or_else(|| session.value(name));
    Section {
        media: media.media.clone(),
        protocol: media.proto.clone(),
        fmt: media.fmt.clone(),
        rejected: media.port == 0 && !own.has("bundle-only"),
        mid: own.value("mid").map(|mid| mid.trim().to_owned()),
        direction: direction(own)
            .or_else(|| direction(session))
            .unwrap_or_default(),
        setup: either("setup").and_then(Setup::from_name),
        ice: Credentials::read(either("ice-ufrag"), either("ice-pwd")),
        fingerprint: own
            .values("fingerprint")
            .chain(session.values("fingerprint"))
            .find_map(read_fingerprint),
        formats: formats(media, own),
        extensions: own
            .values("extmap")
            .chain(session.values("extmap"))
            .filter_map(extension)
            .collect(),
        sources: sources(own),
        msid: own.value("msid").map(str::to_owned),
        cname: own.values("ssrc").find_map(|line| {
            let (_, attribute) = line.split_once(' ')?;
            Some(attribute.strip_prefix("cname:")?.to_owned())
        }),
        candidates: own
            .values("candidate")
            .map(|value| format!("candidate:{value}"))
            .collect(),
        end_of_candidates: own.has("end-of-candidates"),
    }
}

fn direction(level: Level<'_>) -> Option<Direction> {
    level
        .0
        .iter()
        .find_map(|attribute| match attribute.attribute.as_str() {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        })
}

fn formats(media: &Media, own: Level<'_>) -> Vec<Format> {
    media
        .fmt
        .split_whitespace()
        .filter_map(|fmt| fmt.parse::<u8>().ok().filter(|pt| *pt < 128))
        .filter_map(|pt| {
            let fmtp = with_pt(own, "fmtp", pt).map(str::to_owned);
            let mapped = with_pt(own, "rtpmap", pt).and_then(|map| rtpmap(pt, map));
            let fixed = || {
                STATIC
                    .iter()
                    .find(|(known, _)| *known == pt)
                    .map(|(pt, name)| Format {
                        pt: *pt,
                        name: (*name).to_owned(),
                        clock_hz: 8_000,
                        channels: None,
                        fmtp: None,
                    })
            };
            let format = mapped.or_else(fixed)?;
            Some(Format { fmtp, ..format })
        })
        .collect()
}

/// The value of the attribute that begins with this payload type.
fn with_pt<'a>(level: Level<'a>, name: &str, pt: u8) -> Option<&'a str> {
    level.values(name).find_map(|value| {
        let (number, rest) = value.trim().split_once(' ')?;
        (number.parse() == Ok(pt)).then_some(rest.trim())
    })
}

fn rtpmap(pt: u8, map: &str) -> Option<Format> {
    let mut parts = map.split('/');
    let name = parts.next()?.to_owned();
    let clock_hz = parts.next()?.trim().parse().ok()?;
    let channels = parts
        .next()
        .and_then(|channels| channels.trim().parse().ok());
    Some(Format {
        pt,
        name,
        clock_hz,
        channels: channels.filter(|channels| *channels != 1),
        fmtp: None,
    })
}

fn extension(value: &str) -> Option<(u8, String)> {
    let mut words = value.split_whitespace();
    // A direction may follow the number.
    let number = words.next()?.split('/').next()?.parse().ok()?;
    Some((number, words.next()?.to_owned()))
}

fn sources(own: Level<'_>) -> Vec<u32> {
    let mut sources = Vec::new();
    for line in own.values("ssrc") {
        if let Some(source) = line.split_whitespace().next().and_then(|s| s.parse().ok())
            && !sources.contains(&source)
            && sources.len() < SOURCES_MAX
        {
            sources.push(source);
        }
    }
    sources
}
