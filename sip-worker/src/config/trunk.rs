// SPDX-License-Identifier: MPL-2.0
//! `[[trunk]]`

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gstsipbridge::call::DEFAULT_CODECS;
use ipnet::IpNet;
use sip_ua::agent::Transport;
use sip_ua::wire::{Scheme, Uri};

use super::duration::duration;
use super::secret::secret;
use super::value::{codec, dtls, dtmf, is_host, number, srtp, text};
use super::{Overload, Trunk, TrunkAuth};
use crate::document::Section;
use crate::headers::{HeaderOut, HeaderPattern};
use crate::numbers::Numbers;

/// For how long to ask where nothing is said.
const REGISTER_FOR: Duration = Duration::from_secs(3600);

pub(super) fn all(sections: Vec<Section<'_>>) -> Vec<Arc<Trunk>> {
    let mut trunks: Vec<Arc<Trunk>> = Vec::new();
    for section in sections {
        let at = section.at();
        let document = section.document();
        let trunk = trunk(section);
        if !trunk.name.is_empty() && trunks.iter().any(|other| other.name == trunk.name) {
            document.find(
                at,
                format!("another [[trunk]] is named \"{}\" already", trunk.name),
            );
        }
        trunks.push(Arc::new(trunk));
    }
    trunks
}

fn trunk(mut section: Section<'_>) -> Trunk {
    let name = section.string("name").map(|name| name.value);
    match &name {
        Some(name) => section.rename(format!("[[trunk]] \"{name}\"")),
        None => section.find("`name` is missing"),
    }
    let auth = section.section("auth").and_then(auth);
    let registers = section.boolean("register").unwrap_or(false);
    let says_expires = section.has("expires");
    let expires = duration(&mut section, "expires", 10).unwrap_or(REGISTER_FOR);
    let trunk = Trunk {
        name: name.unwrap_or_default(),
        uri: section.parsed("uri", uri),
        register: registers.then_some(expires),
        watch: duration(&mut section, "watch", 5),
        username: text(&mut section, "username"),
        password: secret(&mut section, "password"),
        from: text(&mut section, "from"),
        from_name: text(&mut section, "from_name"),
        asserted_identity: section.parsed("asserted_identity", identity),
        trust_asserted_identity: section.boolean("trust_asserted_identity").unwrap_or(false),
        from_domain: section.parsed("from_domain", |host| {
            if is_host(host) {
                Ok(host.to_owned())
            } else {
                Err(format!("\"{host}\" is no host name"))
            }
        }),
        outbound_proxy: section.parsed("outbound_proxy", proxy),
        follow_redirects: section.boolean("follow_redirects").unwrap_or(false),
        accept_transfers: section.boolean("accept_transfers").unwrap_or(false),
        numbers: section.section("numbers").and_then(Numbers::read),
        headers_in: section.parsed_list("headers_in", HeaderPattern::parse),
        headers_out: section
            .section("headers_out")
            .map(HeaderOut::all)
            .unwrap_or_default(),
        allow: section.parsed_list("allow", network).unwrap_or_default(),
        auth,
        dial_allow: section
            .parsed_list("dial_allow", pattern)
            .unwrap_or_default(),
        max_calls: number(section.integer("max_calls", 1..=1_000_000)),
        max_cps: number(section.integer("max_cps", 1..=100_000)),
        overload: Overload::read(&mut section),
        max_duration: duration(&mut section, "max_duration", 1),
        codecs: section
            .parsed_list("codecs", codec)
            .unwrap_or_else(|| DEFAULT_CODECS.to_vec()),
        srtp: srtp(&mut section),
        dtls: dtls(&mut section),
        dtmf: dtmf(&mut section),
    };
    if trunk.codecs.is_empty() {
        section.find("`codecs` is empty: no call could be agreed on");
    }
    if !trunk.dial_allow.is_empty() && trunk.uri.is_none() && !section.has("uri") {
        section.find("`dial_allow` permits calls out, but there is no `uri` to send them to");
    }
    if trunk.watch.is_some() && trunk.uri.is_none() && !section.has("uri") {
        section.find("`watch` needs a `uri` whose servers are to be asked");
    }
    if registers && trunk.uri.is_none() && !section.has("uri") {
        section.find("`register` needs a `uri` to register with");
    }
    if registers && trunk.username.is_none() && !section.has("username") {
        section.find("`register` needs a `username` to register as");
    }
    if !registers && says_expires {
        section.find("`expires` says how long to register for, but `register` is not true");
    }
    if trunk.password.is_some() && trunk.username.is_none() {
        section.find("there is a password but no `username`");
    }
    section.finish();
    trunk
}

fn auth(mut section: Section<'_>) -> Option<TrunkAuth> {
    let username = text(&mut section, "username");
    let before = section.has("password_file") || section.has("password_env");
    let password = secret(&mut section, "password");
    if username.is_none() {
        section.find("`username` is missing");
    }
    if !before {
        section.find("`password_file` is missing");
    }
    section.finish();
    username
        .zip(password)
        .map(|(username, password)| TrunkAuth { username, password })
}

fn uri(text: &str) -> Result<Uri, String> {
    let uri = Uri::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    if !uri.is_sip() {
        return Err("it must be a sip: or sips: URI".to_owned());
    }
    if uri.password.is_some() {
        return Err(
            "a password does not stand in a URI; name a file in `password_file`".to_owned(),
        );
    }
    match Transport::of_uri(&uri) {
        Some(transport) if transport.is_websocket() => Err(format!(
            "\"{text}\" asks for a WebSocket, which browsers open and nobody opens to them"
        )),
        Some(_) => Ok(uri),
        None => Err(format!(
            "\"{text}\" asks for a transport that is not spoken; udp, tcp and tls are, and with sips: tls"
        )),
    }
}

/// `HOST`, `HOST:PORT` or `sip:HOST:PORT;transport=…`
fn proxy(text: &str) -> Result<Uri, String> {
    let begins = |scheme: &str| {
        let start = text.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let written = match begins("sip:") || begins("sips:") {
        true => text.to_owned(),
        false => format!("sip:{text}"),
    };
    let proxy = uri(&written)?;
    if proxy.user.is_some() {
        return Err(format!("\"{text}\" names a user, not a proxy"));
    }
    Ok(proxy)
}

/// A number, or a `sip:` or `tel:` URI.
fn identity(text: &str) -> Result<String, String> {
    let wrong = || format!("\"{text}\" is neither a number nor a sip: or tel: URI");
    let uri = match Uri::parse(text.as_bytes()) {
        Ok(uri) => uri,
        Err(_) => format!("sip:{text}@domain").parse().map_err(|_| wrong())?,
    };
    match uri.scheme {
        Scheme::Sip | Scheme::Tel if uri.user.is_some() => Ok(text.to_owned()),
        _ => Err(wrong()),
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("\"{text}\" is not a network such as 203.0.113.0/24, nor an address"))
}

fn pattern(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(format!(
            "\"{text}\" is no pattern of numbers, such as \"+1*\""
        ));
    }
    Ok(text.to_owned())
}
