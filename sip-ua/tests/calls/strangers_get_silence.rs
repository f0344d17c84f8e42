// SPDX-License-Identifier: MPL-2.0
//! To whom the screen does not know there is nobody here.

use std::sync::Arc;

use sip_ua::endpoint::Verdict;

use crate::pair::{Pair, Side, endpoint, everyone};
use crate::peer::{read_response, request, stranger};

fn screened(verdict: Verdict) -> Pair {
    let known = Side::Alice.addr().ip();
    let screen = Arc::new(
        move |_: &_, from: std::net::SocketAddr| match from.ip() == known {
            true => Verdict::Allow,
            false => verdict,
        },
    );
    Pair::of(endpoint(1, everyone()), endpoint(2, screen))
}

#[test]
fn not_one_byte_goes_back_whatever_a_stranger_sends() {
    let mut pair = screened(Verdict::Silent);
    pair.up();
    let before = pair.messages.len();
    let methods = [
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "NOSUCH",
    ];
    for method in methods {
        pair.inject(Side::Bob, stranger(), &request(method, "s", &[], ""));
        let tagged = ["To: <sip:bob@192.0.2.2>;tag=guess", "Require: x"];
        pair.inject(Side::Bob, stranger(), &request(method, "t", &tagged, ""));
        let broken = String::from_utf8(request(method, "u", &[], "")).unwrap();
        let broken = broken.replace("Call-ID", "Call-IX");
        pair.inject(Side::Bob, stranger(), broken.as_bytes());
        let version = broken.replacen("SIP/2.0\r\n", "SIP/9.0\r\n", 1);
        pair.inject(Side::Bob, stranger(), version.as_bytes());
        let short = broken.replace("Content-Length: 0", "Content-Length: 999");
        pair.inject(Side::Bob, stranger(), short.as_bytes());
    }
    assert_eq!(pair.messages.len(), before, "{:?}", pair.ladder);
    assert!(pair.bob.stats().silenced > 0);
    assert_eq!(pair.incoming.len(), 1);
}

#[test]
fn a_refusing_screen_chooses_the_status() {
    let mut pair = screened(Verdict::Refuse(403));
    pair.inject(Side::Bob, stranger(), &request("INVITE", "r", &[], ""));
    assert_eq!(read_response(&pair.strays[0].1).status, 403);
    assert!(pair.incoming.is_empty());
    pair.assert_empty();
}
