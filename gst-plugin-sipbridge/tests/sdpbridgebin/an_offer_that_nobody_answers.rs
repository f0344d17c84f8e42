// SPDX-License-Identifier: MPL-2.0
//! It ends by itself, and gives its ports back.

use std::net::UdpSocket;

use sip_ua::sdp::Codec;

use crate::phone::{Bridge, Phone, described, ports};

#[test]
fn the_first_one_ends_the_bridge() {
    let bridge = Bridge::new("offer-timeout=1");
    let mut alice = Phone::new(&[Codec::Pcma]);
    let offered = bridge.offer("alice", &alice.offer()).unwrap();
    let ended = bridge.wait("sdp-bridge-ended");
    let reason = ended.get::<String>("reason").unwrap();
    assert!(reason.contains("nobody answered"), "{reason}");
    for port in ports(&[&offered]) {
        UdpSocket::bind(("127.0.0.1", port)).unwrap();
    }
    let late = bridge.answer("alice", "bob", &offered).unwrap_err();
    assert_eq!(late.1, 481, "{}", late.0);
    // The next offer begins another one.
    bridge.offer("alice", &alice.offer()).unwrap();
}

#[test]
fn a_later_one_leaves_what_was_agreed() {
    let bridge = Bridge::new("offer-timeout=1");
    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
    bridge.call(&mut alice, &mut bob);
    bridge.offer("alice", &alice.offer()).unwrap();
    bridge.wait("sdp-bridge-offer-expired");
    bridge.join(("bob", &mut bob), ("alice", &mut alice));
}

#[test]
fn one_that_is_refused_is_undone() {
    let bridge = Bridge::new("");
    let mut alice = Phone::new(&[Codec::Pcma]);
    let offered = bridge.offer("alice", &alice.offer()).unwrap();
    let reply = bridge.ask("rollback", None);
    assert!(reply.has_field("stats"), "{reply}");
    for port in ports(&[&offered]) {
        UdpSocket::bind(("127.0.0.1", port)).unwrap();
    }
    let again = described(&bridge.ask("rollback", None)).unwrap_err();
    assert_eq!(again.1, 481, "{}", again.0);
}

#[test]
fn an_element_that_is_dropped_takes_it_along() {
    let mut alice = Phone::new(&[Codec::Pcma]);
    let bridge = Bridge::new("");
    let offered = bridge.offer("alice", &alice.offer()).unwrap();
    drop(bridge);
    for port in ports(&[&offered]) {
        UdpSocket::bind(("127.0.0.1", port)).unwrap();
    }
}
