// SPDX-License-Identifier: MPL-2.0
use bytes::Bytes;

use super::error::{ReadError, ReadErrorKind};
use super::header_name::HeaderName;
use super::headers::{HeaderValue, Headers};
use super::message::{Message, Request, Response};
use super::method::Method;
use super::scan;
use super::uri::Uri;

/// More header fields than this are refused, Content-Length apart, which writing adds. Trunks send 15 to 40.
pub const MAX_FIELDS: usize = 256;
/// A longer header field is refused.
pub const MAX_FIELD_OCTETS: usize = 8 * 1024;
/// A longer start line and headers together are refused.
pub const MAX_HEAD_OCTETS: usize = 32 * 1024;

/// A longer body is refused. No datagram can hold one.
pub const MAX_BODY_OCTETS: usize = 64 * 1024;

/// Reads a message that a stream was taken apart into, where Content-Length says whether there is a
/// body (RFC 3261 §18.3).
pub fn read_framed(message: &[u8]) -> Result<Message, ReadError> {
    read_framed_shared(&Bytes::copy_from_slice(message))
}

/// [`read_framed`], sharing the octets of the message.
pub(crate) fn read_framed_shared(message: &Bytes) -> Result<Message, ReadError> {
    let read = read_datagram_shared(message)?;
    let headers = read.headers();
    if headers.contains(HeaderName::ContentType) && !headers.contains(HeaderName::ContentLength) {
        let kind = ReadErrorKind::Missing(HeaderName::ContentLength);
        return Err(match &read {
            Message::Request(request) => {
                ReadError::of_request(kind, request.method.as_bytes(), headers)
            }
            Message::Response(_) => ReadError::silent(kind),
        });
    }
    Ok(read)
}

/// Reads the one message in a datagram.
///
/// Without Content-Length the body is what is left of the datagram; octets behind the body
/// Content-Length tells are cut off (RFC 3261 §18.3).
pub fn read_datagram(datagram: &[u8]) -> Result<Message, ReadError> {
    read_datagram_shared(&Bytes::copy_from_slice(datagram))
}

/// [`read_datagram`], sharing the octets of the datagram.
pub(crate) fn read_datagram_shared(datagram: &Bytes) -> Result<Message, ReadError> {
    // Line ends before the start line are to be ignored (§7.5).
    let start = datagram.iter().position(|o| !matches!(o, b'\r' | b'\n'));
    let Some(start) = start else {
        return Err(ReadError::silent(ReadErrorKind::Empty));
    };
    let mut head = Head::read(datagram, &datagram[start..]);
    let is_response = head
        .start_line
        .get(..4)
        .is_some_and(|s| s.eq_ignore_ascii_case(b"SIP/"));
    if is_response {
        return read_response(head)
            .map(Message::Response)
            .map_err(ReadError::silent);
    }
    match read_request_line(head.start_line) {
        Ok((method, uri)) => match body(&mut head) {
            Ok(body) => Ok(Message::Request(Request {
                method,
                uri,
                headers: head.headers,
                body,
            })),
            Err(kind) => Err(ReadError::of_request(
                kind,
                method.as_bytes(),
                &head.headers,
            )),
        },
        Err(kind) => {
            let method = head
                .start_line
                .split(|o| *o == b' ')
                .next()
                .unwrap_or_default();
            Err(ReadError::of_request(kind, method, &head.headers))
        }
    }
}

/// A message taken apart into lines. The first fault is kept, and reading goes on where it can, so
/// that a refused request is still known by its Via and CSeq.
struct Head<'a> {
    start_line: &'a [u8],
    headers: Headers,
    /// What follows the empty line.
    rest: &'a [u8],
    fault: Option<ReadErrorKind>,
    has_length: bool,
}

/// The line that begins at `at`, without its end, and where the next begins. A lone LF ends a
/// line too: there are devices that send nothing else.
fn line(text: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = text.get(at..)?;
    let end = memchr::memchr(b'\n', rest)?;
    let line = &rest[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), at + end + 1))
}

