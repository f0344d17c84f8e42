// SPDX-License-Identifier: MPL-2.0
use super::header_name::HeaderName;
use super::headers::Headers;
use super::message::{Response, copy_identity, leaves_room_to_answer};
use super::method::Method;

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    #[error("there is nothing but line ends in it (a keep-alive)")]
    Empty,
    #[error("it ends before the empty line that closes the headers")]
    Truncated,
    #[error("the start line is malformed: {0}")]
    StartLine(&'static str),
    #[error("the Request-URI is malformed: {0}")]
    RequestUri(&'static str),
    #[error("the version is {0}, not SIP/2.0")]
    Version(String),
    #[error("the status code {0} is outside 100 to 699")]
    Status(String),
    #[error("header line {line} is malformed: {why}")]
    HeaderLine { line: usize, why: &'static str },
    #[error("it has more than {0} header fields")]
    TooManyFields(usize),
    #[error("a header field is longer than {0} octets")]
    FieldTooLong(usize),
    #[error("its headers are longer than {0} octets")]
    HeadTooLong(usize),
    #[error("the {0} header is missing")]
    Missing(HeaderName),
    #[error("the {0} header stands there more than once")]
    Repeated(HeaderName),
    #[error("the {name} header is malformed: {why}")]
    Header { name: HeaderName, why: &'static str },
    #[error("Content-Length says {length}, but {present} octets follow the headers")]
    BodyTooShort { length: u64, present: usize },
    #[error("its body is longer than {0} octets")]
    BodyTooLong(usize),
    #[error("it names more than {0} proxies")]
    TooManyHops(usize),
    #[error("CSeq names {cseq}, but the request is {method}")]
    MethodMismatch { cseq: Method, method: Method },
}

impl ReadErrorKind {
    /// The status a request with this fault is answered with.
    pub fn status(&self) -> u16 {
        match self {
            ReadErrorKind::Version(_) => 505,
            ReadErrorKind::TooManyFields(_)
            | ReadErrorKind::TooManyHops(_)
            | ReadErrorKind::FieldTooLong(_)
            | ReadErrorKind::HeadTooLong(_)
            | ReadErrorKind::BodyTooLong(_) => 513,
            _ => 400,
        }
    }

    /// What the reason phrase of that answer says. It quotes nothing of the request.
    fn reason(&self) -> String {
        match self {
            ReadErrorKind::Missing(name) => format!("Missing {name} Header"),
            ReadErrorKind::Repeated(name) => format!("Repeated {name} Header"),
            ReadErrorKind::Header { name, .. } => format!("Malformed {name} Header"),
            ReadErrorKind::StartLine(_) => "Malformed Start Line".into(),
            ReadErrorKind::RequestUri(_) => "Malformed Request-URI".into(),
            ReadErrorKind::HeaderLine { .. } => "Malformed Header".into(),
            ReadErrorKind::Truncated | ReadErrorKind::BodyTooShort { .. } => {
                "Message Truncated".into()
            }
            ReadErrorKind::MethodMismatch { .. } => "CSeq Method Mismatch".into(),
            _ => super::reason_phrase(self.status()).into(),
        }
    }
}

/// A message that was not taken, and the answer its sender is owed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not a SIP message that can be used: {kind}")]
pub struct ReadError {
    pub kind: ReadErrorKind,
    /// The response to send to where the message came from, complete but for `received`, `rport`
    /// and a To tag. `None` for a response, an ACK, what has no Via or CSeq to answer by, and what has
    /// so much of it that the answer could not be read.
    pub reply: Option<Box<Response>>,
}

impl ReadError {
    pub(super) fn silent(kind: ReadErrorKind) -> ReadError {
        ReadError { kind, reply: None }
    }

    /// The error of a request of which `headers` could be read.
    pub(super) fn of_request(kind: ReadErrorKind, method: &[u8], headers: &Headers) -> ReadError {
        let answerable = method != Method::Ack.as_bytes()
            && headers.contains(HeaderName::Via)
            && headers.contains(HeaderName::CSeq)
            && leaves_room_to_answer(headers);
        let reply = answerable.then(|| {
            let mut response = Response::new(kind.status());
            response.reason = kind.reason().into_bytes();
            copy_identity(&mut response.headers, headers);
            Box::new(response)
        });
        ReadError { kind, reply }
    }
}
