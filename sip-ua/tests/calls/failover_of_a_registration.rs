// SPDX-License-Identifier: MPL-2.0
//! A registrar is several servers (RFC 3263 §4.3): another one is asked where one does not answer.

use std::net::SocketAddr;

use sip_ua::registrar::Config;
use sip_ua::registration::RegistrationState;

use crate::pair::{MINUTE, Pair, Side, ms};
use crate::registering::{account, pair_with};

fn dead() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 5060))
}

/// The first server is silent, the second is Bob.
fn pair() -> Pair {
    let mut pair = pair_with(Config::default());
    pair.registrars = vec![dead(), Side::Bob.addr()];
    pair
}

fn is_registered(pair: &Pair) -> bool {
    matches!(pair.registration(), RegistrationState::Registered { .. })
}

#[test]
fn the_next_server_is_asked_after_a_few_seconds_of_silence() {
    let mut pair = pair();
    let id = pair.register(account("secret", 600));
    pair.run(ms(3_000));
    assert_eq!(pair.strays.len(), 3);
    pair.run(ms(1_000));
    assert!(is_registered(&pair));
    // Nobody heard of a failure.
    assert_eq!(pair.registrations.len(), 1);
    let hop = pair.alice.registrar_of(id).unwrap();
    assert_eq!(hop.addr, Side::Bob.addr());
    // The first has all but another minute of rest when it is refreshed: Bob is asked at once.
    let before = pair.strays.len();
    pair.run(ms(59_000));
    assert_eq!(pair.strays.len(), before);
    assert_eq!(pair.bound("alice").len(), 1);
}

#[test]
fn it_goes_back_when_the_first_one_may_live_again() {
    let mut pair = pair();
    pair.register(account("secret", 600));
    pair.run(ms(5_000));
    let before = pair.strays.len();
    // The refresh tries it, in vain, and nobody notices: Bob has it in time.
    pair.run(MINUTE * 10);
    assert!(pair.strays.len() > before);
    assert_eq!(
        pair.registrations
            .iter()
            .filter(|news| failed(&news.3))
            .count(),
        0
    );
    assert!(is_registered(&pair));
    assert_eq!(pair.bound("alice").len(), 1);
}

fn failed(state: &RegistrationState) -> bool {
    matches!(state, RegistrationState::Failed { .. })
}

#[test]
fn it_stays_where_it_is_as_long_as_that_answers() {
    let mut pair = pair();
    pair.registrars.reverse();
    pair.register(account("secret", 60));
    pair.run(MINUTE * 5);
    assert!(pair.strays.is_empty());
    assert!(pair.count(Side::Alice, "REGISTER") > 5);
}

#[test]
fn a_server_that_stops_to_answer_is_left() {
    let mut pair = pair();
    pair.registrars.reverse();
    pair.register(account("secret", 600));
    pair.run(ms(1_000));
    pair.wire = Box::new(|_| crate::pair::Fate::Lose);
    pair.run(MINUTE * 10);
    assert!(!pair.strays.is_empty());
    assert!(pair.registrations.iter().any(|news| failed(&news.3)));
}

#[test]
fn a_wrong_password_is_wrong_everywhere() {
    let mut pair = pair();
    pair.registrars.reverse();
    pair.register(account("guess", 600));
    pair.run(MINUTE);
    assert!(failed(pair.registration()));
    assert!(pair.strays.is_empty());
}

#[test]
fn unregistering_asks_the_server_that_holds_the_binding() {
    let mut pair = pair();
    let id = pair.register(account("secret", 600));
    pair.run(ms(5_000));
    let before = pair.strays.len();
    pair.act(Side::Alice, |alice, now| alice.unregister(now, id));
    pair.run(ms(1_000));
    assert_eq!(*pair.registration(), RegistrationState::Unregistered);
    assert_eq!(pair.strays.len(), before);
    assert!(pair.bound("alice").is_empty());
}
