// SPDX-License-Identifier: MPL-2.0
//! 401 and 407: the call is made again with credentials, as often as makes sense.

use sip_ua::digest::Credentials;
use sip_ua::endpoint::{CallEvent, CallId, EndCause, EndedBy};
use sip_ua::wire::HeaderName;

use crate::pair::{ANSWER, Fate, MINUTE, Pair, Side, ms, outgoing};
use crate::peer;
use crate::registering::account;

const SERVER: &str =
    r#"WWW-Authenticate: Digest realm="pbx", nonce="n1", algorithm=MD5, qop="auth""#;
const PROXY: &str =
    r#"Proxy-Authenticate: Digest realm="edge", nonce="n2", algorithm=SHA-256, qop="auth""#;

fn dialled(credentials: Option<Credentials>) -> (Pair, CallId) {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    let mut call = outgoing();
    call.credentials = credentials;
    let a = pair.dial_with(call);
    (pair, a)
}

fn alice() -> Option<Credentials> {
    Some(Credentials::new("alice", "secret"))
}

fn answer(pair: &mut Pair, status: u16, more: &[&str], body: &[u8]) {
    let invite = pair.request(Side::Alice, "INVITE");
    let datagram = peer::response(&invite, status, "x", more, body);
    pair.inject(Side::Alice, Side::Bob.addr(), &datagram);
}

fn contains(value: Option<&[u8]>, text: &str) -> bool {
    String::from_utf8_lossy(value.unwrap_or_default()).contains(text)
}

