// SPDX-License-Identifier: MPL-2.0
//! Ends of one process that have one certificate are told their keys and need no DTLS, where one of them is named as
//! such.

use std::time::Duration;

use super::*;
use crate::rtc::Kinship;
use crate::rtc::description::Credentials;
use crate::rtc::kin::Kin;

fn speaking(certificates: [Certificate; 2]) -> Session {
    let [of_a, of_b] = certificates;
    let mut a = Peer::with(of_a, "192.0.2.1:5000", false);
    let mut b = Peer::with(of_b, "192.0.2.2:6000", false);
    a.speaks(11);
    b.speaks(22);
    Session::new(a, b)
}

fn with_one() -> Session {
    let certificate = Certificate::generate().unwrap();
    speaking([certificate.clone(), certificate])
}

fn kinship(of: &Peer) -> Kinship {
    Kinship::of(&of.negotiation.credentials().ufrag)
}

#[test]
fn keys_are_there_without_a_word() {
    // Whichever of them is named.
    for named in [0, 1] {
        let mut session = with_one();
        let _kinship = kinship([&session.a, &session.b][named]);
        session.connect();
        assert_eq!(session.records, 0);
        session.talk(20, &[0]);
        assert_eq!((session.a.packets.len(), session.b.packets.len()), (20, 20));
    }
}

#[test]
fn whoever_is_not_named_has_dtls() {
    let mut session = with_one();
    drop(kinship(&session.b));
    session.connect();
    assert_ne!(session.records, 0);
}

#[test]
fn whoever_has_another_certificate_has_dtls() {
    let another = || Certificate::generate().unwrap();
    let mut session = speaking([another(), another()]);
    let _kinship = kinship(&session.b);
    session.connect();
    assert_ne!(session.records, 0);
}

/// Its description names our fingerprint, which everybody knows; it has the key of another.
#[test]
fn whoever_has_the_fingerprint_alone_gets_nothing() {
    let mut session = with_one();
    session.b.transport = {
        let mut transport = Transport::new(Certificate::generate().unwrap(), false);
        transport.add_host(session.b.address);
        transport
    };
    let _kinship = kinship(&session.b);
    session.negotiate();
    session.run(Duration::from_secs(2));
    assert_ne!(session.a.state(), TransportState::Connected);
    session.talk(20, &[0]);
    assert!(session.a.packets.is_empty());
}

#[test]
fn a_goodbye_is_understood() {
    let mut session = with_one();
    let _kinship = kinship(&session.b);
    session.connect();
    session.b.transport.close();
    session.until("the other is told", Duration::from_secs(1), |session| {
        session.a.state() == TransportState::Closed
    });
}

/// Nobody but the two knows what they say.
#[test]
fn nobody_else_says_goodbye() {
    let mut session = with_one();
    let _kinship = kinship(&session.b);
    session.connect();
    let said = [&[21, 254, 253], &[0; 32][..]].concat();
    let (now, a, b) = (session.now, session.a.address, session.b.address);
    session.a.transport.receive(now, a, b, &said);
    session.run(Duration::from_secs(1));
    assert_eq!(session.a.state(), TransportState::Connected);
    session.talk(20, &[0]);
    assert_eq!(session.a.packets.len(), 20);
}

/// Names are seen on the way, passwords are not.
#[test]
fn whoever_knows_the_names_alone_is_told_nothing() {
    let certificate = Certificate::generate().unwrap();
    let end = |ufrag: &str, password: &str| Credentials {
        ufrag: ufrag.to_owned(),
        password: password.to_owned(),
    };
    let (sfu, phone) = (end("a-room", "its-password"), end("a-phone", "its-own"));
    let guessed = end("a-phone", "another");
    let _kinship = Kinship::of(&sfu.ufrag);
    let told = |theirs: &Credentials| {
        let mut passive = Kin::new(certificate.dtls(), [&sfu, theirs], false).unwrap();
        let mut active = Kin::new(certificate.dtls(), [&phone, &sfu], true).unwrap();
        [&mut passive, &mut active].map(|end| end.poll_outcome().is_some())
    };
    assert_eq!(told(&guessed), [false, false]);
    assert_eq!(told(&phone), [true, true]);
}
