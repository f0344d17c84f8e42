// SPDX-License-Identifier: MPL-2.0
//! What a registrar does with requests that no client of ours sends (RFC 3261 §10.3).

use std::time::Duration;

use sip_ua::endpoint::Verdict;
use sip_ua::registrar::Config;
use sip_ua::wire::{Message, NameAddr, Response, read_datagram};

use crate::pair::{MINUTE, Pair, Side, endpoint, everyone};
use crate::peer::stranger;
use crate::registering::{registrar, users};

/// Bob takes everybody at `bob`'s word.
fn trusting(config: Config) -> Pair {
    let screen = std::sync::Arc::new(|_: &_, _| Verdict::AllowUser("bob".to_owned()));
    Pair::of(endpoint(1, everyone()), registrar(screen, config))
}

/// A REGISTER of this Call-ID and CSeq; `more` holds whole header lines.
fn datagram(call: &str, seq: u32, more: &[&str]) -> Vec<u8> {
    let to = match more.iter().any(|line| line.starts_with("To:")) {
        true => "",
        false => "To: <sip:bob@192.0.2.2>\r\n",
    };
    let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "REGISTER sip:192.0.2.2 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK-{call}-{seq}-{}\r\n\
         From: <sip:bob@192.0.2.2>;tag={call}\r\n\
         {to}Call-ID: {call}\r\n\
         CSeq: {seq} REGISTER\r\n\
         Max-Forwards: 70\r\n\
         {more}\r\n",
        more.len()
    );
    text.into_bytes()
}