#[test]
fn a_challenge_is_acknowledged_and_answered_in_a_new_transaction() {
    let (mut pair, a) = dialled(alice());
    let first = pair.request(Side::Alice, "INVITE");
    answer(&mut pair, 401, &[SERVER], b"");
    assert_eq!(pair.count(Side::Alice, "ACK"), 1);
    assert_eq!(pair.count(Side::Alice, "INVITE"), 2);
    let second = pair.request(Side::Alice, "INVITE");
    assert_eq!(
        second.headers.get(HeaderName::CallId),
        first.headers.get(HeaderName::CallId)
    );
    assert_eq!(
        second.headers.get(HeaderName::From),
        first.headers.get(HeaderName::From)
    );
    assert_ne!(
        second.headers.get(HeaderName::Via),
        first.headers.get(HeaderName::Via)
    );
    assert_ne!(
        second.headers.get(HeaderName::CSeq),
        first.headers.get(HeaderName::CSeq)
    );
    assert_eq!(second.headers.count(HeaderName::Via), 1);
    assert_eq!(second.body, first.body);
    let authorization = second.headers.get(HeaderName::Authorization);
    assert!(contains(authorization, r#"username="alice""#));
    assert!(contains(authorization, r#"uri="sip:bob@192.0.2.2:5070""#));
    assert!(pair.events(Side::Alice, a).is_empty());

    answer(
        &mut pair,
        200,
        &[
            "Contact: <sip:bob@192.0.2.2:5070>",
            "Content-Type: application/sdp",
        ],
        ANSWER,
    );
    assert_eq!(
        pair.events(Side::Alice, a),
        [CallEvent::Answered {
            sdp: Some(ANSWER.to_vec())
        }]
    );
    // The credentials go with the ACK and, with a higher count, with the BYE.
    let ack = pair.request(Side::Alice, "ACK sip:bob@192.0.2.2:5070");
    assert_eq!(ack.headers.get(HeaderName::Authorization), authorization);
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    let bye = pair.request(Side::Alice, "BYE");
    assert!(contains(
        bye.headers.get(HeaderName::Authorization),
        "nc=00000002"
    ));
}

#[test]
fn a_server_and_a_proxy_ask_at_once_or_one_after_the_other() {
    let (mut pair, _) = dialled(alice());
    answer(&mut pair, 401, &[SERVER, PROXY], b"");
    let invite = pair.request(Side::Alice, "INVITE");
    assert!(contains(
        invite.headers.get(HeaderName::Authorization),
        "pbx"
    ));
    assert!(contains(
        invite.headers.get(HeaderName::ProxyAuthorization),
        "SHA-256"
    ));

    let (mut pair, _) = dialled(alice());
    answer(&mut pair, 407, &[PROXY], b"");
    answer(&mut pair, 401, &[SERVER], b"");
    let invite = pair.request(Side::Alice, "INVITE");
    assert!(contains(
        invite.headers.get(HeaderName::Authorization),
        "pbx"
    ));
    assert!(contains(
        invite.headers.get(HeaderName::ProxyAuthorization),
        "nc=00000002"
    ));
}

#[test]
fn a_wrong_password_ends_the_call_with_a_sentence() {
    let (mut pair, a) = dialled(alice());
    answer(&mut pair, 401, &[SERVER], b"");
    let again = SERVER.replace("n1", "n9");
    answer(&mut pair, 401, &[&again], b"");
    let end = pair.end(Side::Alice, a);
    assert_eq!(
        (end.by, end.cause, end.status),
        (EndedBy::Remote, EndCause::Unauthorized, Some(401))
    );
    assert_eq!(
        end.reason,
        "the far end refused the user name or password for realm \"pbx\""
    );
    assert_eq!(pair.count(Side::Alice, "INVITE"), 2);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn a_stale_nonce_is_no_wrong_password_but_not_for_ever() {
    let (mut pair, a) = dialled(alice());
    answer(&mut pair, 401, &[SERVER], b"");
    let stale = format!("{SERVER}, stale=TRUE");
    answer(&mut pair, 401, &[&stale], b"");
    assert_eq!(pair.count(Side::Alice, "INVITE"), 3);
    for _ in 0..10 {
        answer(&mut pair, 401, &[&stale], b"");
    }
    assert_eq!(pair.count(Side::Alice, "INVITE"), 6);
    assert_eq!(
        pair.end(Side::Alice, a).reason,
        "the far end keeps asking for credentials"
    );
}

#[test]
fn a_nonce_that_is_given_out_again_goes_on_being_counted() {
    let (mut pair, _) = dialled(alice());
    answer(&mut pair, 401, &[SERVER], b"");
    for count in 2..=3 {
        answer(&mut pair, 401, &[&format!("{SERVER}, stale=true")], b"");
        let invite = pair.request(Side::Alice, "INVITE");
        let authorization = invite.headers.get(HeaderName::Authorization);
        assert!(contains(authorization, &format!("nc=0000000{count}")));
    }
    let fresh = SERVER.replace("n1", "n9") + ", stale=true";
    answer(&mut pair, 401, &[&fresh], b"");
    let invite = pair.request(Side::Alice, "INVITE");
    let authorization = invite.headers.get(HeaderName::Authorization);
    assert!(contains(authorization, "nc=00000001"));
}

#[test]
fn challenges_in_one_line_are_told_apart_and_the_strongest_is_answered() {
    let line = r#"WWW-Authenticate: Negotiate, dIGEST realm="pbx, \"the\" one", nonce="m", algorithm=MD5, qop="auth,auth-int",DIGEST realm="pbx, \"the\" one" , nonce="s",ALGORITHM="SHA-512-256" ,qop="auth", Basic realm="web", Digest realm="gate", nonce="g""#;
    let (mut pair, _) = dialled(alice());
    answer(&mut pair, 401, &[line], b"");
    let invite = pair.request(Side::Alice, "INVITE");
    let answers: Vec<String> = invite
        .headers
        .get_all(HeaderName::Authorization)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect();
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(answers[0].contains(r#"realm="pbx, \"the\" one""#));
    assert!(answers[0].contains(r#"nonce="s""#) && answers[0].contains("algorithm=SHA-512-256"));
    assert!(answers[1].contains(r#"realm="gate""#) && answers[1].contains(r#"nonce="g""#));
}

#[test]
fn without_credentials_or_with_an_unknown_algorithm_the_call_ends() {
    let (mut pair, a) = dialled(None);
    answer(&mut pair, 407, &[PROXY], b"");
    let reason = &pair.end(Side::Alice, a).reason;
    assert_eq!(
        reason,
        "the far end asks for a user name and password (407)"
    );

    let (mut pair, a) = dialled(alice());
    let unknown = r#"WWW-Authenticate: Digest realm="pbx", nonce="n", algorithm=ROT13"#;
    answer(&mut pair, 401, &[unknown], b"");
    let end = pair.end(Side::Alice, a);
    assert!(end.reason.contains("ROT13"), "{}", end.reason);
    // Beside one that is known, an unknown one does no harm.
    let (mut pair, _) = dialled(alice());
    answer(&mut pair, 401, &[unknown, SERVER], b"");
    assert_eq!(pair.count(Side::Alice, "INVITE"), 2);
}

#[test]
fn a_call_hung_up_meanwhile_is_not_made_again() {
    let (mut pair, a) = dialled(alice());
    answer(&mut pair, 180, &[], b"");
    pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
    answer(&mut pair, 401, &[SERVER], b"");
    assert_eq!(pair.count(Side::Alice, "INVITE"), 1);
    assert_eq!(pair.alice.stats().calls, 0);
}

const CONTACT: &str = "Contact: <sip:bob@192.0.2.2:5070>";

/// Alice says something within the call, with these credentials.
fn says(pair: &mut Pair, a: CallId, name: HeaderName) -> String {
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, "text/plain", b"x".to_vec())
    });
    let info = pair.request(Side::Alice, "INFO");
    String::from_utf8_lossy(info.headers.get(name).unwrap()).into_owned()
}

#[test]
fn the_nonce_that_a_2xx_names_is_the_next_one() {
    let (mut pair, a) = dialled(alice());
    answer(&mut pair, 401, &[SERVER], b"");
    let info = "Authentication-Info: nextnonce=\"n\\\"9\", qop=auth, rspauth=\"0\"";
    let ok = [CONTACT, "Content-Type: application/sdp", info];
    answer(&mut pair, 200, &ok, ANSWER);
    let said = says(&mut pair, a, HeaderName::Authorization);
    assert!(said.contains(r#"nonce="n\"9""#), "{said}");
    assert!(said.contains("nc=00000001"));
    let said = says(&mut pair, a, HeaderName::Authorization);
    assert!(said.contains("nc=00000002"));
    let request = pair.request(Side::Alice, "INFO");
    let more = ["Authentication-Info: nextnonce=\"n10\""];
    let ok_again = peer::response(&request, 200, "", &more, b"");
    pair.inject(Side::Alice, Side::Bob.addr(), &ok_again);
    // The answer comes once more, with what was the next one then.
    answer(&mut pair, 200, &ok, ANSWER);
    let said = says(&mut pair, a, HeaderName::Authorization);
    assert!(said.contains(r#"nonce="n10""#), "{said}");
    assert!(said.contains("nc=00000001"));
}

#[test]
fn a_proxy_names_its_own_and_of_several_nobody_knows_which_is_meant() {
    let other = r#"WWW-Authenticate: Digest realm="other", nonce="n3", qop="auth""#;
    let (mut pair, a) = dialled(alice());
    answer(&mut pair, 401, &[SERVER, other, PROXY], b"");
    let info = [
        CONTACT,
        "Content-Type: application/sdp",
        r#"Authentication-Info: nextnonce="n8""#,
        r#"Proxy-Authentication-Info: nextnonce="n9""#,
    ];
    answer(&mut pair, 200, &info, ANSWER);
    let said = says(&mut pair, a, HeaderName::ProxyAuthorization);
    assert!(said.contains(r#"nonce="n9""#) && said.contains("nc=00000001"));
    let said = says(&mut pair, a, HeaderName::Authorization);
    assert!(said.contains(r#"nonce="n1""#), "{said}");
}

#[test]
fn a_registration_is_refreshed_with_it() {
    let mut pair = Pair::new();
    pair.wire = Box::new(|_| Fate::Lose);
    pair.register(account("secret", 60));
    for (status, more) in [
        (401, &[SERVER][..]),
        (
            200,
            &["Expires: 60", r#"Authentication-Info: nextnonce="n9""#],
        ),
    ] {
        let register = pair.request(Side::Alice, "REGISTER");
        let answer = peer::response(&register, status, "r", more, b"");
        pair.inject(Side::Alice, Side::Bob.addr(), &answer);
    }
    pair.run(ms(46_000));
    let register = pair.request(Side::Alice, "REGISTER");
    let said = register.headers.get(HeaderName::Authorization);
    assert!(contains(said, r#"nonce="n9""#) && contains(said, "nc=00000001"));
}
