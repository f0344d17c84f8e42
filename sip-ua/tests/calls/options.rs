// SPDX-License-Identifier: MPL-2.0
//! OPTIONS: a trunk asks whether anybody is there.

use sip_ua::wire::HeaderName;

use crate::pair::{Pair, Side};
use crate::peer::{read_response, request, stranger};

#[test]
fn options_are_answered_with_what_can_be_done() {
    let mut pair = Pair::new();
    pair.inject(Side::Bob, stranger(), &request("OPTIONS", "o1", &[], ""));
    let response = read_response(&pair.strays[0].1);
    assert_eq!(response.status, 200);
    for method in ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO"] {
        assert!(
            response.headers.lists(HeaderName::Allow, method),
            "{method}"
        );
    }
    assert!(
        response
            .headers
            .lists(HeaderName::Accept, "application/sdp")
    );
    assert!(response.headers.contains(HeaderName::Supported));
    // Nothing is remembered of it.
    pair.assert_empty();
}

#[test]
fn the_answer_goes_to_the_port_of_the_via_unless_rport_asks_for_the_source() {
    let mut pair = Pair::new();
    let nat = "203.0.113.77:40000".parse().unwrap();
    let via = "Via: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK-o2";
    pair.inject(Side::Bob, nat, &request("OPTIONS", "o2", &[via], ""));
    assert_eq!(pair.strays[0].0, "203.0.113.77:5062".parse().unwrap());
    let via = "Via: SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bK-o3";
    pair.inject(Side::Bob, nat, &request("OPTIONS", "o3", &[via], ""));
    assert_eq!(pair.strays[1].0, nat);
    let response = read_response(&pair.strays[1].1);
    let via = String::from_utf8_lossy(response.headers.get(HeaderName::Via).unwrap()).into_owned();
    assert!(
        via.contains("received=203.0.113.77") && via.contains("rport=40000"),
        "{via}"
    );
}
