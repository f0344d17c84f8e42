// SPDX-License-Identifier: MPL-2.0
//! SRV records lead to the servers (RFC 3263 §4.2).

use sip_ua::resolve::{Query, ResolveError};
use sip_ua::transport::Transport;

use super::Zone;

fn carrier() -> Zone {
    Zone::default()
        .srv("_sip._udp.carrier.example.", 10, "b.carrier.example.", 5070)
        .srv("_sip._udp.carrier.example.", 5, "a.carrier.example.", 5060)
        .srv("_sip._tcp.carrier.example.", 1, "a.carrier.example.", 5080)
        .address("a.carrier.example.", "192.0.2.1")
        .address("a.carrier.example.", "192.0.2.2")
        .address("b.carrier.example.", "192.0.2.3")
        .address("carrier.example", "192.0.2.99")
}

#[test]
fn servers_come_by_priority_with_all_their_addresses() {
    assert_eq!(
        carrier().found("sip:bob@carrier.example"),
        [
            "udp:192.0.2.1:5060",
            "udp:192.0.2.2:5060",
            "udp:192.0.2.3:5070"
        ]
    );
}

#[test]
fn the_transport_that_is_asked_for_is_taken() {
    let mut zone = carrier();
    assert_eq!(
        zone.found("sip:bob@carrier.example;transport=tcp"),
        ["tcp:192.0.2.1:5080", "tcp:192.0.2.2:5080"]
    );
    assert!(
        !zone
            .asked
            .iter()
            .any(|query| matches!(query, Query::Naptr(_)))
    );
}

#[test]
fn a_port_means_the_host_itself() {
    let mut zone = carrier();
    assert_eq!(
        zone.found("sip:bob@carrier.example:5066"),
        ["udp:192.0.2.99:5066"]
    );
    assert_eq!(
        zone.found("sips:bob@carrier.example:5066"),
        ["tls:192.0.2.99:5066"]
    );
    let only_addresses = |query: &Query| matches!(query, Query::Addresses(_));
    assert!(zone.asked.iter().all(only_addresses));
}

#[test]
fn who_speaks_tcp_alone_is_led_there() {
    let found = carrier().hops("sip:bob@carrier.example", &[Transport::Tcp, Transport::Tls]);
    assert_eq!(found.unwrap()[0].to_string(), "tcp:192.0.2.1:5080");
}

#[test]
fn a_dot_says_that_there_is_no_such_service() {
    let mut zone = Zone::default()
        .srv("_sip._udp.carrier.example.", 0, ".", 0)
        .address("carrier.example", "192.0.2.99");
    let error = zone.hops("sip:bob@carrier.example;transport=udp", &super::ALL);
    assert_eq!(
        error,
        Err(ResolveError::Nobody(
            "carrier.example says that it has no such service".to_owned()
        ))
    );
}

#[test]
fn a_server_without_an_address_is_passed_over() {
    let mut zone = Zone::default()
        .srv(
            "_sip._udp.carrier.example.",
            1,
            "gone.carrier.example.",
            5060,
        )
        .srv(
            "_sip._udp.carrier.example.",
            2,
            "here.carrier.example.",
            5060,
        )
        .address("here.carrier.example.", "2001:db8::1");
    assert_eq!(
        zone.found("sip:carrier.example"),
        ["udp:[2001:db8::1]:5060"]
    );
}

#[test]
fn a_flood_of_servers_is_cut_short() {
    let mut zone = Zone::default();
    for at in 0..200 {
        let name = format!("s{at}.carrier.example.");
        zone = zone
            .srv("_sip._udp.carrier.example.", at, &name, 5060)
            .address(&name, &format!("192.0.2.{at}"));
    }
    assert_eq!(zone.found("sip:carrier.example").len(), 16);
    assert!(zone.asked.len() < 24);
}
