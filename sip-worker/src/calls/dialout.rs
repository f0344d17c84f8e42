// SPDX-License-Identifier: MPL-2.0
//! We call a phone: through which trunk or to which user, within which limits, into which room.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use gstsipbridge::call::{Call as Leg, DialParams, NextHop};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sip_ua::digest::Credentials;
use sip_ua::wire::{HeaderName, NameAddr, Uri};

use super::dialin::user_of;
use super::ending::Ending;
use super::identity;
use super::life::{AnswerWhen, Life, Phone, Plan};
use super::limits::Bounds;
use super::table::{CallInfo, Direction};
use crate::config::{Party, Trunk, User};
use crate::headers::CallOut;
use crate::numbers::{self, Numbers};
use crate::problem::Problem;
use crate::route;
use crate::sfu::Participant;
use crate::worker::{Overload, Worker};

/// For how long a phone may ring.
const RING_FOR: Duration = Duration::from_secs(90);

/// The body of `POST /v1/calls`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialRequest {
    /// A number, a `sip:` URI at the trunk's own host, or the name of a user who is registered here.
    pub to: String,
    /// The room the phone is put in.
    pub room: String,
    /// The trunk; without it the first that may reach `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
    /// The SFU; without it the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sfu: Option<String>,
    /// The participant's identity; without it the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
    /// The name the room sees; without it the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `X-` headers of the INVITE.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Digits to send once answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtmf: Option<String>,
}

/// Begins a call out. It is in the table when this returns, and nothing has been sent yet.
pub fn dial(worker: &Arc<Worker>, wanted: DialRequest) -> Result<CallInfo, Problem> {
    if worker.is_stopping() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the worker is stopping",
            "ask another one",
        ));
    }
    let overloaded = |overload: Overload| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            overload.to_string(),
            "ask another worker, or wait until calls are over",
        )
    };
    worker.burden.admits().map_err(overloaded)?;
    let Target {
        party,
        number,
        to,
        from,
        next_hop,
        credentials,
    } = target(worker, &wanted)?;
    let with = party.label();
    let sfu = worker.sfu(wanted.sfu.as_deref()).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "there is no SFU of this name",
            "use a [[sfu]] name of the configuration",
        )
    })?;
    let room = worker.room_admits(&*sfu, &wanted.room);
    room.map_err(overloaded)?;
    let began = Instant::now();
    let place = worker
        .limits
        .enter(&with, Bounds::of(&party), began)
        .map_err(|error| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                error.to_string(),
                "wait until one of its calls is over",
            )
        })?;

    let participant = wanted
        .participant
        .clone()
        .unwrap_or_else(|| as_name(&number));
    let attributes = BTreeMap::from([
        ("sip.phoneNumber".to_owned(), number.clone()),
        ("sip.trunkPhoneNumber".to_owned(), user_of(&from.uri)),
        ("sip.callStatus".to_owned(), "dialing".to_owned()),
    ]);
    let who = Participant {
        id: participant.clone(),
        name: wanted.name.clone().unwrap_or_else(|| number.clone()),
        attributes,
    };
    let info = CallInfo {
        from: user_of(&from.uri),
        to: number.clone(),
        trunk: party.trunk().unwrap_or_default().to_owned(),
        user: party.user().map(str::to_owned),
        sfu: sfu.name().to_owned(),
        room: wanted.room.clone(),
        participant,
        ..CallInfo::begun(Direction::Out)
    };
    let id = info.id.clone();
    let headers = headers(&party, &info, wanted.headers)?;
    tracing::info!(call = id, with, to = number, room = wanted.room, "call out");
    let asked = worker.calls.insert(info.clone(), began);
    let params = DialParams {
        name: id.clone(),
        to,
        from,
        next_hop,
        session_timer: None,
        headers,
        credentials,
        ring_timeout: RING_FOR,
        follow_redirects: party
            .trunk_config()
            .is_some_and(|trunk| trunk.follow_redirects),
        transferable: party.accepts_transfers(),
        media: worker.media(&party),
    };
    let agent = worker.agent.clone();
    let dial =
        move || Leg::dial(&agent, params).map_err(|error| Ending::new(500, error.to_string()));
    let plan = Plan {
        sfu,
        room: wanted.room,
        who,
        answer: AnswerWhen::Never,
        max_duration: party.max_duration(),
        dtmf: wanted.dtmf,
    };
    Life::new(worker.clone(), id, asked, place).spawn(plan, Phone::Dial(Box::new(dial)));
    Ok(info)
}

