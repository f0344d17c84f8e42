// SPDX-License-Identifier: MPL-2.0
//! `[[sfu]]` of the kind "rtp".

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use sip_ua::sdp::Suite;
use url::Url;

use super::duration::duration;
use super::parse::port_range;
use super::secret::secret;
use super::sfu::believed;
use crate::document::Section;
use crate::plain::{self, OPUS, PlainConfig, above};
use crate::sfu::janus::OUTAGE_PATIENCE;
use crate::sfu::rtp::{CallOut, Line, PATIENCE, RtpConfig, Way};

/// Reads one, which comes after those that `local` knows.
pub(super) fn rtp(section: &mut Section<'_>, name: &str, local: &mut Local) -> RtpConfig {
    let (stated, lined) = (section.has("url"), section.has("line"));
    if stated == lined {
        section.find(
            "either `url` names the server that is asked, such as \"http://127.0.0.1:7000/rtp\", or each [[sfu.line]] says where a phone is sent to",
        );
    }
    let suite = section.parsed("srtp", |suite| {
        Suite::from_name(suite).ok_or_else(|| {
            let known: Vec<&str> = Suite::ALL.iter().map(|suite| suite.name()).collect();
            format!("\"{suite}\" is no suite; known are {}", known.join(", "))
        })
    });
    if suite.is_some() && !stated {
        section.find("`srtp` wants a server to exchange keys with (`url`)");
    }
    if section.has("advertise") && !stated {
        section.find("`advertise` is of no use without `url`: nobody is told");
    }
    let ports = section.parsed("ports", |text| {
        let range = port_range(text)?;
        let first = range.start().next_multiple_of(2);
        match range.contains(&above(first)) {
            true => Ok(range),
            false => Err(format!(
                "\"{text}\" has room for no pair of an even port and the next one"
            )),
        }
    });
    let at = section.parsed("address", address);
    let here = PlainConfig {
        address: at,
        ..PlainConfig::default()
    };
    let here = here.local();
    if let Some(ports) = &ports {
        local.is_chosen_from(section, here, ports);
    }
    let lines = section.sections("line").into_iter();
    let lines: Vec<Line> = lines.filter_map(|of| line(of, here, local)).collect();
    let way = match stated.then(|| callout(section)) {
        Some(Some(callout)) => Way::CallOut(callout),
        _ => Way::Lines(lines),
    };
    let payload_type = section.integer("payload_type", 0..=127);
    if payload_type.is_some_and(|payload_type| !plain::is_payload_type(payload_type)) {
        section.find(
            "`payload_type`: those from 64 to 95 cannot be told from RTCP (RFC 5761 section 4)",
        );
    }
    let plain = PlainConfig {
        address: at,
        ports,
        payload_type: payload_type
            .and_then(|payload| u8::try_from(payload).ok())
            .unwrap_or(OPUS),
        suite,
    };
    let advertise = section.parsed("advertise", address);
    let mut there: Vec<(&str, IpAddr)> =
        advertise.map(|at| ("advertise", at)).into_iter().collect();
    if let Way::Lines(lines) = &way {
        let both = |line: &Line| [("to", line.to.ip()), ("from", line.from)];
        there.extend(lines.iter().flat_map(both));
    }
    for (key, at) in there {
        if at.is_ipv4() != here.is_ipv4() {
            section.find(format!(
                "`{key}` is {at}, and our sockets are at {here} (`address`): one is IPv4, the other IPv6"
            ));
        }
    }
    RtpConfig {
        plain,
        advertise,
        outage_patience: duration(section, "patience", 0).unwrap_or(OUTAGE_PATIENCE),
        ..RtpConfig::new(name, way)
    }
}

