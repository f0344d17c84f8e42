// SPDX-License-Identifier: MPL-2.0
//! The answers to challenges: the examples of RFC 2617 and RFC 7616, every algorithm and quality
//! of protection, and the choice among several challenges.

#![allow(clippy::unwrap_used)]

use sip_ua::digest::{Challenge, Credentials, DigestError, Qop, respond};
use sip_ua::wire::Method;

fn challenge(text: &str) -> Challenge {
    Challenge::parse(text.as_bytes()).unwrap()
}

fn get() -> Method {
    Method::Other(b"GET".to_vec())
}

/// Answers as alice of sip.example.
fn answer(challenges: &[Challenge]) -> Result<String, DigestError> {
    let alice = Credentials::new("alice", "s3cret");
    let uri = b"sip:bob@192.0.2.1";
    let value = respond(
        challenges,
        &alice,
        &Method::Invite,
        uri,
        b"v=0\r\n",
        "0a4f113b",
        1,
    )?;
    Ok(String::from_utf8(value).unwrap())
}

fn param<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let params = header.strip_prefix("Digest ").unwrap().split(", ");
    let mut named = params.filter_map(|param| param.split_once('='));
    named
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value.trim_matches('"'))
}

#[test]
fn rfc_2617_section_3_5() {
    let challenge = challenge(
        r#"Digest realm="testrealm@host.com", qop="auth,auth-int",
           nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
    );
    let mufasa = Credentials::new("Mufasa", "Circle Of Life");
    let value = respond(
        &[challenge],
        &mufasa,
        &get(),
        b"/dir/index.html",
        b"",
        "0a4f113b",
        1,
    )
    .unwrap();
    let text = String::from_utf8(value).unwrap();
    assert_eq!(
        param(&text, "response"),
        Some("6629fae49393a05397450978507c4ef1")
    );
    assert_eq!(
        param(&text, "opaque"),
        Some("5ccc069c403ebaf9f0171e9517f40e41")
    );
    // These are not quoted: there are servers that compare them with their quotes.
    assert!(text.contains("qop=auth, nc=00000001"));
    assert_eq!(param(&text, "algorithm"), None);
}

#[test]
fn rfc_7616_section_3_9_1() {
    let expected = [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ];
    for (algorithm, response) in expected {
        let challenge = challenge(&format!(
            r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm},
               nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
               opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
        ));
        let mufasa = Credentials::new("Mufasa", "Circle of Life");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let value = respond(
            &[challenge],
            &mufasa,
            &get(),
            b"/dir/index.html",
            b"",
            cnonce,
            1,
        )
        .unwrap();
        let text = String::from_utf8(value).unwrap();
        assert_eq!(param(&text, "response"), Some(response));
        assert_eq!(param(&text, "algorithm"), Some(algorithm));
    }
}

/// As corrected by erratum 4897: what the RFC prints was made with a draft of SHA-512/256.
#[test]
fn rfc_7616_section_3_9_2() {
    let text = r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256,
        nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash="#;
    let response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5";
    let hashed = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
    let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
    for (userhash, name) in [("true", hashed), ("false", "J\u{e4}s\u{f8}n Doe")] {
        let challenge = challenge(&format!("{text}{userhash}"));
        let doe = Credentials::new("J\u{e4}s\u{f8}n Doe", "Secret, or not?");
        let value = respond(&[challenge], &doe, &get(), b"/doe.json", b"", cnonce, 1).unwrap();
        let text = String::from_utf8(value).unwrap();
        assert_eq!(param(&text, "response"), Some(response));
        assert_eq!(param(&text, "username"), Some(name));
        assert_eq!(text.contains("userhash=true"), userhash == "true");
    }
}

/// Computed with Python's hashlib.
const EVERY_WAY: [(&str, [&str; 3]); 6] = [
    (
        "MD5",
        [
            "6b70c0801aa2038b580cfefc3bc94c1d",
            "e1056adcb5b0a10cfc5c3d6b373d8128",
            "ade603a24188ce0ee44e95f09579b8b8",
        ],
    ),
    (
        "MD5-sess",
        [
            "a46b454c482065aa5e849e836e336ff9",
            "18aba23777af10091b7f4e16ab2a0bd3",
            "3ced210d6734e0c4e6ee3b2468e67a3e",
        ],
    ),
    (
        "SHA-256",
        [
            "9322c1dcfba8ccf7a2a3e1ab0ab6c3f58ba4e69c81169e8da775d518d81a8f46",
            "3099e92c034301ef6623895df194c3758561a133a730fdfef25526602c40cf1a",
            "f9ecdcfe8d045589581481c01d429659cab7de7d833a06739cab060e88b3ae00",
        ],
    ),
    (
        "SHA-256-sess",
        [
            "d68680563ccb32b5af70fb067eb2bb7a1e99beb05e366163366aeab01bee3175",
            "e669876482716c6f0ea85f864d54a85b1b98d95b6af3804ca130ac43e16ca792",
            "898bf9d6d3f0fa91a37b0bc42ef5de2ee5649696834d4e62a6a7e5ba067792e6",
        ],
    ),
    (
        "SHA-512-256",
        [
            "6906ec1209ce1dc808dcb19b4273658c03a92a118eb697c92e99f44e8b750957",
            "472dd4d911162928ca51e49ee30f1e86e123d793f888d9bb31d0c77c7c7782a0",
            "95b886fc29f838e2fe9ea80f8b515c6814ff5c800a8f31d5510ba74f6b1deb4b",
        ],
    ),
    (
        "SHA-512-256-sess",
        [
            "c1486fd13b13d724bdf51cce37d1ff109f64e366b7df14b8a1de709ed1f490b1",
            "995f37c2504821177d01b68677953a510fff56893919b102d18351c93a9981db",
            "da513e9a369e9dae141f40dab79cba8999291b7ea1338a524f03d5cb30813ab6",
        ],
    ),
];

