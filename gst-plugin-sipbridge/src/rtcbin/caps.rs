// SPDX-License-Identifier: MPL-2.0
//! Between `application/x-rtp` caps and the formats of a description.

use crate::rtc::HeaderExtension;
use crate::rtc::description::Format;

/// Fields of RTP caps that are no `a=fmtp` parameters.
const NO_PARAMETERS: [&str; 12] = [
    "media",
    "payload",
    "clock-rate",
    "encoding-name",
    "encoding-params",
    "ssrc",
    "timestamp-offset",
    "seqnum-offset",
    "seqnum-base",
    "clock-base",
    "npt-start",
    "a-framerate",
];

/// Prefixes of such fields.
const NO_PARAMETER_PREFIXES: [&str; 5] = ["rtcp-fb-", "extmap-", "a-", "x-", "ssrc-"];

/// What somebody offers to receive who does not say what.
pub(super) fn usual() -> Vec<Format> {
    let plain = |pt: u8, name: &str, clock_hz: u32| Format {
        pt,
        name: name.to_owned(),
        clock_hz,
        channels: None,
        fmtp: None,
    };
    vec![
        Format {
            channels: Some(2),
            fmtp: Some("minptime=10;useinbandfec=1".to_owned()),
            ..plain(111, "OPUS", 48_000)
        },
        plain(9, "G722", 8_000),
        plain(0, "PCMU", 8_000),
        plain(8, "PCMA", 8_000),
    ]
}

/// The formats that caps name, in their order.
pub(super) fn formats(caps: &gst::CapsRef) -> Vec<Format> {
    caps.iter().filter_map(format).collect()
}

fn format(structure: &gst::StructureRef) -> Option<Format> {
    let name: String = structure.get("encoding-name").ok()?;
    if structure
        .get::<&str>("media")
        .is_ok_and(|media| media != "audio")
    {
        return None;
    }
    let is_opus = name.eq_ignore_ascii_case("OPUS");
    let clock_hz = structure
        .get::<i32>("clock-rate")
        .ok()
        .and_then(|rate| u32::try_from(rate).ok())
        .unwrap_or(if is_opus { 48_000 } else { 8_000 });
    let pt = structure
        .get::<i32>("payload")
        .ok()
        .and_then(|pt| u8::try_from(pt).ok())
        .filter(|pt| *pt < 128)
        .or_else(|| usual().iter().find(|f| f.name == name).map(|f| f.pt))
        .unwrap_or(96);
    let channels = structure
        .get::<&str>("encoding-params")
        .ok()
        .and_then(|channels| channels.parse::<u8>().ok());
    let mut parameters: Vec<String> = structure
        .iter()
        .filter(|(field, _)| {
            let field = field.as_str();
            !NO_PARAMETERS.contains(&field)
                && !NO_PARAMETER_PREFIXES
                    .iter()
                    .any(|prefix| field.starts_with(prefix))
        })
        .filter_map(|(field, value)| {
            let value = value.get::<&str>().ok()?;
            Some(format!("{field}={value}"))
        })
        .collect();
    if is_opus {
        // What we want of who sends to us (RFC 7587 section 7.1).
        for wanted in ["minptime=10", "useinbandfec=1"] {
            let name = wanted.split('=').next().unwrap_or_default();
            if !parameters.iter().any(|p| p.starts_with(name)) {
                parameters.push(wanted.to_owned());
            }
        }
    }
    Some(Format {
        pt,
        clock_hz,
        // Always, whatever it carries (RFC 7587 section 7).
        channels: if is_opus {
            Some(2)
        } else {
            channels.filter(|n| *n != 1)
        },
        fmtp: (!parameters.is_empty()).then(|| parameters.join(";")),
        name,
    })
}

