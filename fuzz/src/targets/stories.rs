// SPDX-License-Identifier: MPL-2.0
//! Calls as they should be, for the target `endpoint` to spoil: what a far end sends, and what the user
//! does. The letters are those of [`super::endpoint`].

use super::pair::{ANSWER, OFFER};
use super::torture_messages;
use crate::script::step;

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// A request of the far end's, with more header lines and a body.
fn request(method: &str, cseq: u32, to: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} sip:bob@192.0.2.2:5070 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK{method}{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Mallory\" <sip:mallory@198.51.100.9>;tag=m\r\nTo: <sip:bob@192.0.2.2>{to}\r\n\
         Call-ID: story\r\nCSeq: {cseq} {method}\r\nContact: <sip:mallory@198.51.100.9>\r\n{more}"
    );
    // The branch of a CANCEL is that of its INVITE.
    let head = head.replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
    message(head, body)
}

/// A message with its body, as a step.
fn message(mut head: String, body: &[u8]) -> Vec<u8> {
    if !body.is_empty() {
        head.push_str("Content-Type: application/sdp\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    step('d', [head.as_bytes(), body].concat())
}

/// A request within the call that the endpoint answered.
fn within(method: &str, cseq: u32, more: &str, body: &[u8]) -> Vec<u8> {
    request(method, cseq, ";tag={tag}", more, body)
}

/// A response to what the endpoint sent last.
fn response(status: u16, more: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "SIP/2.0 {status} Said\r\nVia: {{via}}\r\nFrom: {{from}}\r\nTo: {{to}};tag=far\r\nCall-ID: {{id}}\r\nCSeq: {{cseq}}\r\n\
         Contact: <sip:far@198.51.100.9>\r\n{more}"
    );
    message(head, body)
}

/// A request within the call that the endpoint made.
fn from_callee(method: &str, cseq: u32, more: &str, body: &str) -> Vec<u8> {
    let message = format!(
        "{method} sip:bob@192.0.2.2:5070 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKc{method}{cseq}\r\n\
         From: {{to}}\r\nTo: {{from}}\r\nCall-ID: {{id}}\r\nCSeq: {cseq} {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    step('d', message)
}

fn time(ms: u32) -> Vec<u8> {
    step('t', ms.to_string())
}

fn act(letter: char, with: &str) -> Vec<u8> {
    step(letter, with)
}

/// An answered call: what follows happens in it.
fn up(then: &[Vec<u8>]) -> Vec<u8> {
    let begin = [
        request(
            "INVITE",
            1,
            "",
            "Supported: 100rel, timer, replaces\r\n",
            OFFER,
        ),
        act('r', ""),
        act('a', text(ANSWER)),
        within("ACK", 1, "", b""),
    ];
    [begin.concat(), then.concat(), within("BYE", 90, "", b"")].concat()
}

/// A call that the endpoint made and that was answered.
fn dialled(then: &[Vec<u8>]) -> Vec<u8> {
    let begin = [
        act('c', "sip:far@198.51.100.9"),
        response(100, "", b""),
        response(180, "", b""),
        response(
            200,
            "Supported: timer\r\nAllow: INVITE, ACK, BYE, UPDATE, INFO, REFER, NOTIFY\r\n",
            ANSWER,
        ),
    ];
    [
        begin.concat(),
        then.concat(),
        act('h', ""),
        response(200, "", b""),
    ]
    .concat()
}

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"here\", nonce=\"abc\", qop=\"auth,auth-int\", algorithm=SHA-256\r\n\
                         Proxy-Authenticate: Digest realm=\"here\", nonce=\"abc\", algorithm=MD5, stale=true\r\n";

pub(super) fn all() -> Vec<Vec<u8>> {
    let invite = |more: &str| request("INVITE", 1, "", more, OFFER);
    let mut stories = vec![
        up(&[]),
        [invite(""), act('r', ""), request("CANCEL", 1, "", "", b"")].concat(),
        [
            invite(""),
            act('j', "486"),
            request("ACK", 1, ";tag={tag}", "", b""),
        ]
        .concat(),
        [
            invite("Require: 100rel\r\n"),
            act('r', text(ANSWER)),
            within("PRACK", 2, "RAck: {rseq} 1 INVITE\r\n", b""),
            act('a', ""),
            within("ACK", 1, "", b""),
            act('h', ""),
        ]
        .concat(),
        [
            request("INVITE", 1, "", "Supported: 100rel\r\n", b""),
            act('r', text(OFFER)),
            within("PRACK", 2, "RAck: {rseq} 1 INVITE\r\n", ANSWER),
            act('a', text(OFFER)),
            within("ACK", 1, "", ANSWER),
        ]
        .concat(),
        up(&[
            within("INVITE", 2, "Session-Expires: 90;refresher=uac\r\n", OFFER),
            act('p', text(ANSWER)),
            within("ACK", 2, "", b""),
            time(50_000),
            within("UPDATE", 3, "Session-Expires: 90\r\n", OFFER),
            act('p', "488"),
            within("INVITE", 4, "", b""),
            act('p', text(OFFER)),
            within("ACK", 4, "", ANSWER),
        ]),
        up(&[
            act('o', text(OFFER)),
            response(491, "", b""),
            time(4_500),
            response(200, "", ANSWER),
            act('i', "text/plain"),
            response(200, "", b""),
            within("INFO", 2, "", b"Signal=5\r\nDuration=160\r\n"),
            within("OPTIONS", 3, "", b""),
            within("MESSAGE", 4, "", b"hello"),
        ]),
        up(&[
            act('P', ""),
            within(
                "REFER",
                2,
                "Refer-To: <sip:carol@192.0.2.9>\r\nReferred-By: <sip:m@198.51.100.9>\r\n",
                b"",
            ),
            act('q', ""),
            response(200, "", b""),
            act('n', "180"),
            response(200, "", b""),
            act('n', "200"),
            response(200, "", b""),
            time(70_000),
        ]),
        up(&[
            act('P', ""),
            request(
                "INVITE",
                7,
                "",
                "Require: replaces\r\nReplaces: story;to-tag={tag};from-tag=m\r\n",
                OFFER,
            ),
            act('a', text(ANSWER)),
        ]),
        dialled(&[]),
        dialled(&[
            act('x', "sip:carol@192.0.2.9"),
            response(202, "", b""),
            from_callee(
                "NOTIFY",
                3,
                "Event: refer\r\nSubscription-State: active;expires=60\r\nContent-Type: message/sipfrag\r\n",
                "SIP/2.0 180 Ringing\r\n",
            ),
            from_callee(
                "NOTIFY",
                4,
                "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n",
                "SIP/2.0 200 OK\r\n",
            ),
        ]),
        dialled(&[
            from_callee(
                "INVITE",
                3,
                "Contact: <sip:far@198.51.100.9>\r\nContent-Type: application/sdp\r\n",
                text(OFFER),
            ),
            act('p', text(ANSWER)),
            time(40_000),
        ]),
        [
            act('c', "sip:far@198.51.100.9"),
            response(401, CHALLENGE, b""),
            response(183, "Require: 100rel\r\nRSeq: 1\r\n", ANSWER),
            response(200, "", b""),
            act('h', ""),
        ]
        .concat(),
        [
            act('c', "sip:far@example.org;transport=udp"),
            response(
                302,
                "Contact: <sip:x@198.51.100.9>, <sip:y@192.0.2.99>;q=0.3\r\n",
                b"",
            ),
            response(503, "Retry-After: 3\r\n", b""),
            response(486, "Reason: Q.850;cause=17;text=\"busy\"\r\n", b""),
        ]
        .concat(),
        // Nobody answers, and the user gives up.
        [
            act('C', "sip:far@198.51.100.9"),
            time(600),
            response(180, "", b""),
            act('h', ""),
            response(487, "", b""),
        ]
        .concat(),
        // An offer of the far end's in its 200.
        [
            act('C', "sip:far@198.51.100.9"),
            response(200, "", OFFER),
            act('a', text(ANSWER)),
            time(1_000),
        ]
        .concat(),
        [
            act('g', ""),
            response(401, CHALLENGE, b""),
            response(423, "Min-Expires: 120\r\n", b""),
            response(200, "Contact: <sip:bob@192.0.2.2:5070>;expires=60\r\n", b""),
            time(120_000),
        ]
        .concat(),
        [
            request("REGISTER", 1, "", "Expires: 300\r\n", b""),
            request(
                "REGISTER",
                2,
                "",
                "Contact: <sip:m@[2001:db8::1]>;expires=70, <sip:n@198.51.100.9>;q=0.2\r\n",
                b"",
            ),
            time(80_000),
            request("REGISTER", 3, "", "Expires: 0\r\n", b""),
        ]
        .concat(),
        [
            request("OPTIONS", 1, "", "", b""),
            request("SUBSCRIBE", 2, "", "Event: presence\r\n", b""),
            request("X", 3, "", "", b""),
        ]
        .concat(),
    ];
    let torture: Vec<Vec<u8>> = torture_messages().collect();
    stories.extend(torture.chunks(8).map(|some| {
        let steps = some.iter().map(|message| step('d', message));
        steps.collect::<Vec<_>>().concat()
    }));
    // The same over a connection.
    let over_tcp = text(&stories[0]).replace("%%d", "%%s");
    stories.push(over_tcp.into_bytes());
    stories
}
