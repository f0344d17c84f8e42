// SPDX-License-Identifier: MPL-2.0
//! A side whose keys come from a handshake: certificates, credentials and candidates are that side's own.

use sip_ua::sdp::{IceAgreed, IceCredentials, LocalDtls, LocalIce, TlsId};

use super::*;

fn candidate(address: &str) -> String {
    format!("candidate:1 1 udp 2113937151 {address} 4000 typ host")
}

/// A far end with a handshake and checks.
fn browser(port: u16, codecs: &[Codec]) -> Phone {
    let mut phone = Phone::new(port, codecs);
    phone.local.feedback = true;
    phone.local.dtls = Some(LocalDtls {
        fingerprint: vec![0xb0; 32],
        ice: Some(LocalIce {
            credentials: IceCredentials::random(),
            lite: false,
            candidates: vec![candidate("198.51.100.1")],
        }),
        role: None,
        tls_id: TlsId::random(),
    });
    phone
}

/// Side A shakes hands.
fn shaking(ice: IcePolicy) -> ExchangeConfig {
    let mut config = config();
    config.sides[0].feedback = true;
    config.sides[0].dtls = Some(DtlsConfig {
        fingerprint: vec![0xf1; 32],
        ice,
    });
    config
}

fn story(ice: IcePolicy) -> Story {
    let codecs = [Codec::Opus, Codec::Pcmu];
    Story::new(
        shaking(ice),
        browser(4000, &codecs),
        Phone::new(5000, &codecs),
    )
}

fn ice(agreed: &Negotiated) -> &IceAgreed {
    agreed.dtls.as_ref().unwrap().ice.as_ref().unwrap()
}

#[test]
fn nothing_of_the_handshake_crosses() {
    for policy in [IcePolicy::Lite, IcePolicy::Full] {
        let mut story = story(policy);
        let agreed = story.call();
        assert!(lines(&agreed.offer, "m=audio")[0].contains(" RTP/AVP "));
        for secret in [
            "fingerprint",
            "tls-id",
            "ice-",
            "candidate",
            "setup",
            "BUNDLE",
        ] {
            let said = text(&agreed.offer);
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        assert!(lines(&agreed.answer, "m=audio")[0].contains(" UDP/TLS/RTP/SAVPF "));
        assert_eq!(lines(&agreed.answer, "a=setup"), ["a=setup:passive"]);
        let lite = usize::from(policy == IcePolicy::Lite);
        assert_eq!(lines(&agreed.answer, "a=ice-lite").len(), lite);
        assert!(lines(&agreed.answer, "a=candidate")[0].contains(" 192.0.2.9 6000 typ host"));
        let [a, b] = &agreed.bridge;
        assert_eq!(a.dtls.as_ref().unwrap().fingerprint, [0xb0; 32]);
        assert_eq!(b.dtls, None);
        assert_eq!(ice(a).remote, ice(&agreed.alice).local);
        assert_eq!(ice(a).candidates, [candidate("198.51.100.1")]);
        assert_eq!(agreed.alice.dtls.unwrap().fingerprint, [0xf1; 32]);
    }
}

#[test]
fn a_plain_caller_reaches_a_browser() {
    let mut config = shaking(IcePolicy::Full);
    config.sides.swap(0, 1);
    config.sides[0].reached_at.set_port(6000);
    config.sides[1].reached_at.set_port(7000);
    let codecs = [Codec::Pcmu];
    let mut story = Story::new(config, Phone::new(4000, &codecs), browser(5000, &codecs));
    let agreed = story.call();
    assert_eq!(lines(&agreed.offer, "a=setup"), ["a=setup:actpass"]);
    assert_eq!(lines(&agreed.offer, "a=group"), ["a=group:BUNDLE 0"]);
    let [a, b] = &agreed.bridge;
    assert_eq!(a.dtls, None);
    assert!(ice(b).controlling && !ice(&agreed.bob).controlling);
}

#[test]
fn plain_offers_are_refused_where_hands_are_shaken() {
    let mut exchange = Exchange::new(shaking(IcePolicy::Off));
    let plain = Phone::new(4000, &[Codec::Pcma]).offer();
    let error = exchange.offer(Instant::now(), "alice", None, &plain);
    let error = error.unwrap_err();
    assert!(
        error.to_string().contains("DTLS-SRTP is required"),
        "{error}"
    );
    assert_eq!(error.sip_code(), 488);
}

#[test]
fn candidates_that_come_later_are_kept_until_there_is_an_answer() {
    let mut story = story(IcePolicy::Full);
    let early = story
        .exchange
        .add_candidate("alice", &candidate("198.51.100.7"));
    assert_eq!(early, Err(ExchangeError::UnknownTag("alice".to_owned())));
    let offer = story.alice_offers().unwrap();
    let exchange = &mut story.exchange;
    let kept = exchange.add_candidate("alice", &candidate("198.51.100.7"));
    assert_eq!(kept, Ok(None));
    let (answer, _) = story.bob.answer(&offer);
    let answered = exchange.answer("alice", "bob", &answer).unwrap();
    assert_eq!(
        ice(&answered.agreed[0]).candidates,
        ["198.51.100.1", "198.51.100.7"].map(candidate)
    );
    let later = exchange.add_candidate("alice", &candidate("198.51.100.8"));
    assert_eq!(later, Ok(Some((Side::A, 0))));
    // A service of this machine is nobody's candidate.
    let local = exchange.add_candidate("alice", &candidate("127.0.0.1"));
    assert_eq!(local, Ok(None));
}

#[test]
fn each_who_answers_has_a_number() {
    let mut config = shaking(IcePolicy::Full);
    config.sides.swap(0, 1);
    let codecs = [Codec::Pcma];
    let mut story = Story::new(config, Phone::new(4000, &codecs), browser(5000, &codecs));
    let offer = story.alice_offers().unwrap();
    let mut ours = Vec::new();
    for (tag, number) in [("carol", 0), ("dave", 1), ("carol", 0)] {
        let (answer, _) = browser(5000, &codecs).answer(&offer);
        let answered = story.exchange.answer("alice", tag, &answer).unwrap();
        assert_eq!(answered.parties, [0, number]);
        ours.push(ice(&answered.agreed[1]).local.clone());
        let later = story
            .exchange
            .add_candidate(tag, &candidate("198.51.100.9"));
        assert_eq!(later, Ok(Some((Side::B, number))));
    }
    // There was one offer.
    assert!(ours.iter().all(|credentials| *credentials == ours[0]));
}

#[test]
fn a_restart_of_one_side_is_nothing_to_the_other() {
    let mut story = story(IcePolicy::Full);
    let first = story.call();
    let dtls = story.alice.local.dtls.as_mut().unwrap();
    dtls.ice.as_mut().unwrap().credentials = IceCredentials::random();
    let again = story.call();
    assert_ne!(ice(&again.bridge[0]).remote, ice(&first.bridge[0]).remote);
    assert_ne!(ice(&again.bridge[0]).local, ice(&first.bridge[0]).local);
    assert_eq!(text(&again.offer), text(&first.offer));
    assert!(!again.bridge[0].dtls.as_ref().unwrap().active, "as before");
}
