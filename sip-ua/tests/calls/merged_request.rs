// SPDX-License-Identifier: MPL-2.0
//! One INVITE, forked by a proxy, arrives twice over different ways (RFC 3261 §8.2.2.2).

use crate::pair::{Pair, Side};
use crate::peer::{read_response, request, stranger};

#[test]
fn the_second_copy_gets_482_and_the_first_one_rings() {
    let mut pair = Pair::new();
    let one = request(
        "INVITE",
        "f",
        &["Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK-one"],
        "",
    );
    let two = request(
        "INVITE",
        "f",
        &["Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK-two"],
        "",
    );
    pair.inject(Side::Bob, stranger(), &one);
    pair.inject(Side::Bob, stranger(), &two);
    assert_eq!(pair.incoming.len(), 1);
    assert_eq!(pair.strays.len(), 1);
    assert_eq!(read_response(&pair.strays[0].1).status, 482);
}

#[test]
fn an_old_peer_without_branches_is_told_apart_by_the_rest() {
    let mut pair = Pair::new();
    let via = "Via: SIP/2.0/UDP 198.51.100.9";
    let invite = request("INVITE", "old", &[via], "");
    pair.inject(Side::Bob, stranger(), &invite);
    pair.inject(Side::Bob, stranger(), &invite);
    // The repetition was absorbed and answered with the 100.
    assert_eq!(pair.incoming.len(), 1);
    assert_eq!(read_response(&pair.strays[0].1).status, 100);
    let b = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| bob.reject(now, b, 486, None));
    let refusal = read_response(&pair.strays[1].1);
    assert_eq!(refusal.status, 486);
    let to = String::from_utf8(refusal.headers.get("To").unwrap().to_vec()).unwrap();
    let ack = request(
        "ACK",
        "old",
        &[via, &format!("To: {to}"), "CSeq: 1 ACK"],
        "",
    );
    pair.inject(Side::Bob, stranger(), &ack);
    pair.run(crate::pair::ms(4_000));
    // Acknowledged: Timer G is silent.
    assert_eq!(pair.strays.len(), 2);
}