fn callout(section: &mut Section<'_>) -> Option<CallOut> {
    let url = section.parsed("url", |url| {
        let url = Url::parse(url).ok().filter(|url| {
            let known = matches!(url.scheme(), "http" | "https");
            known && url.username().is_empty() && url.password().is_none()
        });
        url.ok_or("it must be of the form http://HOST:PORT/PATH or https://HOST:PORT/PATH")
    });
    let plain = url.as_ref().is_some_and(|url| url.scheme() == "http");
    let tls = believed(section, plain);
    let token = secret(section, "token");
    let patience = duration(section, "answer_within", 1).unwrap_or(PATIENCE);
    Some(CallOut {
        url: url?,
        token,
        tls,
        patience,
    })
}

fn line(mut section: Section<'_>, here: IpAddr, local: &mut Local) -> Option<Line> {
    section.rename("[[sfu.line]]");
    for key in ["room", "to"] {
        if !section.has(key) {
            section.find(format!("`{key}` is missing"));
        }
    }
    let room = section.parsed("room", |room| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match (1..=64).contains(&room.len()) && room.chars().all(fits) {
            true => Ok(room.to_owned()),
            false => Err("no room is called that: 1 to 64 of A-Z a-z 0-9 . _ -"),
        }
    });
    let to = section.parsed("to", |to| {
        let to = to.parse::<SocketAddr>().ok();
        to.filter(|to| to.port() != 0 && !to.ip().is_unspecified())
            .ok_or("it must be of the form ADDRESS:PORT, such as \"192.0.2.7:5004\"")
    });
    let hear = section.parsed_list("hear", |port| {
        let port = port.parse::<u16>().ok();
        port.filter(|port| (1..u16::MAX).contains(port))
            .ok_or("a port is from \"1\" to \"65534\"")
    });
    for port in hear.iter().flatten() {
        local.hears(&section, here, *port);
    }
    let from = section.parsed("from", address);
    let ssrc = section.integer("ssrc", 0..=u32::MAX.into());
    section.finish();
    let to = to?;
    Some(Line {
        room: room?,
        to,
        hear: hear.unwrap_or_default(),
        from: from.unwrap_or(to.ip()),
        ssrc: ssrc.and_then(|ssrc| u32::try_from(ssrc).ok()),
    })
}

/// The local ports that SFUs of this kind use. At one address each is used once, and so is the one above; and neither is
/// one of those that others are chosen from.
#[derive(Default)]
pub(super) struct Local {
    heard: Vec<(IpAddr, u16)>,
    chosen: Vec<(IpAddr, RangeInclusive<u16>)>,
}

impl Local {
    /// Something is heard at this port.
    fn hears(&mut self, section: &Section<'_>, here: IpAddr, port: u16) {
        let both = [port, above(port)];
        let mut chosen = self.chosen.iter().filter(|(at, _)| meet(*at, here));
        if chosen.any(|(_, ports)| both.iter().any(|port| ports.contains(port))) {
            section.find(format!(
                "`hear`: port {port} is one of `ports`, and may be taken for what a phone says"
            ));
        }
        let mut heard = self.heard.iter().filter(|(at, _)| meet(*at, here));
        if heard.any(|(_, port)| both.contains(port)) {
            section.find(format!(
                "`hear`: port {port} is in use already, for what is heard elsewhere or its RTCP"
            ));
        }
        self.heard.extend(both.map(|port| (here, port)));
    }

    /// What phones say is sent from some of these.
    fn is_chosen_from(&mut self, section: &Section<'_>, here: IpAddr, ports: &RangeInclusive<u16>) {
        let mut heard = self.heard.iter().filter(|(at, _)| meet(*at, here));
        if let Some((_, port)) = heard.find(|(_, port)| ports.contains(port)) {
            section.find(format!(
                "`ports`: at port {port} something is heard from another SFU, or its RTCP"
            ));
        }
        self.chosen.push((here, ports.clone()));
    }
}

/// Whether a port of the one address may be one of the other's.
fn meet(one: IpAddr, other: IpAddr) -> bool {
    one == other
        || (one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified()))
}

