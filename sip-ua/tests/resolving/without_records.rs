// SPDX-License-Identifier: MPL-2.0
//! Addresses and plain hosts need no records (RFC 3263 §4.2), and some URIs lead nowhere.

use sip_ua::resolve::{Query, ResolveError};
use sip_ua::transport::{Proof, Transport};

use super::{ALL, Zone};

#[test]
fn an_address_is_asked_nobody_about() {
    let mut zone = Zone::default();
    for (uri, found) in [
        ("sip:192.0.2.1", "udp:192.0.2.1:5060"),
        ("sip:192.0.2.1:5070", "udp:192.0.2.1:5070"),
        ("sip:192.0.2.1;transport=tcp", "tcp:192.0.2.1:5060"),
        ("sip:192.0.2.1;transport=tls", "tls:192.0.2.1:5061"),
        ("sips:192.0.2.1", "tls:192.0.2.1:5061"),
        ("sips:[2001:db8::1]:5071", "tls:[2001:db8::1]:5071"),
        ("sip:carrier.example;maddr=192.0.2.7", "udp:192.0.2.7:5060"),
    ] {
        assert_eq!(zone.found(uri), [found], "{uri}");
    }
    assert!(zone.asked.is_empty());
    let hops = zone.hops("sips:192.0.2.1", &ALL).unwrap();
    assert_eq!(hops[0].proof, Proof::Address);
}

#[test]
fn a_domain_without_records_is_a_host() {
    let mut zone = Zone::default()
        .address("pbx.example", "192.0.2.1")
        .address("pbx.example", "2001:db8::1");
    assert_eq!(
        zone.found("sip:pbx.example"),
        ["udp:192.0.2.1:5060", "udp:[2001:db8::1]:5060"]
    );
    assert_eq!(zone.found("sips:pbx.example")[0], "tls:192.0.2.1:5061");
    assert_eq!(
        zone.found("sip:pbx.example;transport=tcp")[0],
        "tcp:192.0.2.1:5060"
    );
}

#[test]
fn a_name_without_a_dot_is_left_to_the_search_list() {
    let mut zone = Zone::default().address("pbx", "192.0.2.1");
    zone.found("sip:pbx");
    assert!(zone.asked.contains(&Query::Naptr("pbx".to_owned())));
    assert!(zone.asked.contains(&Query::Srv("_sip._udp.pbx".to_owned())));
}

#[test]
fn who_is_not_there_is_told_from_name_servers_that_say_nothing() {
    let nobody = Zone::default().hops("sip:no.example", &ALL);
    let sentence = "the host no.example was not found: it has no address".to_owned();
    assert_eq!(nobody, Err(ResolveError::Nobody(sentence)));
    let mute = Zone::default()
        .silent("mute.example")
        .hops("sip:mute.example", &ALL);
    let sentence = "the host mute.example was not found: request timed out".to_owned();
    assert_eq!(mute, Err(ResolveError::Unanswered(sentence)));
}

#[test]
fn what_cannot_be_reached_says_why() {
    for (uri, part) in [
        ("tel:+15550100", "names no host"),
        ("sip:pbx.example;transport=sctp", "not spoken here"),
        ("sip:pbx.example;transport=ws", "only the far end can open"),
        ("sips:pbx.example;transport=udp", "not spoken here"),
    ] {
        match Zone::default().hops(uri, &[Transport::Udp]) {
            Err(ResolveError::Unusable(why)) => assert!(why.contains(part), "{why}"),
            other => panic!("{uri}: {other:?}"),
        }
    }
}
