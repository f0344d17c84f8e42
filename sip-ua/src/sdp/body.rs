// SPDX-License-Identifier: MPL-2.0
//! Finding the description in a message's body.

use super::SdpError;

/// The session description in a body of this Content-Type; `None` where the body is empty.
///
/// A carrier that speaks SIP-I wraps SDP and ISUP in `multipart/mixed` (RFC 5621): the part of type
/// `application/sdp` is found there. A missing Content-Type is taken for SDP if the body starts
/// like one. Anything else is [`SdpError::NotSdp`], 415.
pub fn description_in<'a>(
    content_type: Option<&[u8]>,
    body: &'a [u8],
) -> Result<Option<&'a [u8]>, SdpError> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let Some(content_type) = content_type else {
        return if body.trim_ascii_start().starts_with(b"v=") {
            Ok(Some(body))
        } else {
            Err(SdpError::NotSdp("without a Content-Type".to_owned()))
        };
    };
    let content_type = String::from_utf8_lossy(content_type);
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    let media_type = media_type.trim().to_ascii_lowercase();
    if media_type == "application/sdp" {
        return Ok(Some(body));
    }
    if media_type.starts_with("multipart/") {
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"');
            (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then_some(value)
        });
        let part = boundary.and_then(|boundary| sdp_part(body, boundary.as_bytes()));
        return part.map(Some).ok_or_else(|| {
            SdpError::NotSdp(format!("{media_type} without an application/sdp part"))
        });
    }
    Err(SdpError::NotSdp(media_type))
}

fn sdp_part<'a>(body: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    let delimiter = [b"--".as_slice(), boundary].concat();
    let mut rest = &body[find(body, &delimiter)? + delimiter.len()..];
    loop {
        let end = find(rest, &delimiter)?;
        let part = &rest[..end];
        // RFC 2046 section 5.1.1: a part without headers starts with an empty line.
        let (head, content) = match (find(part, b"\r\n\r\n"), find(part, b"\n\n")) {
            (Some(at), _) => (&part[..at], &part[at + 4..]),
            (None, Some(at)) => (&part[..at], &part[at + 2..]),
            (None, None) => (part, &part[part.len()..]),
        };
        let is_sdp = head.split(|byte| *byte == b'\n').any(|line| {
            let line = String::from_utf8_lossy(line).trim().to_ascii_lowercase();
            line.strip_prefix("content-type:")
                .is_some_and(|value| value.trim().starts_with("application/sdp"))
        });
        if is_sdp {
            return Some(content);
        }
        rest = &rest[end + delimiter.len()..];
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &[u8] = b"v=0\r\n";

    #[test]
    fn plain_descriptions_and_empty_bodies() {
        for content_type in [
            Some(b"application/sdp".as_slice()),
            Some(b"Application/SDP; charset=utf-8"),
            None,
        ] {
            assert_eq!(description_in(content_type, SDP), Ok(Some(SDP)));
            assert_eq!(description_in(content_type, b""), Ok(None));
            assert_eq!(description_in(content_type, b"\r\n"), Ok(None));
        }
    }

    #[test]
    fn the_sdp_part_of_sip_i() {
        let body = b"preamble\r\n--uniq\r\nContent-Type: application/ISUP;version=itu-t92+\r\n\r\n\x01\x00\xff\r\n--uniq\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\nv=0\r\n\r\n--uniq--\r\n";
        let found = description_in(Some(b"multipart/mixed; boundary=\"uniq\""), body);
        assert_eq!(found, Ok(Some(b"v=0\r\n\r\n".as_slice())));
    }

    #[test]
    fn other_types_are_415() {
        for (content_type, body) in [
            (Some(b"text/plain".as_slice()), b"hello".as_slice()),
            (Some(b"multipart/mixed"), b"--x\r\n"),
            (
                Some(b"multipart/mixed;boundary=x"),
                b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--",
            ),
            (Some(b"multipart/mixed;boundary=x"), b"--x"),
            (Some(b"\xff\xfe"), b"hello"),
            (None, b"hello"),
        ] {
            let error = description_in(content_type, body).unwrap_err();
            assert_eq!(error.sip_code(), 415, "{error}");
        }
    }
}