/// What its INVITE carries: the trunk's own word counts before that of who asks for the call.
fn headers(
    party: &Party,
    info: &CallInfo,
    wanted: BTreeMap<String, String>,
) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let trunk = party.trunk_config();
    let rules = trunk.map_or(&[][..], |trunk| &trunk.headers_out);
    let call = CallOut {
        to: &info.to,
        from: &info.from,
        room: &info.room,
        participant: &info.participant,
        trunk: &info.trunk,
        sfu: &info.sfu,
        call: &info.id,
    };
    let ruled = |name: &str| {
        rules
            .iter()
            .any(|rule| *rule.name() == HeaderName::from(name))
    };
    let mut headers: Vec<(String, Vec<u8>)> = wanted
        .into_iter()
        .filter(|(name, _)| !ruled(name))
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    for rule in rules {
        let value = rule.value(&call).map_err(|unfit| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                unfit.to_string(),
                "ask for it in other words, or mend headers_out of the trunk",
            )
        })?;
        headers.push((rule.name().to_string(), value.into_bytes()));
    }
    headers.extend(trunk.and_then(identity::asserted));
    Ok(headers)
}

/// Who is called, and how.
struct Target {
    party: Party,
    /// As people know the callee.
    number: String,
    to: Uri,
    from: NameAddr,
    next_hop: NextHop,
    credentials: Option<Credentials>,
}

fn target(worker: &Worker, wanted: &DialRequest) -> Result<Target, Problem> {
    if let Some(user) = user_called(worker, wanted) {
        return phone_of(worker, &user, &wanted.room);
    }
    let trunk = choose(&worker.config.trunks, wanted)?;
    let (number, to) = through(&trunk, &wanted.to)?;
    let from = identity::caller(&trunk)?;
    let next_hop = trunk
        .outbound_proxy
        .clone()
        .map_or(NextHop::OfUri, NextHop::Proxy);
    let credentials = trunk
        .username
        .as_ref()
        .zip(trunk.password.as_ref())
        .map(|(username, password)| Credentials::new(username, password.expose_secret()));
    Ok(Target {
        party: Party::Trunk(trunk),
        number,
        to,
        from,
        next_hop,
        credentials,
    })
}

/// The user that is meant: by name alone, or at a host that is no trunk's.
fn user_called(worker: &Worker, wanted: &DialRequest) -> Option<Arc<User>> {
    if wanted.trunk.is_some() {
        return None;
    }
    let config = &worker.config;
    let name = match Uri::parse(wanted.to.as_bytes()) {
        Ok(uri) => {
            let trunks = config.trunks.iter().filter_map(|trunk| trunk.uri.as_ref());
            if !uri.is_sip() || trunks.into_iter().any(|trunk| trunk.host == uri.host) {
                return None;
            }
            number_of(&wanted.to)
        }
        Err(_) => wanted.to.clone(),
    };
    config.users.iter().find(|user| user.name == name).cloned()
}

/// The phone of a user that was heard of last. It sees the room as its caller, so that it can call
/// back where a route leads there.
fn phone_of(worker: &Worker, user: &Arc<User>, room: &str) -> Result<Target, Problem> {
    let bindings = worker.agent.bindings(&user.name);
    let Some(phone) = bindings.first() else {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("no phone of user '{}' is registered", user.name),
            "GET /v1/registrations lists who is",
        ));
    };
    let host = our_host(worker, phone.hop.addr.ip())?;
    let from = format!("<sip:{room}@{host}>")
        .parse()
        .map_err(|error| failed(format!("the room's name makes no address: {error}")))?;
    Ok(Target {
        party: Party::User(user.clone()),
        number: user.name.clone(),
        to: phone.contact.clone(),
        from,
        next_hop: NextHop::Hop(phone.hop, phone.path.clone()),
        credentials: None,
    })
}

