// SPDX-License-Identifier: MPL-2.0
//! Reading each table.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use sip_ua::agent::{Listen, SessionTimer, TlsFiles, Transport};

use super::duration::duration;
use super::value::{is_host, is_server};
use super::{
    Config, DEFAULT_MEDIA_TIMEOUT, Http, Ice, Media, Sip, Turn, guard, limits, path_in, profile,
    sfu, tls, trunk, user,
};
use crate::document::{Scalar, Section};

use crate::route::Route;

const DEFAULT_PORTS: RangeInclusive<u16> = 10_000..=20_000;

pub(super) fn config(mut root: Section<'_>) -> Config {
    let sip = sip(root.section("sip"));
    let media = media(root.section("media"));
    let ice = ice(root.section("ice"));
    let http = root.section("http").and_then(http);
    let sfus = sfu::all(root.sections("sfu"));
    let trunks = trunk::all(root.sections("trunk"));
    let users = user::all(root.sections("user"));
    let registrar = user::registrar(root.section("registrar"));
    let guard = guard::guard(root.section("guard"));
    let limits = limits::limits(root.section("limits"));
    let profiles = profile::all(root.sections("profile"));
    let routes = root
        .sections("route")
        .into_iter()
        .filter_map(|section| {
            let known = |name: &str| trunks.iter().any(|trunk| trunk.name == name);
            let registers = |name: &str| users.iter().any(|user| user.name == name);
            let reachable = |name: &str| sfus.iter().any(|sfu| sfu.name == name);
            Route::read(section, &known, &registers, &reachable)
        })
        .collect::<Vec<Route>>();
    root.not_built("ng", "rtpengine's NG protocol, [ng],");
    if sfus.is_empty() && !routes.is_empty() && !root.has("sfu") {
        root.document().find_in_file(
            "there are routes but no [[sfu]] for their rooms; add one with kind = \"janus\"",
        );
    }
    root.finish();
    Config {
        sip,
        media,
        sfus,
        http,
        ice,
        trunks,
        users,
        registrar,
        guard,
        limits,
        profiles,
        routes,
    }
}

fn sip(section: Option<Section<'_>>) -> Sip {
    let mut sip = Sip {
        listen: Vec::new(),
        advertise: None,
        tls: TlsFiles::default(),
        nameservers: Vec::new(),
        session_expires: SessionTimer::default().interval,
        session_min: SessionTimer::LEAST,
    };
    if let Some(mut section) = section {
        sip.listen = section.parsed_list("listen", listener).unwrap_or_default();
        sip.advertise = section.parsed("advertise", |text| {
            if is_host(text) {
                Ok(text.to_owned())
            } else {
                Err(format!(
                    "\"{text}\" is neither an IP address nor a host name"
                ))
            }
        });
        if let Some(files) = section.section("tls") {
            sip.tls = tls::tls(files);
        }
        let secure = sip
            .listen
            .iter()
            .find(|listen| listen.transport.is_secure());
        if let Some(listen) = secure
            && sip.tls.cert_file.is_none()
        {
            section.find(format!(
                "\"{listen}\" has no certificate to show; name its files in `tls`"
            ));
        }
        sip.nameservers = section
            .parsed_list("nameservers", nameserver)
            .unwrap_or_default();
        if let Some(expires) = duration(&mut section, "session_expires", 0) {
            sip.session_expires = expires;
        }
        let least = i64::try_from(SessionTimer::LEAST.as_secs()).unwrap_or(i64::MAX);
        if let Some(min) = duration(&mut section, "session_min", least) {
            sip.session_min = min;
        }
        if !sip.session_expires.is_zero() && sip.session_expires < sip.session_min {
            section.find(
                "`session_expires` is shorter than `session_min` (90 s at least); 0 turns it off",
            );
        }
        section.finish();
    }
    if sip.listen.is_empty() {
        sip.listen = [Transport::Udp, Transport::Tcp]
            .map(|transport| Listen {
                transport,
                addr: SocketAddr::from(([0, 0, 0, 0], 5060)),
            })
            .to_vec();
    }
    sip
}

/// The port is DNS's own where none is said.
fn nameserver(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse().ok();
    with_port
        .or_else(|| Some(SocketAddr::new(text.parse().ok()?, 53)))
        .ok_or_else(|| {
            format!(
                "\"{text}\" is no name server; ADDRESS or ADDRESS:PORT is wanted, IPv6 in brackets"
            )
        })
}

fn listener(text: &str) -> Result<Listen, String> {
    let Some((name, address)) = text.split_once(':') else {
        return Err(format!(
            "\"{text}\" is not of the form udp:ADDRESS:PORT, tcp:ADDRESS:PORT or tls:ADDRESS:PORT"
        ));
    };
    let transport = match Transport::named(name.as_bytes()) {
        Some(transport) => transport,
        None => {
            return Err(format!(
                "\"{name}:\" is no transport; udp:, tcp:, tls:, ws: and wss: are"
            ));
        }
    };
    let addr = address.parse().map_err(|_| {
        format!("\"{address}\" is not ADDRESS:PORT, such as 0.0.0.0:5060 or [::]:5060")
    })?;
    Ok(Listen { transport, addr })
}

