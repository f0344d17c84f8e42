// SPDX-License-Identifier: MPL-2.0
//! NAPTR records say which transport a domain prefers (RFC 3263 §4.1).

use sip_ua::transport::{Domain, Proof, Transport};

use super::{ALL, Zone};

/// The example of the RFC: TLS, then TCP, then UDP.
fn example() -> Zone {
    Zone::default()
        .naptr(
            "example.com.",
            50,
            50,
            ["SIPS+D2T", "_sips._tcp.example.com."],
        )
        .naptr(
            "example.com.",
            90,
            50,
            ["SIP+D2T", "_sip._tcp.example.com."],
        )
        .naptr(
            "example.com.",
            100,
            50,
            ["SIP+D2U", "_sip._udp.example.com."],
        )
        .srv("_sips._tcp.example.com.", 0, "tls.example.com.", 5061)
        .srv("_sip._tcp.example.com.", 0, "server1.example.com.", 5060)
        .srv("_sip._tcp.example.com.", 1, "server2.example.com.", 5060)
        .srv("_sip._udp.example.com.", 0, "server2.example.com.", 5060)
        .address("tls.example.com.", "192.0.2.5")
        .address("server1.example.com.", "192.0.2.1")
        .address("server2.example.com.", "192.0.2.2")
}

#[test]
fn the_best_of_what_both_speak_is_taken() {
    let mut zone = example();
    let found = |zone: &mut Zone, spoken: &[Transport]| {
        let hops = zone.hops("sip:example.com", spoken).unwrap();
        hops.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found(&mut zone, &ALL), ["tls:192.0.2.5:5061"]);
    assert_eq!(
        found(&mut zone, &[Transport::Udp, Transport::Tcp]),
        ["tcp:192.0.2.1:5060", "tcp:192.0.2.2:5060"]
    );
    assert_eq!(found(&mut zone, &[Transport::Udp]), ["udp:192.0.2.2:5060"]);
}

#[test]
fn sips_takes_nothing_but_tls_and_proves_the_domain_that_was_asked_for() {
    let hops = example().hops("sips:bob@Example.com", &ALL).unwrap();
    assert_eq!(hops.len(), 1);
    assert_eq!(hops[0].transport, Transport::Tls);
    assert_eq!(hops[0].proof, Proof::Domain(Domain::new("example.com")));
}

#[test]
fn records_for_other_things_are_not_looked_at() {
    let mut zone = Zone::default()
        .naptr("example.com.", 1, 1, ["SIP+D2W", "_sip._ws.example.com."])
        .naptr("example.com.", 1, 2, ["E2U+sip", "!^.*$!sip:x@y!"])
        .naptr("example.com.", 1, 3, ["SIP+D2U", "."])
        .srv("_sip._udp.example.com.", 0, "server.example.com.", 5062)
        .address("server.example.com.", "192.0.2.2");
    assert_eq!(zone.found("sip:example.com"), ["udp:192.0.2.2:5062"]);
}

#[test]
fn preference_decides_within_an_order() {
    let mut zone = Zone::default()
        .naptr("example.com.", 1, 20, ["sip+d2u", "_sip._udp.example.com"])
        .naptr("example.com.", 1, 10, ["SIP+D2T", "_sip._tcp.example.com"])
        .srv("_sip._udp.example.com.", 0, "udp.example.com", 5060)
        .srv("_sip._tcp.example.com.", 0, "tcp.example.com", 5060)
        .address("udp.example.com.", "192.0.2.1")
        .address("tcp.example.com.", "192.0.2.2");
    assert_eq!(
        zone.found("sip:example.com"),
        ["tcp:192.0.2.2:5060", "udp:192.0.2.1:5060"]
    );
}

#[test]
fn name_servers_that_do_not_know_them_do_no_harm() {
    let mut zone = Zone::default()
        .silent("example.com.")
        .srv("_sip._udp.example.com.", 0, "server.example.com.", 5062)
        .address("server.example.com.", "192.0.2.2");
    assert_eq!(zone.found("sip:example.com"), ["udp:192.0.2.2:5062"]);
}
