// SPDX-License-Identifier: MPL-2.0
use super::address::NameAddr;
use super::cseq::CSeq;
use super::error::{ReadError, ReadErrorKind};
use super::header_name::HeaderName;
use super::headers::Headers;
use super::message::Message;
use super::scan;
use super::via::Via;

/// A message that names more proxies is refused: whatever answers it or follows it names them all, each
/// in a field of its own, and has to be read with no more fields than
/// [`MAX_FIELDS`](super::MAX_FIELDS). Max-Forwards begins at 70.
pub const MAX_HOPS: usize = 200;

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

fn malformed(name: &HeaderName) -> impl FnOnce(&'static str) -> ReadErrorKind {
    move |why| ReadErrorKind::Header {
        name: name.clone(),
        why,
    }
}

/// Headers of which a second field makes the message ambiguous (RFC 3261 §7.3.1), once found.
#[derive(Default)]
struct Single<'a> {
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    call_id: Option<&'a [u8]>,
    cseq: Option<&'a [u8]>,
    max_forwards: Option<&'a [u8]>,
    expires: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    event: Option<&'a [u8]>,
    rack: Option<&'a [u8]>,
    rseq: Option<&'a [u8]>,
    refer_to: Option<&'a [u8]>,
    replaces: Option<&'a [u8]>,
    session_expires: Option<&'a [u8]>,
}

impl<'a> Single<'a> {
    fn slot(&mut self, name: &HeaderName) -> Option<&mut Option<&'a [u8]>> {
        Some(match name {
            HeaderName::From => &mut self.from,
            HeaderName::To => &mut self.to,
            HeaderName::CallId => &mut self.call_id,
            HeaderName::CSeq => &mut self.cseq,
            HeaderName::MaxForwards => &mut self.max_forwards,
            HeaderName::Expires => &mut self.expires,
            HeaderName::ContentType => &mut self.content_type,
            HeaderName::Event => &mut self.event,
            HeaderName::RAck => &mut self.rack,
            HeaderName::RSeq => &mut self.rseq,
            HeaderName::ReferTo => &mut self.refer_to,
            HeaderName::Replaces => &mut self.replaces,
            HeaderName::SessionExpires => &mut self.session_expires,
            _ => return None,
        })
    }
}

/// One pass over the fields: most messages that arrive are sound, and all of them come here.
fn check(headers: &Headers) -> Result<Core, ReadErrorKind> {
    let mut single = Single::default();
    let mut via = Vec::with_capacity(1);
    let mut contacts = Vec::new();
    let mut all_contacts = false;
    let mut record_route = Vec::new();
    let mut route = Vec::new();
    for (name, value) in headers.iter() {
        match name {
            HeaderName::Via => {
                for element in scan::split_list(value) {
                    via.push(Via::parse(element).map_err(malformed(name))?);
                }
            }
            HeaderName::Contact if value == b"*" => all_contacts = true,
            HeaderName::Contact => addresses(name, value, &mut contacts)?,
            HeaderName::RecordRoute => addresses(name, value, &mut record_route)?,
            HeaderName::Route => addresses(name, value, &mut route)?,
            // A time in another zone cannot be trusted to mean what it says (RFC 4475 §3.1.2.12).
            HeaderName::Date if !value.ends_with(b"GMT") => {
                return Err(malformed(name)("its time zone is not GMT"));
            }
            name => {
                if let Some(slot) = single.slot(name)
                    && slot.replace(value).is_some()
                {
                    return Err(ReadErrorKind::Repeated(name.clone()));
                }
            }
        }
    }
    if via.is_empty() {
        return Err(ReadErrorKind::Missing(HeaderName::Via));
    }
    if via.len() + record_route.len() > MAX_HOPS {
        return Err(ReadErrorKind::TooManyHops(MAX_HOPS));
    }
    if all_contacts && !contacts.is_empty() {
        return Err(malformed(&HeaderName::Contact)(
            "an address stands beside the *",
        ));
    }
    let from = mandatory(HeaderName::From, single.from, NameAddr::read)?;
    let to = mandatory(HeaderName::To, single.to, NameAddr::read)?;
    let call_id = mandatory(HeaderName::CallId, single.call_id, read_call_id)?;
    let cseq = mandatory(HeaderName::CSeq, single.cseq, CSeq::parse)?;
    let max_forwards = scalar(HeaderName::MaxForwards, single.max_forwards, u8::MAX.into())?;
    let expires = scalar(HeaderName::Expires, single.expires, u32::MAX.into())?;
    Ok(Core {
        via,
        from,
        to,
        call_id,
        cseq,
        max_forwards: max_forwards.map(|n| n as u8),
        contacts: if all_contacts {
            Contacts::All
        } else {
            Contacts::List(contacts)
        },
        record_route,
        route,
        expires: expires.map(|n| n as u32),
    })
}

fn mandatory<T>(
    name: HeaderName,
    value: Option<&[u8]>,
    read: impl FnOnce(&[u8]) -> Result<T, &'static str>,
) -> Result<T, ReadErrorKind> {
    match value {
        Some(value) => read(value).map_err(malformed(&name)),
        None => Err(ReadErrorKind::Missing(name)),
    }
}

fn addresses(
    name: &HeaderName,
    value: &[u8],
    list: &mut Vec<NameAddr>,
) -> Result<(), ReadErrorKind> {
    for element in scan::split_list(value) {
        if list.is_empty() {
            // Most have one, and room for four is large.
            list.reserve_exact(1);
        }
        list.push(NameAddr::read(element).map_err(malformed(name))?);
    }
    Ok(())
}

fn read_call_id(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    if text.is_empty() || scan::has_blank(text) {
        return Err("it is empty or holds a blank");
    }
    Ok(text.to_vec())
}

fn scalar(name: HeaderName, value: Option<&[u8]>, max: u64) -> Result<Option<u64>, ReadErrorKind> {
    let Some(text) = value else { return Ok(None) };
    match scan::number(text, max) {
        Some(number) => Ok(Some(number)),
        None => Err(malformed(&name)("it is not a number, or one too large")),
    }
}
