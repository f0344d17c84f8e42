// SPDX-License-Identifier: MPL-2.0
use super::header_name::HeaderName;
use super::headers::Headers;
use super::method::Method;
use super::read::{MAX_FIELD_OCTETS, MAX_HEAD_OCTETS};
use super::status::reason_phrase;
use super::uri::Uri;
use super::validate::MAX_HOPS;

#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Request(Request),
    Response(Response),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    pub status: u16,
    /// Text for people, in whatever encoding it came.
    pub reason: Vec<u8>,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Message {
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Message::Request(request) => &mut request.headers,
            Message::Response(response) => &mut response.headers,
        }
    }

    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    pub fn new(method: Method, uri: Uri) -> Request {
        Request {
            method,
            uri,
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// A response to this request with what RFC 3261 §8.2.6.2 has copied from it: Via, From, To,
    /// Call-ID and CSeq. The To tag and the rest are the caller's to add.
    pub fn response(&self, status: u16) -> Response {
        let mut response = Response::new(status);
        copy_identity(&mut response.headers, &self.headers);
        response
    }
}

/// More than an answer adds to any field, and than its own start line and fields are.
const ANSWER_ADDS: usize = 512;

/// What a response has of its request.
const IDENTITY: [HeaderName; 5] = [
    HeaderName::Via,
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
];

pub(super) fn copy_identity(into: &mut Headers, from: &Headers) {
    for name in IDENTITY {
        into.copy(name, from);
    }
}

/// Whether a response that has these of its request, a tag and `received`, can be read.
pub(super) fn leaves_room_to_answer(request: &Headers) -> bool {
    let mut fields = 0;
    let mut octets = 0;
    for name in IDENTITY {
        for value in request.get_all(name.clone()) {
            let field = name.as_bytes().len() + value.len();
            if field + ANSWER_ADDS > MAX_FIELD_OCTETS {
                return false;
            }
            fields += 1;
            // The colon, a blank and the line end.
            octets += field + 4;
        }
    }
    fields <= MAX_HOPS && octets + 2 * ANSWER_ADDS <= MAX_HEAD_OCTETS
}

impl Response {
    /// A response with the reason phrase of its status.
    pub fn new(status: u16) -> Response {
        let reason = reason_phrase(status).as_bytes().to_vec();
        Response {
            status,
            reason,
            // As many as most responses have.
            headers: Headers::with_capacity(12),
            body: Vec::new(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}
