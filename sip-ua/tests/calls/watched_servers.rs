// SPDX-License-Identifier: MPL-2.0
//! Servers are asked by OPTIONS whether they are there, and who is not gets no call first.

use std::net::SocketAddr;
use std::time::Duration;

use sip_ua::digest::Credentials;
use sip_ua::transport::Hop;
use sip_ua::watch::{ServerState, WatchConfig, WatchId};

use crate::pair::{MINUTE, Pair, Side, ms, outgoing};
use crate::servers::{methods_to, other, request_to, respond};

const EVERY: Duration = Duration::from_secs(30);
/// How exactly the moment is known at which something is sent.
const LOOK: Duration = Duration::from_millis(100);

fn config() -> WatchConfig {
    WatchConfig {
        uri: "sip:carrier.example".parse().unwrap(),
        from: "<sip:us@carrier.example>".parse().unwrap(),
        route: Vec::new(),
        credentials: None,
        every: EVERY,
    }
}

fn watching(config: WatchConfig, servers: &[SocketAddr]) -> (Pair, WatchId) {
    let mut pair = Pair::new();
    pair.watched_found = Ok(servers.to_vec());
    let id = WatchId::unique();
    pair.act(Side::Alice, |alice, now| alice.watch(now, id, config));
    (pair, id)
}

/// How many OPTIONS, the same one once, this server got.
fn asked(pair: &Pair, server: SocketAddr) -> usize {
    let sent = methods_to(pair, server).len();
    let mut ids: Vec<Vec<u8>> = (0..sent)
        .map(|at| request_to(pair, server, at))
        .filter(|request| request.method == sip_ua::wire::Method::Options)
        .map(|request| request.headers.get("Call-ID").unwrap().to_vec())
        .collect();
    ids.dedup();
    ids.len()
}

fn until_asked(pair: &mut Pair, server: SocketAddr, times: usize) {
    let deadline = pair.now + EVERY * 2;
    while asked(pair, server) < times {
        assert!(pair.now < deadline, "it is asked no more");
        pair.run(LOOK);
    }
}

fn answer_last(pair: &mut Pair, server: SocketAddr, status: u16, more: &[&str]) {
    let last = methods_to(pair, server).len() - 1;
    let request = request_to(pair, server, last);
    respond(pair, server, &request, status, more);
}

fn states(pair: &Pair) -> Vec<ServerState> {
    let (_, _, state) = pair.watches.last().expect("news of it");
    let states = state.servers.iter().map(|server| server.state.clone());
    states.collect()
}

fn is_down(state: &ServerState) -> bool {
    matches!(state, ServerState::Down { .. })
}

#[test]
fn who_answers_anything_is_there() {
    for status in [200, 401, 403, 404, 405, 481, 486, 500, 504, 603] {
        let (mut pair, _) = watching(config(), &[other(9)]);
        assert_eq!(states(&pair), [ServerState::Unknown]);
        answer_last(&mut pair, other(9), status, &[]);
        assert_eq!(states(&pair), [ServerState::Up { status }]);
        let (_, _, state) = pair.watches.last().unwrap();
        assert_eq!(state.is_up(), Some(true));
        assert!(pair.alice.fallen(pair.now).is_empty());
    }
    for status in [408, 503] {
        let (mut pair, _) = watching(config(), &[other(9)]);
        answer_last(&mut pair, other(9), status, &[]);
        assert!(is_down(&states(&pair)[0]), "{status}");
        assert_eq!(pair.watches.last().unwrap().2.is_up(), Some(false));
        assert_eq!(pair.alice.fallen(pair.now)[0].hop, Hop::from(other(9)));
    }
}

#[test]
fn what_is_asked_is_of_no_dialog() {
    let (mut pair, _) = watching(config(), &[other(9)]);
    let first = request_to(&pair, other(9), 0);
    assert_eq!(first.uri.to_string(), "sip:carrier.example");
    assert_eq!(
        first.headers.get("To"),
        Some(b"<sip:carrier.example>".as_slice())
    );
    answer_last(&mut pair, other(9), 200, &[]);
    pair.run(EVERY);
    let again = request_to(&pair, other(9), 1);
    for name in ["Call-ID", "From", "Via"] {
        assert_ne!(first.headers.get(name), again.headers.get(name), "{name}");
    }
}

#[test]
fn each_is_asked_once_an_interval() {
    let (mut pair, id) = watching(config(), &[other(8), other(9)]);
    for rounds in 1..=10 {
        assert_eq!(
            [asked(&pair, other(8)), asked(&pair, other(9))],
            [rounds; 2]
        );
        answer_last(&mut pair, other(8), 200, &[]);
        answer_last(&mut pair, other(9), 404, &[]);
        // Not all workers at the same moment: up to a tenth sooner.
        pair.run(EVERY - EVERY / 10 - LOOK);
        assert_eq!(asked(&pair, other(8)), rounds);
        let before = pair.now;
        until_asked(&mut pair, other(8), rounds + 1);
        assert!(pair.now - before <= EVERY / 10 + LOOK * 2);
    }
    // Three times: all unknown, one known, both known. The rest is no news.
    assert_eq!(pair.watches.len(), 3);
    pair.act(Side::Alice, |alice, _| alice.unwatch(id));
    pair.run(MINUTE);
    assert_eq!(asked(&pair, other(8)), 11);
    pair.assert_empty();
}