/// The caps of packets in this format, and where in their headers a level stands: depayloaders and mixers
/// look for it there.
pub(super) fn caps_of(format: &Format, extensions: &[(u8, HeaderExtension)]) -> gst::Caps {
    let mut builder = gst::Caps::builder("application/x-rtp")
        .field("media", "audio")
        .field("payload", i32::from(format.pt))
        .field(
            "clock-rate",
            i32::try_from(format.clock_hz).unwrap_or(8_000),
        )
        .field("encoding-name", format.name.to_ascii_uppercase());
    if let Some(channels) = format.channels {
        builder = builder.field("encoding-params", channels.to_string());
    }
    for (number, extension) in extensions {
        if *extension == HeaderExtension::AudioLevel {
            builder = builder.field(format!("extmap-{number}"), extension.uri());
        }
    }
    for parameter in format.fmtp.iter().flat_map(|fmtp| fmtp.split(';')) {
        if let Some((name, value)) = parameter.trim().split_once('=') {
            let name = name.to_ascii_lowercase();
            if is_field(&name) {
                builder = builder.field(name, value.trim());
            }
        }
    }
    builder.build()
}

/// What the far end writes must not become a field that means something else.
fn is_field(name: &str) -> bool {
    !NO_PARAMETERS.contains(&name)
        && !name.starts_with("extmap-")
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        text.parse().unwrap()
    }

    #[test]
    fn a_payloaders_caps_become_a_format_and_back() {
        let caps = caps(
            "application/x-rtp, media=(string)audio, clock-rate=(int)48000, payload=(int)96, \
             encoding-name=(string)OPUS, sprop-stereo=(string)0, ssrc=(uint)77, \
             timestamp-offset=(uint)1, seqnum-offset=(uint)2, rtcp-fb-nack=(boolean)true",
        );
        let formats = formats(&caps);
        assert_eq!(formats.len(), 1);
        assert_eq!(formats[0].pt, 96);
        assert_eq!(formats[0].channels, Some(2));
        assert_eq!(
            formats[0].fmtp.as_deref(),
            Some("sprop-stereo=0;minptime=10;useinbandfec=1")
        );
        let back = caps_of(&formats[0], &[]);
        let structure = back.structure(0).unwrap();
        assert_eq!(structure.get::<&str>("encoding-params"), Ok("2"));
        assert_eq!(structure.get::<&str>("useinbandfec"), Ok("1"));
    }

    #[test]
    fn several_structures_are_several_formats() {
        let caps = caps(
            "application/x-rtp, encoding-name=G722; application/x-rtp, encoding-name=PCMU, payload=0; \
             application/x-rtp, media=video, encoding-name=VP8, payload=97",
        );
        let pts: Vec<u8> = formats(&caps).iter().map(|format| format.pt).collect();
        assert_eq!(pts, [9, 0]);
    }

    #[test]
    fn parameters_of_the_far_end_cannot_pose_as_fields() {
        gst::init().unwrap();
        let format = Format {
            fmtp: Some("payload=5; Media=video; 0a=1; a b=2; Extmap-2=urn:x; stereo=1".to_owned()),
            ..usual().remove(0)
        };
        let caps = caps_of(&format, &[]);
        let structure = caps.structure(0).unwrap();
        assert_eq!(structure.get::<i32>("payload"), Ok(111));
        assert_eq!(structure.get::<&str>("media"), Ok("audio"));
        assert_eq!(structure.get::<&str>("stereo"), Ok("1"));
        assert!(!structure.has_field("a b") && !structure.has_field("0a"));
        assert!(!structure.has_field("extmap-2"));
    }

    #[test]
    fn they_say_where_a_level_stands() {
        gst::init().unwrap();
        let extensions = [(4, HeaderExtension::Mid), (9, HeaderExtension::AudioLevel)];
        let caps = caps_of(&usual()[0], &extensions);
        let structure = caps.structure(0).unwrap();
        assert_eq!(
            structure.get::<&str>("extmap-9"),
            Ok("urn:ietf:params:rtp-hdrext:ssrc-audio-level")
        );
        assert!(!structure.has_field("extmap-4"));
        assert_eq!(formats(&caps)[0].fmtp, usual()[0].fmtp);
    }
}
