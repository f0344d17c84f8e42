// SPDX-License-Identifier: MPL-2.0
//! What there is to spoil.

mod beside;
mod bridge;
mod config;
mod dialogs;
mod endpoint;
mod leg;
mod message;
mod rtc;
mod sdp;
mod stories;
mod stream;
mod user;

use sip_ua::wire::{MAX_FIELD_OCTETS, MAX_HEAD_OCTETS};

use crate::Target;

/// Two endpoints in virtual time, as the tests of calls have them.
#[path = "../../../sip-ua/tests/calls/pair.rs"]
#[allow(dead_code, reason = "made for other tests, too")]
mod pair;

/// The torture messages.
#[path = "../../../sip-ua/tests/torture/corpus.rs"]
#[allow(dead_code, reason = "made for other tests, too")]
mod torture;

/// All of them.
pub static TARGETS: &[Target] = &[
    message::TARGET,
    stream::TARGET,
    sdp::TARGET,
    bridge::TARGET,
    beside::TARGET,
    endpoint::TARGET,
    dialogs::TARGET,
    leg::TARGET,
    rtc::TARGET,
    config::TARGET,
];

/// The octets of all torture messages.
fn torture_messages() -> impl Iterator<Item = Vec<u8>> {
    let all = torture::rfc4475().into_iter().chain(torture::rfc5118());
    all.map(|case| case.octets)
}

/// Whether a message is well below what the reader takes: what is written or sent because of it has the
/// long names of headers, and a little more.
fn has_room(message: &[u8]) -> bool {
    let head = message
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .unwrap_or(message.len());
    let head = &message[..head];
    // A line that is folded is one field.
    let mut field = 0;
    head.len() < MAX_HEAD_OCTETS / 4 * 3
        && head.split(|octet| *octet == b'\n').all(|line| {
            let goes_on = line
                .first()
                .is_some_and(|octet| matches!(octet, b' ' | b'\t'));
            field = line.len() + if goes_on { field } else { 0 };
            field < MAX_FIELD_OCTETS / 4 * 3
        })
}

/// What SIP is made of.
const SIP_WORDS: &[&str] = &[
    "SIP/2.0",
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "UPDATE",
    "INFO",
    "REFER",
    "NOTIFY",
    "MESSAGE",
    "Via: ",
    "v: ",
    "From: ",
    "To: ",
    "Contact: ",
    "Call-ID: ",
    "CSeq: ",
    "Content-Length: ",
    "l: ",
    "Content-Type: application/sdp\r\n",
    "Require: 100rel\r\n",
    "Supported: 100rel, timer, replaces\r\n",
    "RSeq: 1\r\n",
    "RAck: 1 1 INVITE\r\n",
    "Session-Expires: 90;refresher=uac\r\n",
    "Min-SE: 90\r\n",
    "Replaces: a;to-tag=b;from-tag=c\r\n",
    "Refer-To: <sip:carol@192.0.2.9>\r\n",
    "Record-Route: <sip:192.0.2.7;lr>\r\n",
    "Route: ",
    "Retry-After: 5\r\n",
    "Expires: 0\r\n",
    "Reason: Q.850;cause=16;text=\"x\"\r\n",
    ";tag=",
    ";branch=z9hG4bK",
    ";received=[::1]",
    ";rport",
    ";lr",
    ";transport=tcp",
    ";q=0.5",
    "sip:",
    "sips:",
    "tel:",
    "[2001:db8::1]",
    "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n",
    "Authorization: Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"0\"\r\n",
    "multipart/mixed;boundary=b",
    "\r\n\r\n",
    "\r\n ",
    "*",
    "%00",
    "\\\"",
];
