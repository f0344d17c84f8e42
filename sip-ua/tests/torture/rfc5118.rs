// SPDX-License-Identifier: MPL-2.0
//! The IPv6 torture messages.

use std::net::IpAddr;

use sip_ua::wire::Message;

use crate::corpus::{self, read};

#[test]
fn all_12_are_taken_but_the_one_without_brackets() {
    let corpus = corpus::rfc5118();
    assert_eq!(corpus.len(), 12);
    for case in &corpus {
        let result = read(&case.octets);
        let status = result
            .as_ref()
            .err()
            .and_then(|e| e.reply.as_ref())
            .map(|r| r.status);
        println!("{:<31} {:<5} {status:?}", case.name, case.section);
        assert_eq!(
            status,
            (case.name == "ipv6-bad").then_some(400),
            "{}",
            case.name
        );
        assert_eq!(result.is_ok(), case.name != "ipv6-bad", "{}", case.name);
    }
}

fn request(name: &str) -> (sip_ua::wire::Request, sip_ua::wire::Core) {
    let case = corpus::rfc5118().into_iter().find(|case| case.name == name);
    match read(&case.expect("a message of that name").octets).unwrap() {
        (Message::Request(request), core) => (request, core),
        _ => panic!("a request"),
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn a_port_stands_behind_the_bracket() {
    let (ambiguous, _) = request("port-ambiguous");
    assert_eq!(
        (ambiguous.uri.host.ip(), ambiguous.uri.port),
        (ip("2001:db8::10:5070"), None)
    );
    let (unambiguous, _) = request("port-unambiguous");
    assert_eq!(
        (unambiguous.uri.host.ip(), unambiguous.uri.port),
        (ip("2001:db8::10"), Some(5070))
    );
}

#[test]
fn received_has_brackets_or_none() {
    for name in [
        "via-received-param-with-delim",
        "via-received-param-no-delim",
    ] {
        let (_, core) = request(name);
        assert_eq!(core.via[0].received(), ip("2001:db8::9:255"), "{name}");
        assert_eq!(core.via[0].host.ip(), ip("2001:db8::9:1"));
    }
}

#[test]
fn families_mix_in_via() {
    let (_, core) = request("mult-ip-in-header");
    assert_eq!(
        (core.via[0].host.ip(), core.via[0].port),
        (ip("2001:db8::9:1"), Some(6050))
    );
    assert_eq!(core.via[1].host.ip(), ip("192.0.2.1"));
    assert_eq!(core.via[2].received(), ip("192.0.2.200"));
    let (_, core) = request("ipv4-mapped-ipv6");
    assert_eq!(
        (core.via[0].host.ip(), core.via[0].port),
        (ip("::ffff:192.0.2.10"), Some(19823))
    );
}

#[test]
fn three_colons_mean_two() {
    let (bug, _) = request("ipv6-bug-abnf-3-colons");
    let (right, _) = request("ipv6-correct-abnf-2-colons");
    assert_eq!(bug.uri.host.ip(), ip("2001:db8::192.0.2.1"));
    assert!(bug.uri == right.uri);
}