fn address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>().ok();
    address
        .filter(|address| !address.is_unspecified() && !address.is_multicast())
        .ok_or_else(|| format!("\"{text}\" is no address that anybody can be reached at"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::{Config, SfuKind};
    use crate::document::Document;
    use crate::sfu::rtp::{RtpConfig, Way};

    const HERE: &str = "url = \"http://127.0.0.1:7000/rtp\"\n";
    const OTHER: &str = "[[sfu]]\nname = \"other\"\nkind = \"rtp\"\n";
    const LINE: &str = "[[sfu.line]]\nroom = \"lobby\"\nto = \"192.0.2.7:5004\"\n";

    fn parsed(lines: &str) -> Result<RtpConfig, Vec<String>> {
        let text = format!("[[sfu]]\nname = \"main\"\nkind = \"rtp\"\n{lines}");
        let config = Config::parse(&Document::new("c.toml", text));
        let config =
            config.map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        match &config.sfus[0].kind {
            SfuKind::Rtp(rtp) => Ok(rtp.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_is_asked_or_lines_are_laid() {
        let asked = parsed(&format!(
            "{HERE}answer_within = \"2s\"\naddress = \"192.0.2.1\"\nadvertise = \"203.0.113.7\"\n\
             ports = \"40000-40999\"\npayload_type = 96\nsrtp = \"AEAD_AES_256_GCM\"\npatience = \"7s\"\n"
        ))
        .unwrap();
        let Way::CallOut(callout) = &asked.way else {
            panic!("{asked:?}")
        };
        assert_eq!(callout.url.as_str(), "http://127.0.0.1:7000/rtp");
        assert_eq!(callout.patience, Duration::from_secs(2));
        assert_eq!(asked.plain.address, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(asked.plain.ports, Some(40_000..=40_999));
        assert_eq!(asked.plain.payload_type, 96);
        assert_eq!(asked.plain.suite.unwrap().name(), "AEAD_AES_256_GCM");
        assert_eq!(asked.advertise, Some("203.0.113.7".parse().unwrap()));
        assert_eq!(asked.outage_patience, Duration::from_secs(7));

        let laid = parsed(&format!(
            "{LINE}hear = [\"5010\", \"5012\"]\nfrom = \"192.0.2.8\"\nssrc = 4711\n{LINE}"
        ))
        .unwrap();
        let Way::Lines(lines) = &laid.way else {
            panic!("{laid:?}")
        };
        let [first, second] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(first.hear, [5_010, 5_012]);
        assert_eq!(first.from, "192.0.2.8".parse::<std::net::IpAddr>().unwrap());
        assert_eq!(first.ssrc, Some(4_711));
        assert_eq!((second.from, second.ssrc), (second.to.ip(), None));
    }

    #[test]
    fn at_two_addresses_a_port_is_two() {
        let at = |address: &str| format!("address = \"{address}\"\n{LINE}hear = [\"5010\"]\n");
        let both = |other: &str| parsed(&format!("{}{OTHER}{}", at("192.0.2.1"), at(other)));
        assert!(both("192.0.2.2").is_ok());
        assert!(both("192.0.2.1").is_err());
    }

    #[test]
    fn what_is_no_rtp_sfu_is_refused() {
        for (lines, wanted) in [
            (String::new(), "either `url` names the server"),
            (format!("{HERE}{LINE}"), "either `url` names the server"),
            (
                HERE.replace("http", "ws"),
                "c.toml:4: [[sfu]] \"main\": `url`: it must be of the form http://HOST",
            ),
            (HERE.replace("127", "me:secret@127"), "must be of the form"),
            (
                format!("{HERE}address = \"0.0.0.0\"\n"),
                "\"0.0.0.0\" is no address",
            ),
            (
                format!("{HERE}advertise = \"239.1.1.1\"\n"),
                "is no address that anybody",
            ),
            (
                format!("{HERE}ports = \"40000\"\n"),
                "is not a range of ports",
            ),
            (
                format!("{HERE}ports = \"40001-40002\"\n"),
                "room for no pair",
            ),
            (format!("{HERE}payload_type = 128\n"), "from 0 to 127"),
            (
                format!("{HERE}payload_type = 72\n"),
                "cannot be told from RTCP",
            ),
            (
                format!("{HERE}srtp = \"AES\"\n"),
                "\"AES\" is no suite; known are AEAD_AES_256_GCM",
            ),
            (format!("{HERE}answer_within = \"0s\"\n"), "`answer_within`"),
            (format!("{HERE}patience = \"soon\"\n"), "`patience`"),
            (format!("{HERE}token = \"t\"\n"), "a secret does not stand"),
            (
                format!("{HERE}ca_file = \"c.toml\"\n"),
                "a plain connection shows none",
            ),
            (
                format!("{HERE}room_pin = \"1\"\n"),
                "unknown key `room_pin`",
            ),
            (
                format!("srtp = \"AEAD_AES_128_GCM\"\n{LINE}"),
                "`srtp` wants a server to exchange keys with",
            ),
            (
                format!("advertise = \"203.0.113.7\"\n{LINE}"),
                "`advertise` is of no use without `url`",
            ),
            (LINE.replace("room = \"lobby\"\n", ""), "`room` is missing"),
            (
                LINE.replace("to = \"192.0.2.7:5004\"\n", ""),
                "`to` is missing",
            ),
            (
                LINE.replace(":5004", ""),
                "must be of the form ADDRESS:PORT",
            ),
            (
                LINE.replace("5004", "0"),
                "must be of the form ADDRESS:PORT",
            ),
            (
                LINE.replace("192.0.2.7", "0.0.0.0"),
                "must be of the form ADDRESS:PORT",
            ),
            (format!("{LINE}hear = [\"65535\"]\n"), "a port is from"),
            (format!("{LINE}hear = [\"0\"]\n"), "a port is from"),
            (
                format!("{LINE}hear = [\"5010\"]\n{LINE}hear = [\"5011\"]\n"),
                "port 5011 is in use already",
            ),
            (
                format!("{LINE}hear = [\"5010\"]\n{LINE}hear = [\"5010\"]\n"),
                "c.toml:8: [[sfu.line]]: `hear`: port 5010 is in use already",
            ),
            (
                format!("{LINE}hear = [\"5010\"]\n{OTHER}{LINE}hear = [\"5010\"]\n"),
                "port 5010 is in use already",
            ),
            (
                format!("{LINE}hear = [\"5010\"]\n{OTHER}ports = \"5000-5010\"\n{LINE}"),
                "[[sfu]] \"other\": `ports`: at port 5010 something is heard",
            ),
            (
                format!("ports = \"5000-5010\"\n{LINE}{OTHER}{LINE}hear = [\"5010\"]\n"),
                "port 5010 is one of `ports`",
            ),
            (
                LINE.replace("lobby", "the lobby"),
                "[[sfu.line]]: `room`: no room is called that",
            ),
            (
                format!("ports = \"5000-5011\"\n{LINE}hear = [\"5011\"]\n"),
                "port 5011 is one of `ports`",
            ),
            (format!("{LINE}from = \"here\"\n"), "\"here\" is no address"),
            (
                format!("{LINE}from = \"::1\"\n"),
                "`from` is ::1, and our sockets are at 0.0.0.0 (`address`)",
            ),
            (
                format!("address = \"::1\"\n{LINE}"),
                "`to` is 192.0.2.7, and our sockets are at ::1 (`address`)",
            ),
            (
                format!("{HERE}advertise = \"2001:db8::7\"\n"),
                "`advertise` is 2001:db8::7, and our sockets",
            ),
            (format!("{LINE}ssrc = -1\n"), "`ssrc`"),
            (format!("{LINE}pt = 96\n"), "unknown key `pt`"),
        ] {
            let found = parsed(&lines).err().unwrap_or_default();
            assert!(
                found.iter().any(|one| one.contains(wanted)),
                "{lines}: {found:?}"
            );
        }
    }
}
