// SPDX-License-Identifier: MPL-2.0
//! The challenging side, in virtual time, against our own client.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip_ua::digest::server::{Denied, Presented, Verifier};
use sip_ua::digest::{Challenge, Credentials, respond};
use sip_ua::wire::{Method, Uri};

const LIFETIME: Duration = Duration::from_secs(300);

struct Scene {
    verifier: Verifier,
    now: Instant,
    source: IpAddr,
    uri: Uri,
    body: &'static [u8],
}

impl Scene {
    fn new() -> Scene {
        Scene::remembering(1000)
    }

    fn remembering(limit: usize) -> Scene {
        let now = Instant::now();
        Scene {
            verifier: Verifier::new("trunk.example", now, LIFETIME, limit),
            now,
            source: "192.0.2.7".parse().unwrap(),
            uri: "sip:room@sip.example".parse().unwrap(),
            body: b"v=0\r\n",
        }
    }

    fn challenges(&mut self) -> Vec<Challenge> {
        let values = self.verifier.challenges(self.now, self.source, false);
        values
            .iter()
            .map(|value| Challenge::parse(value).unwrap())
            .collect()
    }

    fn answer(&self, challenges: &[Challenge], password: &str, nc: u32) -> Vec<u8> {
        let alice = Credentials::new("alice", password);
        let uri = self.uri.to_bytes();
        respond(
            challenges,
            &alice,
            &Method::Invite,
            &uri,
            self.body,
            "cn",
            nc,
        )
        .unwrap()
    }

    fn verify(&mut self, authorization: &[u8]) -> Result<String, Denied> {
        let presented = Presented {
            source: self.source,
            method: &Method::Invite,
            uri: &self.uri,
            body: self.body,
        };
        let passwords = |user: &str| (user == "alice").then(|| "s3cret".to_owned());
        self.verifier
            .verify(self.now, presented, [authorization].into_iter(), passwords)
    }
}

#[test]
fn sha_256_is_offered_before_md5_and_both_let_in() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    let names: Vec<_> = challenges
        .iter()
        .map(|c| c.algorithm.clone().unwrap())
        .collect();
    assert_eq!(names, [b"SHA-256".to_vec(), b"MD5".to_vec()]);
    for challenge in challenges {
        let answer = scene.answer(&[challenge], "s3cret", 1);
        assert_eq!(scene.verify(&answer).as_deref(), Ok("alice"));
    }
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_denied_alike() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    let answer = scene.answer(&challenges, "guess", 1);
    assert_eq!(scene.verify(&answer), Err(Denied::Wrong));
    let mallory = Credentials::new("mallory", "");
    let uri = scene.uri.to_bytes();
    let answer = respond(
        &challenges,
        &mallory,
        &Method::Invite,
        &uri,
        scene.body,
        "cn",
        1,
    );
    assert_eq!(scene.verify(&answer.unwrap()), Err(Denied::Wrong));
    // The guess has used nothing up.
    let right = scene.answer(&challenges, "s3cret", 1);
    assert!(scene.verify(&right).is_ok());
}

#[test]
fn the_same_answer_is_not_taken_twice() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    let first = scene.answer(&challenges, "s3cret", 1);
    assert!(scene.verify(&first).is_ok());
    assert_eq!(scene.verify(&first), Err(Denied::Stale));
    assert!(Denied::Stale.is_stale());
}

#[test]
fn counts_may_overtake_each_other_within_a_window() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    for (nc, taken) in [
        (1, true),
        (5, true),
        (3, true),
        (3, false),
        (200, true),
        (4, false),
    ] {
        let answer = scene.answer(&challenges, "s3cret", nc);
        assert_eq!(scene.verify(&answer).is_ok(), taken, "nc={nc}");
    }
}

#[test]
fn without_qop_a_nonce_serves_once() {
    let mut scene = Scene::new();
    let mut challenges = scene.challenges();
    challenges[0].qop = None;
    let answer = scene.answer(&challenges[..1], "s3cret", 1);
    assert!(scene.verify(&answer).is_ok());
    assert_eq!(scene.verify(&answer), Err(Denied::Stale));
}

#[test]
fn a_nonce_expires() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    scene.now += LIFETIME - Duration::from_millis(1);
    let answer = scene.answer(&challenges, "s3cret", 1);
    assert!(scene.verify(&answer).is_ok());
    scene.now += Duration::from_millis(1);
    let answer = scene.answer(&challenges, "s3cret", 2);
    assert_eq!(scene.verify(&answer), Err(Denied::Stale));
    let values = scene.verifier.challenges(scene.now, scene.source, true);
    assert!(Challenge::parse(&values[0]).unwrap().stale);
}