/// The host that a far end at this address knows us by.
pub(super) fn our_host(worker: &Worker, towards: IpAddr) -> Result<String, Problem> {
    if let Some(host) = &worker.config.sip.advertise {
        return Ok(host.clone());
    }
    let ip = worker.agent.local_ip_towards(towards);
    Ok(match ip.map_err(|error| failed(error.to_string()))? {
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    })
}

fn failed(error: String) -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        error,
        "look into the log",
    )
}

/// What to call at this trunk for `to`, if we may.
pub(super) fn address(worker: &Worker, trunk: &str, to: &str) -> Result<Uri, Problem> {
    let wanted = DialRequest {
        to: to.to_owned(),
        trunk: Some(trunk.to_owned()),
        ..DialRequest::default()
    };
    let trunk = choose(&worker.config.trunks, &wanted)?;
    Ok(through(&trunk, to)?.1)
}

fn choose(trunks: &[Arc<Trunk>], wanted: &DialRequest) -> Result<Arc<Trunk>, Problem> {
    // What is called there in the end is what has to be allowed, however it was asked for.
    let reaches = |trunk: &Trunk| {
        let (number, _) = number_at(trunk, &wanted.to);
        trunk
            .dial_allow
            .iter()
            .any(|pattern| route::matches(pattern, &number))
    };
    let not_allowed = |whose: &str| {
        Problem::new(
            StatusCode::FORBIDDEN,
            format!("{whose} call {}", number_of(&wanted.to)),
            "add a pattern to the trunk's dial_allow",
        )
    };
    match &wanted.trunk {
        Some(name) => {
            let named = trunks
                .iter()
                .find(|trunk| trunk.name == *name)
                .ok_or_else(|| {
                    Problem::new(
                        StatusCode::BAD_REQUEST,
                        "there is no trunk of this name",
                        "use a [[trunk]] name",
                    )
                })?;
            if !reaches(named) {
                return Err(not_allowed(&format!("trunk '{name}' may not")));
            }
            Ok(named.clone())
        }
        None => trunks
            .iter()
            .find(|trunk| reaches(trunk))
            .cloned()
            .ok_or_else(|| not_allowed("no trunk may")),
    }
}

/// What `dial_allow` is held against: the number itself, or the user part of a URI.
fn number_of(to: &str) -> String {
    match Uri::parse(to.as_bytes()) {
        Ok(uri) => String::from_utf8_lossy(&uri.user_decoded().unwrap_or_default()).into_owned(),
        Err(_) => to.to_owned(),
    }
}

/// The same as everybody knows it, with how the trunk writes it, where that is known.
fn number_at<'a>(trunk: &'a Trunk, to: &str) -> (String, Option<&'a Numbers>) {
    let numbers = trunk.numbers.as_ref();
    let uri = Uri::parse(to.as_bytes()).ok();
    let whole = uri.and_then(|uri| numbers::number_of(&uri));
    let whole = whole.as_deref().unwrap_or(to);
    match numbers.and_then(|numbers| numbers.e164(whole)) {
        Some(number) => (number, numbers),
        None => (number_of(to), None),
    }
}

/// The number and the URI to call. Only the trunk's own host is ever called: the API's users
/// choose a number, not where our packets go.
fn through(trunk: &Trunk, to: &str) -> Result<(String, Uri), Problem> {
    let (number, numbers) = number_at(trunk, to);
    let bad = |error: String, hint: &str| Problem::new(StatusCode::BAD_REQUEST, error, hint);
    let base = trunk.uri.clone().ok_or_else(|| {
        bad(
            format!("trunk '{}' has no uri to call through", trunk.name),
            "set its uri",
        )
    })?;
    if number.is_empty() || number.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(bad(
            format!("{to:?} is neither a number nor a sip: URI"),
            "for example +15550100",
        ));
    }
    if let Ok(uri) = Uri::parse(to.as_bytes())
        && uri.is_sip()
        && (uri.host != base.host
            || uri
                .port
                .is_some_and(|port| port != base.port.unwrap_or(5060)))
    {
        return Err(bad(
            format!("{to:?} is not at the host of trunk '{}'", trunk.name),
            "give the number alone, or name the trunk of that host",
        ));
    }
    let dialled = numbers.map_or_else(|| number.clone(), |numbers| numbers.written(&number));
    let mut uri = Uri::sip(Some(dialled.as_bytes()), base.host.clone(), base.port);
    uri.params = base.params.clone();
    if numbers.is_some_and(|numbers| numbers.user_phone) {
        uri.params.set("user", "phone");
    }
    Ok((number, uri))
}

