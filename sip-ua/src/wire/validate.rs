// SPDX-License-Identifier: MPL-2.0
use super::address::NameAddr;
use super::cseq::CSeq;
use super::error::{ReadError, ReadErrorKind};
use super::header_name::HeaderName;
use super::headers::Headers;
use super::message::Message;
use super::scan;
use super::via::Via;

/// What Contact says.
#[derive(Clone, Debug, PartialEq)]
pub enum Contacts {
    /// The addresses, none if there is no Contact.
    List(Vec<NameAddr>),
    /// `Contact: *` of a REGISTER.
    All,
}

impl Contacts {
    /// The first address: in a dialog there is only one.
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Contacts::List(list) => list.first(),
            Contacts::All => None,
        }
    }
}

/// The headers that make a message part of a transaction and a dialog, typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Core {
    /// Topmost first; at least one.
    pub via: Vec<Via>,
    pub from: NameAddr,
    pub to: NameAddr,
    pub call_id: Vec<u8>,
    pub cseq: CSeq,
    /// RFC 2543 elements send none.
    pub max_forwards: Option<u8>,
    pub contacts: Contacts,
    pub record_route: Vec<NameAddr>,
    pub route: Vec<NameAddr>,
    pub expires: Option<u32>,
}

/// Headers of which a second field makes the message ambiguous (RFC 3261 §7.3.1).
const SINGLE: [HeaderName; 13] = [
    HeaderName::From,
    HeaderName::To,
    HeaderName::CallId,
    HeaderName::CSeq,
    HeaderName::MaxForwards,
    HeaderName::ContentType,
    HeaderName::Expires,
    HeaderName::Event,
    HeaderName::RAck,
    HeaderName::RSeq,
    HeaderName::ReferTo,
    HeaderName::Replaces,
    HeaderName::SessionExpires,
];

/// Types the headers every message needs and judges the message as RFC 3261 and the torture tests
/// of RFC 4475 do. What it lets pass may still be refused higher up for what it asks: an unknown
/// method, scheme, extension or body.
pub fn validate(message: &Message) -> Result<Core, ReadError> {
    match message {
        Message::Request(request) => check(&request.headers)
            .and_then(|core| {
                if core.cseq.method != request.method {
                    let (cseq, method) = (core.cseq.method, request.method.clone());
                    return Err(ReadErrorKind::MethodMismatch { cseq, method });
                }
                Ok(core)
            })
            .map_err(|kind| {
                ReadError::of_request(kind, request.method.as_bytes(), &request.headers)
            }),
        Message::Response(response) => check(&response.headers).map_err(ReadError::silent),
    }
}

fn malformed(name: HeaderName) -> impl FnOnce(&'static str) -> ReadErrorKind {
    move |why| ReadErrorKind::Header { name, why }
}

fn check(headers: &Headers) -> Result<Core, ReadErrorKind> {
    if let Some(name) = repeated(headers) {
        return Err(ReadErrorKind::Repeated(name));
    }
    let mut via = Vec::with_capacity(2);
    for element in headers.list(HeaderName::Via) {
        via.push(Via::parse(element).map_err(malformed(HeaderName::Via))?);
    }
    if via.is_empty() {
        return Err(ReadErrorKind::Missing(HeaderName::Via));
    }
    check_date(headers)?;
    Ok(Core {
        via,
        from: address(headers, HeaderName::From)?,
        to: address(headers, HeaderName::To)?,
        call_id: call_id(headers)?,
        cseq: CSeq::parse(mandatory(headers, HeaderName::CSeq)?)
            .map_err(malformed(HeaderName::CSeq))?,
        max_forwards: scalar(headers, HeaderName::MaxForwards, u8::MAX.into())?.map(|n| n as u8),
        contacts: contacts(headers)?,
        record_route: addresses(headers, HeaderName::RecordRoute)?,
        route: addresses(headers, HeaderName::Route)?,
        expires: scalar(headers, HeaderName::Expires, u32::MAX.into())?.map(|n| n as u32),
    })
}

fn repeated(headers: &Headers) -> Option<HeaderName> {
    let mut seen = [false; SINGLE.len()];
    for (name, _) in headers.iter() {
        if let Some(at) = SINGLE.iter().position(|single| single == name)
            && std::mem::replace(&mut seen[at], true)
        {
            return Some(name.clone());
        }
    }
    None
}

fn mandatory(headers: &Headers, name: HeaderName) -> Result<&[u8], ReadErrorKind> {
    headers
        .get(name.clone())
        .ok_or(ReadErrorKind::Missing(name))
}

fn address(headers: &Headers, name: HeaderName) -> Result<NameAddr, ReadErrorKind> {
    NameAddr::read(mandatory(headers, name.clone())?).map_err(malformed(name))
}

fn addresses(headers: &Headers, name: HeaderName) -> Result<Vec<NameAddr>, ReadErrorKind> {
    headers
        .list(name.clone())
        .map(|element| NameAddr::read(element).map_err(malformed(name.clone())))
        .collect()
}

fn contacts(headers: &Headers) -> Result<Contacts, ReadErrorKind> {
    if headers.get(HeaderName::Contact) == Some(b"*") {
        if headers.count(HeaderName::Contact) > 1 {
            return Err(malformed(HeaderName::Contact)(
                "an address stands beside the *",
            ));
        }
        return Ok(Contacts::All);
    }
    addresses(headers, HeaderName::Contact).map(Contacts::List)
}

fn call_id(headers: &Headers) -> Result<Vec<u8>, ReadErrorKind> {
    let text = mandatory(headers, HeaderName::CallId)?;
    if text.is_empty() || scan::has_blank(text) {
        return Err(malformed(HeaderName::CallId)(
            "it is empty or holds a blank",
        ));
    }
    Ok(text.to_vec())
}

fn scalar(headers: &Headers, name: HeaderName, max: u64) -> Result<Option<u64>, ReadErrorKind> {
    let Some(text) = headers.get(name.clone()) else {
        return Ok(None);
    };
    match scan::number(text, max) {
        Some(number) => Ok(Some(number)),
        None => Err(malformed(name)("it is not a number, or one too large")),
    }
}

/// A Date in a zone other than GMT cannot be trusted to mean what it says (RFC 4475 §3.1.2.12).
fn check_date(headers: &Headers) -> Result<(), ReadErrorKind> {
    match headers.get(HeaderName::Date) {
        Some(date) if !date.ends_with(b"GMT") => {
            Err(malformed(HeaderName::Date)("its time zone is not GMT"))
        }
        _ => Ok(()),
    }
}
