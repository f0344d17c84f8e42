// SPDX-License-Identifier: MPL-2.0
use super::header_name::HeaderName;
use super::headers::Headers;
use super::message::{Request, Response};
use super::scan;

impl Request {
    /// The request as it goes out. Content-Length is that of the body, whatever the headers say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        push_line_safe(&mut out, &self.uri.to_bytes());
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        out
    }
}

impl Response {
    /// The response as it goes out. Content-Length is that of the body, whatever the headers say.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        out.extend_from_slice(format!("SIP/2.0 {:03} ", self.status).as_bytes());
        push_line_safe(&mut out, &self.reason);
        out.extend_from_slice(b"\r\n");
        write_rest(&mut out, &self.headers, &self.body);
        out
    }
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
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
}
