// SPDX-License-Identifier: MPL-2.0
use std::io::Write as _;

use super::header_name::HeaderName;
use super::headers::Headers;
use super::message::{Request, Response};
use super::scan;

impl Request {
    /// The request as it goes out. Content-Length is that of the body, whatever the headers say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let uri = self.uri.to_bytes();
        let begins = self.method.as_bytes().len() + uri.len();
        let mut out = room(begins, &self.headers, &self.body);
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        push_line_safe(&mut out, &uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        out
    }
}

impl Response {
    /// The response as it goes out. Content-Length is that of the body, whatever the headers say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = room(self.reason.len(), &self.headers, &self.body);
        // To memory it cannot fail, here and below.
        let _ = write!(out, "SIP/2.0 {:03} ", self.status);
        push_line_safe(&mut out, &self.reason);
        out.extend_from_slice(b"\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        out
    }
}

/// For a message whose start line has so many octets beside what all have: messages are kept for half a
/// minute, and room that is too large with them.
fn room(begins: usize, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let fields = headers.iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_bytes().len() + value.len() + 4)
        .sum();
    Vec::with_capacity(begins + fields + body.len() + 48)
}

/// A start line is one line, whatever stands in its parts.
fn push_line_safe(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(
        text.iter()
            .map(|o| if scan::breaks_line(*o) { b' ' } else { *o }),
    );
}

fn write_rest(out: &mut Vec<u8>, headers: &Headers, body: &[u8]) {
    for (name, value) in headers.iter() {
        // A name that is no token can only have been made by hand; it would not be read back.
        if *name == HeaderName::ContentLength || !scan::is_token(name.as_bytes()) {
            continue;
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
    out.extend_from_slice(body);
}