#[test]
fn every_algorithm_and_quality_of_protection_lets_in_who_knows_the_password() {
    use sip_ua::digest::{Algorithm, Qop};
    let algorithms = [Algorithm::SHA_512_256, Algorithm::SHA_256, Algorithm::MD5];
    for algorithm in algorithms {
        let mut scene = Scene::new();
        scene.verifier =
            Verifier::new("trunk.example", scene.now, LIFETIME, 10).offering(vec![algorithm]);
        for qop in [None, Some(vec![Qop::Auth]), Some(vec![Qop::AuthInt])] {
            let mut challenges = scene.challenges();
            assert_eq!(challenges.len(), 1);
            assert_eq!(
                challenges[0].algorithm.as_deref(),
                Some(algorithm.name().as_bytes())
            );
            challenges[0].qop = qop;
            let wrong = scene.answer(&challenges, "guess", 1);
            assert_eq!(scene.verify(&wrong), Err(Denied::Wrong));
            let right = scene.answer(&challenges, "s3cret", 1);
            let spelt = String::from_utf8(right.clone()).unwrap();
            let spelt = spelt.replace("Digest ", "dIGEST  ");
            assert!(scene.verify(spelt.as_bytes()).is_ok(), "{spelt}");
            assert_eq!(scene.verify(&right), Err(Denied::Stale));
        }
    }
    // What was not offered is not taken.
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    let answer = scene.answer(&challenges[1..], "s3cret", 1);
    let key = Verifier::new("trunk.example", scene.now, LIFETIME, 10);
    scene.verifier = key.offering(vec![Algorithm::SHA_256]);
    assert_eq!(scene.verify(&answer), Err(Denied::Malformed));
}

/// "Stale" tells that the password is right, so it is told to nobody who merely made up a nonce
/// (RFC 7616 section 3.3).
#[test]
fn a_wrong_password_is_wrong_however_old_its_nonce() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    scene.now += 2 * LIFETIME;
    let guess = scene.answer(&challenges, "guess", 1);
    assert_eq!(scene.verify(&guess), Err(Denied::Wrong));
    let mut made_up = challenges[..1].to_vec();
    made_up[0].nonce = b"00".to_vec();
    let guess = scene.answer(&made_up, "guess", 1);
    assert_eq!(scene.verify(&guess), Err(Denied::Wrong));
    let right = scene.answer(&challenges, "s3cret", 1);
    assert_eq!(scene.verify(&right), Err(Denied::Stale));
}

#[test]
fn a_nonce_is_bound_to_its_source_and_its_process() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    let answer = scene.answer(&challenges, "s3cret", 1);
    scene.source = "192.0.2.8".parse().unwrap();
    assert_eq!(scene.verify(&answer), Err(Denied::Stale));
    let mut other = Scene::new();
    assert_eq!(other.verify(&answer), Err(Denied::Stale));
    scene.source = "192.0.2.7".parse().unwrap();
    assert!(scene.verify(&answer).is_ok());
}

#[test]
fn an_answer_serves_its_request_alone() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    let answer = scene.answer(&challenges, "s3cret", 1);
    scene.uri = "sip:other@sip.example".parse().unwrap();
    assert_eq!(scene.verify(&answer), Err(Denied::OtherUri));

    // With auth-int also its body.
    let mut scene = Scene::new();
    let mut challenges = scene.challenges();
    challenges[0].qop = Some(vec![sip_ua::digest::Qop::AuthInt]);
    let answer = scene.answer(&challenges[..1], "s3cret", 1);
    scene.body = b"v=0\r\nchanged";
    assert_eq!(scene.verify(&answer), Err(Denied::Wrong));
    scene.body = b"v=0\r\n";
    assert!(scene.verify(&answer).is_ok());
}

#[test]
fn what_is_forgotten_is_not_taken_again() {
    let mut scene = Scene::remembering(2);
    let rounds: Vec<_> = (0..4)
        .map(|_| {
            let challenges = scene.challenges();
            scene.now += Duration::from_millis(1);
            let answer = scene.answer(&challenges, "s3cret", 1);
            assert!(scene.verify(&answer).is_ok());
            answer
        })
        .collect();
    for answer in rounds {
        assert_eq!(scene.verify(&answer), Err(Denied::Stale));
    }
}

#[test]
fn other_credentials_beside_ours_are_passed_over() {
    let mut scene = Scene::new();
    let challenges = scene.challenges();
    let ours = scene.answer(&challenges, "s3cret", 1);
    let values: [&[u8]; 3] = [
        b"NoOneKnowsThisScheme opaque-data=here",
        b"Digest realm=\"elsewhere\"",
        &ours,
    ];
    let presented = Presented {
        source: scene.source,
        method: &Method::Invite,
        uri: &scene.uri,
        body: scene.body,
    };
    let verified = scene
        .verifier
        .verify(scene.now, presented, values.into_iter(), |_| {
            Some("s3cret".into())
        });
    assert_eq!(verified.as_deref(), Ok("alice"));
    assert_eq!(scene.verify(values[0]), Err(Denied::Missing));
}

#[test]
fn garbage_in_credentials_is_refused() {
    let mut scene = Scene::new();
    for rest in [
        "",
        r#", username="a", nonce="zz", uri="sip:room@sip.example", response="x""#,
    ] {
        let value = format!(r#"Digest realm="trunk.example"{rest}"#);
        assert!(scene.verify(value.as_bytes()).is_err());
    }
}