impl<'a> Head<'a> {
    /// `text` is a part of `message`.
    fn read(message: &Bytes, text: &'a [u8]) -> Head<'a> {
        let mut head = Head {
            start_line: text,
            headers: Headers::with_capacity(16),
            rest: &[],
            fault: None,
            has_length: false,
        };
        let Some((start_line, mut at)) = line(text, 0) else {
            head.fault = Some(ReadErrorKind::Truncated);
            return head;
        };
        head.start_line = start_line;
        let mut number = 1;
        loop {
            number += 1;
            let Some((first, next)) = line(text, at) else {
                head.note(ReadErrorKind::Truncated);
                return head;
            };
            if first.is_empty() {
                if at > MAX_HEAD_OCTETS {
                    head.note(ReadErrorKind::HeadTooLong(MAX_HEAD_OCTETS));
                }
                head.rest = &text[next..];
                return head;
            }
            let (from, first_line) = (at, number);
            at = next;
            let mut unfolded = None;
            while matches!(text.get(at), Some(b' ' | b'\t')) {
                let Some((more, next)) = line(text, at) else {
                    break;
                };
                let whole = unfolded.get_or_insert_with(|| first.to_vec());
                if whole.len() <= MAX_FIELD_OCTETS {
                    // A fold is one blank (§7.3.1).
                    whole.push(b' ');
                    whole.extend_from_slice(scan::trim(more));
                }
                at = next;
                number += 1;
            }
            let unfolded = unfolded.map(Bytes::from);
            let (field, holds) = match &unfolded {
                Some(whole) => (whole.as_ref(), whole),
                None => (first, message),
            };
            if at - from > MAX_FIELD_OCTETS {
                head.note(ReadErrorKind::FieldTooLong(MAX_FIELD_OCTETS));
            } else if let Err(why) = head.field(field, holds) {
                head.note(ReadErrorKind::HeaderLine {
                    line: first_line,
                    why,
                });
            } else if head.headers.len() > MAX_FIELDS + usize::from(head.has_length) {
                head.note(ReadErrorKind::TooManyFields(MAX_FIELDS));
                return head;
            }
        }
    }

    fn note(&mut self, fault: ReadErrorKind) {
        self.fault.get_or_insert(fault);
    }

    fn field(&mut self, text: &[u8], holds: &Bytes) -> Result<(), &'static str> {
        let (name, value) = scan::split_once(text, b':').ok_or("it has no colon")?;
        // Only behind the name may blanks stand; in front they would have made it a fold.
        let name = HeaderName::parse(scan::trim(name)).ok_or("its name is malformed")?;
        if value.contains(&b'\r') {
            return Err("a carriage return stands alone in it");
        }
        self.has_length |= name == HeaderName::ContentLength;
        self.headers
            .push_read(name, HeaderValue::read(holds, scan::trim(value)));
        Ok(())
    }
}

fn read_request_line(line: &[u8]) -> Result<(Method, Uri), ReadErrorKind> {
    let shape = ReadErrorKind::StartLine("it is not METHOD URI SIP/2.0 with single blanks");
    let mut parts = line.split(|o| *o == b' ');
    let (Some(method), Some(uri), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(shape);
    };
    check_version(version)?;
    let method =
        Method::parse(method).ok_or(ReadErrorKind::StartLine("its method is malformed"))?;
    let uri = Uri::read(uri).map_err(ReadErrorKind::RequestUri)?;
    if uri.headers.is_some() {
        // §19.1.1: not allowed there. Acting on them would let a stranger add headers.
        return Err(ReadErrorKind::RequestUri("it carries header fields"));
    }
    Ok((method, uri))
}

fn check_version(version: &[u8]) -> Result<(), ReadErrorKind> {
    if version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    let number = version
        .get(..4)
        .filter(|name| name.eq_ignore_ascii_case(b"SIP/"));
    match number.map(|_| &version[4..]) {
        Some(number)
            if number.contains(&b'.')
                && number.iter().all(|o| o.is_ascii_digit() || *o == b'.') =>
        {
            Err(ReadErrorKind::Version(
                String::from_utf8_lossy(version).into_owned(),
            ))
        }
        _ => Err(ReadErrorKind::StartLine("it does not end in SIP/2.0")),
    }
}

fn read_response(mut head: Head<'_>) -> Result<Response, ReadErrorKind> {
    let (version, rest) = scan::split_once(head.start_line, b' ')
        .ok_or(ReadErrorKind::StartLine("it has no status code"))?;
    check_version(version)?;
    // The blank in front of an empty reason phrase is often forgotten.
    let (code, reason) = scan::split_once(rest, b' ').unwrap_or((rest, b""));
    let status = scan::number(code, 699)
        .filter(|status| *status >= 100 && code.len() == 3)
        .ok_or_else(|| ReadErrorKind::Status(String::from_utf8_lossy(code).into_owned()))?;
    if reason.iter().any(|o| scan::breaks_line(*o)) {
        return Err(ReadErrorKind::StartLine(
            "a lone carriage return or a NUL stands in its reason phrase",
        ));
    }
    let reason = reason.to_vec();
    let body = body(&mut head)?;
    Ok(Response {
        status: status as u16,
        reason,
        headers: head.headers,
        body,
    })
}

/// The body, once the head has proved sound.
fn body(head: &mut Head<'_>) -> Result<Vec<u8>, ReadErrorKind> {
    if let Some(fault) = head.fault.take() {
        return Err(fault);
    }
    let mut lengths = head.headers.get_all(HeaderName::ContentLength);
    let Some(length) = lengths.next() else {
        // What a WebSocket brings may be longer than any datagram.
        return match head.rest.len() {
            ..=MAX_BODY_OCTETS => Ok(head.rest.to_vec()),
            _ => Err(ReadErrorKind::BodyTooLong(MAX_BODY_OCTETS)),
        };
    };
    if lengths.next().is_some() {
        return Err(ReadErrorKind::Repeated(HeaderName::ContentLength));
    }
    let length = scan::number(length, u64::from(u32::MAX)).ok_or(ReadErrorKind::Header {
        name: HeaderName::ContentLength,
        why: "it is not a number",
    })?;
    if length > MAX_BODY_OCTETS as u64 {
        return Err(ReadErrorKind::BodyTooLong(MAX_BODY_OCTETS));
    }
    match head.rest.get(..length as usize) {
        Some(body) => Ok(body.to_vec()),
        None => Err(ReadErrorKind::BodyTooShort {
            length,
            present: head.rest.len(),
        }),
    }
}