/// Sends it and gives the answer.
fn register(pair: &mut Pair, call: &str, seq: u32, more: &[&str]) -> Response {
    let before = pair.strays.len();
    pair.inject(Side::Bob, stranger(), &datagram(call, seq, more));
    assert_eq!(pair.strays.len(), before + 1, "one answer");
    match read_datagram(&pair.strays[before].1) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn contacts(response: &Response) -> Vec<String> {
    let list = response.headers.list("Contact");
    list.map(|c| String::from_utf8_lossy(c).into_owned())
        .collect()
}

#[test]
fn several_phones_of_one_user() {
    let mut pair = trusting(Config::default());
    let one = "Contact: <sip:bob@198.51.100.9:1>";
    let two = "Contact: <sip:bob@198.51.100.9:2>;expires=120";
    assert_eq!(
        register(&mut pair, "a", 1, &[one, "Expires: 600"]).status,
        200
    );
    let answer = register(&mut pair, "b", 1, &[two]);
    assert_eq!(
        contacts(&answer),
        [
            "<sip:bob@198.51.100.9:1>;expires=600",
            "<sip:bob@198.51.100.9:2>;expires=120"
        ]
    );
    // The newest first.
    let ports: Vec<_> = pair.bound("bob").iter().map(|b| b.contact.port).collect();
    assert_eq!(ports, [Some(2), Some(1)]);
    assert_eq!(pair.bound("bob")[0].hop.addr, stranger());
    // A query changes nothing.
    assert_eq!(contacts(&register(&mut pair, "c", 1, &[])).len(), 2);
    // The short one runs out, the long one stays.
    pair.run(2 * MINUTE + Duration::from_secs(1));
    assert_eq!(pair.bound("bob").len(), 1);
    let gone = register(&mut pair, "a", 2, &[one, "Expires: 0"]);
    assert_eq!((gone.status, contacts(&gone).len()), (200, 0));
    assert!(pair.bound("bob").is_empty());
}

#[test]
fn a_star_removes_all_and_only_with_expires_zero() {
    let mut pair = trusting(Config::default());
    let one = "Contact: <sip:bob@198.51.100.9:1>, <sip:bob@198.51.100.9:2>";
    register(&mut pair, "a", 1, &[one]);
    assert_eq!(
        register(&mut pair, "a", 2, &["Contact: *", "Expires: 60"]).status,
        400
    );
    assert_eq!(register(&mut pair, "a", 3, &["Contact: *"]).status, 400);
    assert_eq!(pair.bound("bob").len(), 2);
    assert_eq!(
        register(&mut pair, "a", 4, &["Contact: *", "Expires: 0"]).status,
        200
    );
    assert!(pair.bound("bob").is_empty());
}

#[test]
fn an_older_request_of_the_same_phone_changes_nothing() {
    let mut pair = trusting(Config::default());
    let one = "Contact: <sip:bob@198.51.100.9:1>";
    register(&mut pair, "a", 5, &[one]);
    let late = register(&mut pair, "a", 4, &[one, "Expires: 0"]);
    assert_eq!(late.status, 500);
    assert_eq!(pair.bound("bob").len(), 1);
    let star = register(&mut pair, "a", 3, &["Contact: *", "Expires: 0"]);
    assert_eq!(star.status, 500);
    // All or nothing: the new contact beside the old one is not bound either.
    let both = "Contact: <sip:bob@198.51.100.9:2>, <sip:bob@198.51.100.9:1>";
    assert_eq!(register(&mut pair, "a", 2, &[both]).status, 500);
    assert_eq!(pair.bound("bob").len(), 1);
    // Another Call-ID is a phone that started anew.
    assert_eq!(
        register(&mut pair, "b", 1, &[one, "Expires: 0"]).status,
        200
    );
    assert!(pair.bound("bob").is_empty());
}

#[test]
fn intervals_are_kept_within_bounds() {
    let mut pair = trusting(Config::default());
    let one = "Contact: <sip:bob@198.51.100.9:1>";
    let brief = register(&mut pair, "a", 1, &[one, "Expires: 59"]);
    assert_eq!(brief.status, 423);
    assert_eq!(brief.headers.get("Min-Expires"), Some(&b"60"[..]));
    let long = register(&mut pair, "a", 2, &[one, "Expires: 99999"]);
    assert_eq!(contacts(&long), ["<sip:bob@198.51.100.9:1>;expires=3600"]);
}

#[test]
fn memory_is_bounded_and_a_device_that_moved_is_not_two() {
    let mut pair = trusting(Config {
        max_contacts: 3,
        ..Config::default()
    });
    for port in 1..=9 {
        let contact = format!("Contact: <sip:bob@198.51.100.9:{port}>");
        register(&mut pair, &format!("p{port}"), 1, &[&contact]);
    }
    let ports: Vec<_> = pair.bound("bob").iter().map(|b| b.contact.port).collect();
    assert_eq!(ports, [Some(9), Some(8), Some(7)]);
    for port in [21, 22] {
        let contact =
            format!("Contact: <sip:bob@198.51.100.9:{port}>;+sip.instance=\"<urn:uuid:1>\"");
        register(&mut pair, &format!("i{port}"), 1, &[&contact]);
    }
    let ports: Vec<_> = pair.bound("bob").iter().map(|b| b.contact.port).collect();
    assert_eq!(ports, [Some(22), Some(9), Some(8)]);
}

#[test]
fn nobody_binds_anything_to_somebody_else() {
    let mut pair = trusting(Config::default());
    let other = register(
        &mut pair,
        "a",
        1,
        &["To: <sip:alice@192.0.2.2>", "Contact: <sip:m@198.51.100.9>"],
    );
    assert_eq!(other.status, 403);
    assert!(pair.bound("alice").is_empty());
}

#[test]
fn whoever_names_no_user_of_ours_gets_silence_and_whoever_does_is_asked() {
    let mut pair = Pair::of(
        endpoint(1, everyone()),
        registrar(users(), Config::default()),
    );
    let to = "To: <sip:100@192.0.2.2>";
    pair.inject(Side::Bob, stranger(), &datagram("s", 1, &[to]));
    assert!(pair.strays.is_empty());
    let asked = register(&mut pair, "a", 1, &["Contact: <sip:bob@198.51.100.9>"]);
    assert_eq!(asked.status, 401);
    let challenges: Vec<_> = asked.headers.get_all("WWW-Authenticate").collect();
    assert_eq!(challenges.len(), 1);
    assert!(String::from_utf8_lossy(challenges[0]).contains("algorithm=MD5"));
    assert!(pair.bound("bob").is_empty());
    assert_eq!(pair.bob.stats().server_transactions, 0);
}

#[test]
fn calls_go_by_the_proxies_that_ask_for_it() {
    let mut pair = trusting(Config::default());
    let contact = "Contact: <sip:bob@10.0.0.1>";
    let path = "Path: <sip:p2.example;lr>, <sip:p1.example;lr;x=y>";
    let answer = register(&mut pair, "a", 1, &[contact, path, "Supported: path"]);
    assert_eq!(answer.status, 200);
    let said: Vec<_> = answer.headers.list("Path").collect();
    let proxies = [&b"<sip:p2.example;lr>"[..], b"<sip:p1.example;lr;x=y>"];
    assert_eq!(said, proxies);
    let bound = pair.bound("bob").remove(0);
    let kept: Vec<_> = bound.path.iter().map(NameAddr::to_bytes).collect();
    assert_eq!(kept, proxies);
    // To the proxy that asked, wherever its name leads.
    assert_eq!(bound.hop.addr, stranger());

    // Its phone need not know of it; a refresh that comes another way changes the way.
    let path = "Path: <sip:p3.example;lr>\r\nRequire: path";
    let answer = register(&mut pair, "a", 2, &[contact, path]);
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains("Path"));
    let bound = pair.bound("bob").remove(0);
    assert_eq!(bound.path.len(), 1);
    assert_eq!(register(&mut pair, "a", 3, &[contact]).status, 200);
    assert!(pair.bound("bob")[0].path.is_empty());

    for broken in ["Path: <sip:p1.example", "Path: <tel:+15550100>"] {
        let answer = register(&mut pair, "a", 4, &[contact, broken]);
        assert_eq!(answer.status, 400, "{broken}");
    }
    assert!(pair.bound("bob")[0].path.is_empty());
}