/// A number as a participant's identity: what may not stand in one becomes `-`.
pub(super) fn as_name(number: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            c
        } else {
            '-'
        }
    };
    number.chars().map(allowed).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::document::Document;

    fn trunks(lines: &str) -> Vec<Arc<Trunk>> {
        let text = format!("[[trunk]]\nname = \"t\"\nuri = \"sip:carrier.example\"\n{lines}");
        Config::parse(&Document::new("c.toml", text))
            .unwrap()
            .trunks
    }

    fn called(trunks: &[Arc<Trunk>], to: &str) -> Result<(String, String), u16> {
        let wanted = DialRequest {
            to: to.to_owned(),
            ..DialRequest::default()
        };
        let trunk = choose(trunks, &wanted).map_err(|problem| problem.status.as_u16())?;
        let (number, uri) = through(&trunk, to).map_err(|problem| problem.status.as_u16())?;
        Ok((number, uri.to_string()))
    }

    const GERMAN: &str = "numbers = { country = \"49\", national = \"0\", international = \"00\", \
                          dial = \"national\", user_phone = true }\n";

    #[test]
    fn numbers_are_called_as_the_trunk_wants_them() {
        let trunks = trunks(&format!(
            "{GERMAN}dial_allow = [\"+49*\", \"+1555*\", \"1*\"]\n"
        ));
        let (berlin, dialled) = ("+4930123456", "sip:030123456@carrier.example;user=phone");
        for to in [
            "+4930123456",
            "030123456",
            "004930123456",
            "+49 (0)30 123-456",
            "tel:+49-30-123456",
            "tel:030123456;phone-context=+49",
            "sip:030123456@carrier.example",
        ] {
            let wanted = (berlin.to_owned(), dialled.to_owned());
            assert_eq!(called(&trunks, to), Ok(wanted), "{to}");
        }
        let far = called(&trunks, "+15550100").unwrap();
        assert_eq!(far.1, "sip:0015550100@carrier.example;user=phone");
        // No number, so it is called as it stands.
        let short = called(&trunks, "1000").unwrap();
        assert_eq!(short.1, "sip:1000@carrier.example");
    }

    #[test]
    fn what_is_allowed_is_what_is_called() {
        // To write a number otherwise leads nowhere else.
        let some = trunks(&format!("{GERMAN}dial_allow = [\"+4930*\"]\n"));
        for to in [
            "+4990012345",
            "090012345",
            "004990012345",
            "0015550100",
            "112",
        ] {
            assert_eq!(called(&some, to), Err(403), "{to}");
        }
        let raw = trunks(&format!("{GERMAN}dial_allow = [\"030*\"]\n"));
        assert_eq!(called(&raw, "030123456"), Err(403));
        // Of another country's network: neither read as one of ours nor written anew.
        let foreign = "tel:030123456;phone-context=+43";
        assert_eq!(called(&some, foreign), Err(403));
        let raw = called(&raw, foreign).unwrap();
        assert_eq!(raw.1, "sip:030123456@carrier.example");
    }

    #[test]
    fn without_rules_numbers_are_as_they_were_given() {
        let trunks = trunks("dial_allow = [\"*\"]\n");
        let said = called(&trunks, "0049-30").unwrap();
        assert_eq!(
            said,
            (
                "0049-30".to_owned(),
                "sip:0049-30@carrier.example".to_owned()
            )
        );
        assert_eq!(called(&trunks, "+49 30 1"), Err(400));
    }
}
