// SPDX-License-Identifier: MPL-2.0
//! To whom the screen does not know there is nobody here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sip_ua::digest::Credentials;
use sip_ua::digest::server::{Presented, Verifier};
use sip_ua::endpoint::{EndCause, Verdict};
use sip_ua::wire::{HeaderName, Request};

use crate::pair::{MINUTE, Pair, Side, endpoint, everyone, ms, outgoing};
use crate::peer::{read_response, request, stranger};

fn screened(verdict: Verdict) -> Pair {
    let known = Side::Alice.addr().ip();
    let screen = Arc::new(move |_: &_, from: SocketAddr| match from.ip() == known {
        true => Verdict::Allow,
        false => verdict.clone(),
    });
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

#[test]
fn a_challenging_screen_asks_for_a_password_and_lets_in_who_knows_it() {
    let verifier = Mutex::new(Verifier::new("here", Instant::now(), MINUTE, 100));
    let screen = Arc::new(move |request: &Request, source: SocketAddr| {
        let mut verifier = verifier.lock().unwrap();
        let presented = Presented {
            source: source.ip(),
            method: &request.method,
            uri: &request.uri,
            body: &request.body,
        };
        let now = Instant::now();
        let given = request.headers.get_all(HeaderName::Authorization);
        let password = |user: &str| (user == "alice").then(|| "secret".to_owned());
        match verifier.verify(now, presented, given, password) {
            Ok(_) => Verdict::Allow,
            Err(denied) => {
                Verdict::Challenge(verifier.challenges(now, source.ip(), denied.is_stale()))
            }
        }
    });
    let mut pair = Pair::of(endpoint(1, everyone()), endpoint(2, screen));
    let mut call = outgoing();
    call.credentials = Some(Credentials::new("alice", "secret"));
    pair.dial_with(call.clone());
    pair.run(ms(100));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 401"), 1);
    assert_eq!(pair.incoming.len(), 1);
    call.credentials = Some(Credentials::new("alice", "guess"));
    let a = pair.dial_with(call);
    pair.run(ms(100));
    assert_eq!(pair.incoming.len(), 1);
    assert_eq!(pair.end(Side::Alice, a).cause, EndCause::Unauthorized);
}