#[test]
fn who_is_silent_gets_no_call_first_until_it_answers() {
    let (first, bob) = (other(9), Side::Bob.addr());
    let (mut pair, _) = watching(config(), &[first, bob]);
    pair.run(ms(3_300));
    assert!(!is_down(&states(&pair)[0]));
    pair.run(ms(200));
    assert_eq!(methods_to(&pair, first), ["OPTIONS"; 3]);
    assert!(is_down(&states(&pair)[0]));
    assert!(matches!(states(&pair)[1], ServerState::Up { .. }));
    assert_eq!(pair.watches.last().unwrap().2.is_up(), Some(true));
    // The next call goes to the second one at once.
    let servers = [first, bob];
    let a = pair.dial_one_of(outgoing(), &servers);
    pair.run(ms(50));
    assert_eq!(pair.incoming.len(), 1);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    // So it is for as long as nothing is heard of the first.
    pair.run(MINUTE * 30);
    let a = pair.dial_one_of(outgoing(), &servers);
    pair.run(ms(50));
    assert_eq!(pair.incoming.len(), 2);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    assert!(!methods_to(&pair, first).contains(&"INVITE".to_owned()));
    // It comes back: the very next call is its.
    let before = asked(&pair, first);
    until_asked(&mut pair, first, before + 1);
    answer_last(&mut pair, first, 404, &[]);
    assert_eq!(states(&pair)[0], ServerState::Up { status: 404 });
    assert!(pair.alice.fallen(pair.now).is_empty());
    pair.dial_one_of(outgoing(), &servers);
    assert_eq!(methods_to(&pair, first).last().unwrap(), "INVITE");
}

#[test]
fn a_long_interval_leaves_nobody_up_who_was_silent() {
    let rare = WatchConfig {
        every: MINUTE * 20,
        ..config()
    };
    let (mut pair, _) = watching(rare, &[other(9), Side::Bob.addr()]);
    // Longer than what a call that failed would have cost.
    for _ in 0..4 {
        pair.run(MINUTE * 5);
        assert_eq!(pair.alice.fallen(pair.now).len(), 1);
    }
}

#[test]
fn who_says_when_to_come_again_is_asked_nothing_before() {
    let (mut pair, _) = watching(config(), &[other(9)]);
    answer_last(&mut pair, other(9), 503, &["Retry-After: 100"]);
    pair.run(Duration::from_secs(99));
    assert_eq!(asked(&pair, other(9)), 1);
    assert!(is_down(&states(&pair)[0]));
    until_asked(&mut pair, other(9), 2);
    answer_last(&mut pair, other(9), 200, &[]);
    assert_eq!(states(&pair), [ServerState::Up { status: 200 }]);
}

#[test]
fn challenges_are_answered() {
    let with_password = WatchConfig {
        credentials: Some(Credentials::new("us", "secret")),
        ..config()
    };
    let challenge = ["WWW-Authenticate: Digest realm=\"c\", nonce=\"n1\", qop=\"auth\""];
    let (mut pair, _) = watching(with_password, &[other(9)]);
    answer_last(&mut pair, other(9), 401, &challenge);
    assert_eq!(states(&pair), [ServerState::Unknown]);
    let again = request_to(&pair, other(9), 1);
    let first = request_to(&pair, other(9), 0);
    assert_eq!(first.headers.get("Call-ID"), again.headers.get("Call-ID"));
    assert_eq!(again.headers.get("CSeq"), Some(b"2 OPTIONS".as_slice()));
    assert!(again.headers.get("Authorization").is_some());
    answer_last(&mut pair, other(9), 200, &[]);
    assert_eq!(states(&pair), [ServerState::Up { status: 200 }]);
    // The next one has its answer with it.
    pair.run(EVERY);
    let next = request_to(&pair, other(9), 2);
    let said = String::from_utf8_lossy(next.headers.get("Authorization").unwrap()).into_owned();
    assert!(said.contains("nc=00000002"), "{said}");
    // Whoever finds the password wrong is there all the same, and is asked no more often for it.
    answer_last(&mut pair, other(9), 401, &challenge);
    answer_last(&mut pair, other(9), 401, &challenge);
    assert_eq!(states(&pair), [ServerState::Up { status: 401 }]);
    assert_eq!(asked(&pair, other(9)), 2);
}

#[test]
fn one_that_takes_its_time_has_a_transactions_length() {
    let (mut pair, _) = watching(config(), &[other(9)]);
    answer_last(&mut pair, other(9), 100, &[]);
    pair.run(ms(20_000));
    assert_eq!(states(&pair), [ServerState::Unknown]);
    pair.run(ms(13_000));
    assert!(is_down(&states(&pair)[0]));
}

#[test]
fn names_that_lead_nowhere_leave_the_servers_that_were_known() {
    let (mut pair, _) = watching(config(), &[other(9)]);
    answer_last(&mut pair, other(9), 200, &[]);
    pair.watched_found = Err("the host carrier.example was not found".to_owned());
    pair.run(EVERY);
    assert_eq!(asked(&pair, other(9)), 2);
    let (_, _, state) = pair.watches.last().unwrap();
    assert!(state.lost.is_some());
    assert_eq!(state.is_up(), Some(true));
    // Now others serve: the former are asked no more.
    pair.watched_found = Ok(vec![other(8)]);
    pair.run(EVERY);
    assert_eq!(asked(&pair, other(9)), 2);
    assert_eq!(asked(&pair, other(8)), 1);
    assert_eq!(pair.watches.last().unwrap().2.servers.len(), 1);

    let mut pair = Pair::new();
    pair.watched_found = Err("the host carrier.example was not found".to_owned());
    let id = WatchId::unique();
    pair.act(Side::Alice, |alice, now| alice.watch(now, id, config()));
    assert_eq!(pair.watches.last().unwrap().2.is_up(), Some(false));
    pair.watched_found = Ok(vec![other(9)]);
    pair.run(EVERY);
    answer_last(&mut pair, other(9), 200, &[]);
    assert_eq!(pair.watches.last().unwrap().2.is_up(), Some(true));
}