fn media(section: Option<Section<'_>>) -> Media {
    let mut media = Media {
        ports: DEFAULT_PORTS,
        contexts: 0,
        max_load: 0.9,
        dtx: false,
        timeout: DEFAULT_MEDIA_TIMEOUT,
        pipeline: crate::pipeline::DEFAULT.to_owned(),
        pipelines: None,
        allow_elements: Vec::new(),
        params: BTreeMap::new(),
    };
    let Some(mut section) = section else {
        return media;
    };
    if let Some(ports) = section.parsed("ports", port_range) {
        media.ports = ports;
    }
    if let Some(contexts) = section.integer("contexts", 0..=1024) {
        media.contexts = usize::try_from(contexts).unwrap_or_default();
    }
    let max_load = section.number_within("max_load", 0.1..=1.0);
    media.max_load = max_load.unwrap_or(media.max_load);
    media.dtx = section.boolean("dtx").unwrap_or(media.dtx);
    if let Some(timeout) = duration(&mut section, "timeout", 0) {
        media.timeout = timeout;
    }
    if let Some(pipeline) = section.string("pipeline") {
        media.pipeline = pipeline.value;
    }
    media.pipelines = section
        .string("pipelines")
        .map(|folder| path_in(&section, &folder.value));
    media.allow_elements = section
        .strings("allow_elements")
        .unwrap_or_default()
        .into_iter()
        .map(|name| name.value)
        .collect();
    if let Some(params) = section.section("params") {
        media.params = params_of(params);
    }
    section.finish();
    media
}

fn params_of(mut section: Section<'_>) -> BTreeMap<String, Scalar> {
    let mut params = BTreeMap::new();
    for name in section.keys() {
        if let Some(value) = section.scalar(&name) {
            params.insert(name, value);
        }
    }
    params
}

pub(super) fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let form = || format!("\"{text}\" is not a range of ports such as \"10000-20000\"");
    let (first, last) = text.split_once('-').ok_or_else(form)?;
    let port = |text: &str| text.trim().parse::<u32>().map_err(|_| form());
    let (first, last) = (port(first)?, port(last)?);
    if last > 65_535 {
        return Err(format!("{last} is no port: the highest is 65535"));
    }
    if first < 1_024 {
        return Err(format!("{first} is too low: media ports start at 1024"));
    }
    if last <= first {
        return Err(format!(
            "\"{text}\" is empty: the second port must be higher than the first (a call takes two)"
        ));
    }
    let port = |port: u32| u16::try_from(port).map_err(|_| form());
    Ok(port(first)?..=port(last)?)
}

fn ice(section: Option<Section<'_>>) -> Ice {
    let mut ice = Ice::default();
    let Some(mut section) = section else {
        return ice;
    };
    let addresses = section.parsed_list("addresses", |text| {
        text.parse::<IpAddr>()
            .map_err(|_| format!("\"{text}\" is not an IP address"))
    });
    ice.addresses = addresses.unwrap_or_default();
    let stun = section.parsed_list("stun", |text| match text.strip_prefix("stun:") {
        Some(server) if is_server(server) => Ok(text.to_owned()),
        _ => Err(format!("\"{text}\" is not of the form stun:HOST:PORT")),
    });
    ice.stun = stun.unwrap_or_default();
    if ice.stun.len() > 1 {
        section.find("more than one `stun` server is not built yet");
    }
    ice.turn = Turn::read(&mut section);
    ice.advertise = section.parsed("advertise", |text| {
        let address = text.parse::<IpAddr>();
        let address = address.map_err(|_| format!("\"{text}\" is not an IP address"))?;
        match address.is_unspecified() || address.is_multicast() {
            true => Err(format!(
                "\"{text}\" is no address that anybody can be reached at"
            )),
            false => Ok(address),
        }
    });
    if let Some(advertised) = ice.advertise {
        let alike = |local: &&IpAddr| local.is_ipv4() == advertised.is_ipv4();
        match ice.addresses.iter().filter(alike).count() {
            0 if !ice.addresses.is_empty() => section.find(format!(
                "`advertise` is {advertised}, but none of `addresses` is of its kind (IPv4, IPv6) and could be reached by it"
            )),
            2.. => section.find(format!(
                "`advertise` is {advertised}: for which of `addresses`? Name one of its kind (IPv4, IPv6) there"
            )),
            _ => {}
        }
    }
    section.finish();
    ice
}

fn http(mut section: Section<'_>) -> Option<Http> {
    let stated = section.has("listen");
    let listen = section.parsed("listen", |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| format!("\"{text}\" is not ADDRESS:PORT, such as 127.0.0.1:8080"))
    });
    let token_file = section.string("token_file");
    let figures_every = duration(&mut section, "figures_every", 1);
    let hosts = section.parsed_list("hosts", |host| match is_host(host) {
        true => Ok(host.to_owned()),
        false => Err(format!("\"{host}\" is no host name")),
    });
    let origins = section.parsed_list("origins", origin);
    let tls = section.section("tls").map(tls::shown);
    section.refused(
        "token",
        "a token does not stand in the configuration; name a file in `token_file`",
    );
    let missing = |key: &str| section.find(format!("`{key}` is missing"));
    if !stated {
        missing("listen");
    }
    if token_file.is_none() {
        missing("token_file");
    }
    let http = listen.zip(token_file).map(|(listen, token)| {
        let plain = Http::new(listen, path_in(&section, &token.value));
        Http {
            figures_every: figures_every.unwrap_or(plain.figures_every),
            hosts: hosts.unwrap_or_default(),
            origins: origins.unwrap_or_default(),
            tls,
            ..plain
        }
    });
    section.finish();
    http
}

/// As browsers write it (RFC 6454 section 6.2), or `*`.
fn origin(text: &str) -> Result<String, String> {
    let authority = text
        .strip_prefix("https://")
        .or(text.strip_prefix("http://"));
    let host = authority.map(|authority| match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    });
    let bare = |host: &str| is_host(host.trim_start_matches('[').trim_end_matches(']'));
    match text == "*" || host.is_some_and(bare) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "\"{text}\" is no origin; https://HOST or https://HOST:PORT, without a path, or \"*\" for any"
        )),
    }
}