#[test]
fn every_algorithm_and_quality_of_protection() {
    for (algorithm, responses) in EVERY_WAY {
        let qops = ["", r#", qop="auth""#, r#", qop="auth-int""#];
        for (qop, response) in qops.into_iter().zip(responses) {
            let text = format!(
                r#"Digest realm="sip.example", nonce="abc123", algorithm={algorithm}{qop}"#
            );
            let answer = answer(&[challenge(&text)]).unwrap();
            assert_eq!(param(&answer, "response"), Some(response), "{text}");
            let counted = !qop.is_empty();
            assert_eq!(param(&answer, "nc").is_some(), counted);
            // A -sess server needs the cnonce in any case.
            assert_eq!(
                param(&answer, "cnonce").is_some(),
                counted || algorithm.ends_with("-sess")
            );
        }
    }
}

#[test]
fn names_are_case_blind_and_spaced_as_peers_like() {
    let text = b"dIgEsT  Realm = \"sip.example\" ,nonce=abc123,,ALGORITHM=\"sha-256\", Qop=AUTH,
        stale=TRUE";
    let challenge = Challenge::parse(text).unwrap();
    assert!(challenge.stale);
    assert_eq!(challenge.qop, Some(vec![Qop::Auth]));
    let answer = answer(&[challenge]).unwrap();
    assert_eq!(param(&answer, "response"), Some(EVERY_WAY[2].1[1]));
    assert_eq!(param(&answer, "algorithm"), Some("SHA-256"));
}

#[test]
fn the_strongest_known_challenge_is_answered() {
    let of = |algorithm: &str, nonce: &str| {
        challenge(&format!(
            r#"Digest realm="r", nonce="{nonce}", algorithm={algorithm}"#
        ))
    };
    let several = [
        of("MD5", "1"),
        of("AKAv1-MD5", "2"),
        of("SHA-256", "3"),
        of("SHA3-512", "4"),
    ];
    assert_eq!(param(&answer(&several).unwrap(), "nonce"), Some("3"));
    // Of equals the topmost (RFC 8760 section 2.4).
    assert_eq!(
        param(&answer(&[of("MD5", "1"), of("MD5", "2")]).unwrap(), "nonce"),
        Some("1")
    );
    // An unknown one beside a known one does not fail the call.
    assert_eq!(param(&answer(&several[..2]).unwrap(), "nonce"), Some("1"));
}

#[test]
fn auth_is_preferred_where_both_are_offered() {
    let both = challenge(r#"Digest realm="r", nonce="n", qop="auth-int,auth""#);
    assert_eq!(param(&answer(&[both]).unwrap(), "qop"), Some("auth"));
    let unknown_beside = challenge(r#"Digest realm="r", nonce="n", qop="token, auth-int""#);
    assert_eq!(
        param(&answer(&[unknown_beside]).unwrap(), "qop"),
        Some("auth-int")
    );
}

#[test]
fn what_cannot_be_answered_is_said() {
    let aka = challenge(r#"Digest realm="r", nonce="n", algorithm=AKAv1-MD5"#);
    assert_eq!(
        answer(&[aka]).unwrap_err().to_string(),
        "no challenge can be answered: it asks for AKAv1-MD5"
    );
    let qop = challenge(r#"Digest realm="r", nonce="n", qop="token""#);
    assert!(
        answer(&[qop])
            .unwrap_err()
            .to_string()
            .contains("unknown qop")
    );
    assert!(answer(&[]).is_err());
}

#[test]
fn a_malformed_challenge_is_an_error() {
    for text in [
        "Digest",
        "Basic realm=\"r\"",
        "Digest realm=\"r\"",
        "Digest nonce=\"n\"",
        "Digest realm=\"r, nonce=n",
        "Digest realm=\"r\", nonce",
        "Digest realm=\"r\\",
    ] {
        assert!(Challenge::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn quotes_in_names_are_escaped_and_line_breaks_refused() {
    let plain = challenge(r#"Digest realm="a \"quoted\" realm", nonce="n""#);
    let user = Credentials::new(r#"al"ice"#, "");
    let value = respond(
        std::slice::from_ref(&plain),
        &user,
        &Method::Bye,
        b"sip:b@c",
        b"",
        "c",
        1,
    )
    .unwrap();
    let text = String::from_utf8(value).unwrap();
    assert!(text.starts_with(r#"Digest username="al\"ice", realm="a \"quoted\" realm", "#));

    let user = Credentials::new("alice\r\nX-Injected: 1", "");
    let refused = respond(&[plain], &user, &Method::Bye, b"sip:b@c", b"", "c", 1);
    assert_eq!(refused, Err(DigestError::Username));
}

#[test]
fn a_password_does_not_show() {
    assert!(!format!("{:?}", Credentials::new("alice", "s3cret")).contains("s3cret"));
}
