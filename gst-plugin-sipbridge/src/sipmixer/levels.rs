// SPDX-License-Identifier: MPL-2.0
//! What senders tell of how loud they are (RFC 6464): where it stands in RTP, and what it means.

use gst::glib;

use crate::rtc::HeaderExtension;

/// The extension of RTP headers that holds it, by its number, where the caps of the packets name it: as text,
/// or as direction, name and attributes.
pub(super) fn extension_number(caps: &gst::CapsRef) -> Option<u8> {
    caps.structure(0)?.iter().find_map(|(field, value)| {
        let number = field.as_str().strip_prefix("extmap-")?.parse::<u8>().ok()?;
        (number > 0 && names_level(value)).then_some(number)
    })
}

fn names_level(value: &glib::Value) -> bool {
    let is_name = |value: &glib::Value| {
        value
            .get::<&str>()
            .is_ok_and(|name| name == HeaderExtension::AudioLevel.uri())
    };
    is_name(value)
        || value
            .get::<gst::Array>()
            .is_ok_and(|parts| parts.get(1).is_some_and(|name| is_name(name)))
}

/// In dBFS.
pub(super) fn dbfs(level: u8) -> f32 {
    -f32::from(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(fields: &str) -> Option<u8> {
        gst::init().unwrap();
        let caps = format!("application/x-rtp, media=(string)audio, {fields}");
        extension_number(&caps.parse::<gst::Caps>().unwrap())
    }

    #[test]
    fn caps_name_the_extension_in_either_form() {
        let name = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
        assert_eq!(number(&format!("extmap-3=(string)\"{name}\"")), Some(3));
        let parts = format!("extmap-14=(string)< \"\", \"{name}\", \"vad=on\" >");
        assert_eq!(number(&parts), Some(14));
    }

    #[test]
    fn other_extensions_are_none() {
        let name = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
        assert_eq!(number("payload=(int)111"), None);
        let mid = "extmap-3=(string)\"urn:ietf:params:rtp-hdrext:sdes:mid\"";
        assert_eq!(number(mid), None);
        assert_eq!(
            number(&format!("{mid}, extmap-4=(string)\"{name}\"")),
            Some(4)
        );
        for field in ["extmap-0", "extmap-256", "extmap-x", "x-extmap-1"] {
            assert_eq!(
                number(&format!("{field}=(string)\"{name}\"")),
                None,
                "{field}"
            );
        }
    }
}
