// SPDX-License-Identifier: MPL-2.0
//! No value handed to the API can write a line of its own into a message.

use sip_ua::endpoint::{CallEvent, EndCause, EndedBy, Outgoing};

use crate::pair::{Pair, Side, ms, outgoing};

fn refused(call: Outgoing) -> String {
    let mut pair = Pair::new();
    let a = pair.dial_with(call);
    assert!(pair.messages.is_empty());
    let end = pair.end(Side::Alice, a);
    assert_eq!((end.by, end.cause), (EndedBy::Local, EndCause::Invalid));
    end.reason.clone()
}

fn with_header(name: &str, value: &[u8]) -> Outgoing {
    let mut call = outgoing();
    call.headers.push((name.to_owned(), value.to_vec()));
    call
}

#[test]
fn a_call_out_with_such_a_value_is_never_made() {
    for value in [&b"a\r\nX-Evil: 1"[..], b"a\nb", b"a\rb", b"a\0b"] {
        let reason = refused(with_header("X-Room", value));
        assert!(reason.contains("X-Room"), "{reason}");
    }
    for name in ["X Room", "X-Room\r\nVia", "", "X:"] {
        refused(with_header(name, b"value"));
    }
    for name in [
        "Via",
        "v",
        "from",
        "Contact",
        "Content-Length",
        "l",
        "Require",
    ] {
        let reason = refused(with_header(name, b"value"));
        assert!(reason.contains("user agent itself"), "{reason}");
    }
    let mut call = outgoing();
    call.to.user = Some(b"bob\r\nX-Evil: 1".to_vec());
    refused(call);
    // Nor one that would have to go another way than asked for.
    for uri in [
        "sips:bob@192.0.2.2",
        "sip:bob@192.0.2.2;transport=tls",
        "mailto:bob@example.org",
    ] {
        let mut call = outgoing();
        call.to = uri.parse().unwrap();
        refused(call);
    }
    let mut call = outgoing();
    call.from.display = Some(b"Al\r\nice".to_vec());
    refused(call);
    let mut call = outgoing();
    call.from.params.set("x", "\r\nX-Evil: 1");
    refused(call);
}

#[test]
fn texts_for_people_lose_their_line_breaks() {
    let mut pair = Pair::new();
    let (a, b) = pair.up();
    let before = pair.messages.len();
    let evil = "text/plain\r\nX-Evil: 1";
    pair.act(Side::Alice, |alice, now| {
        alice.info(now, a, evil, b"x".to_vec())
    });
    let reason = sip_ua::endpoint::Reason {
        protocol: "SIP\r\nX-Evil: 1".to_owned(),
        cause: 200,
        text: "\"\r\nX-Evil: 1\r\n\r\n".to_owned(),
    };
    pair.act(Side::Bob, |bob, now| bob.hangup(now, b, Some(reason)));
    pair.dial();
    pair.run(ms(20));
    let second = pair.bobs_call();
    pair.act(Side::Bob, |bob, now| {
        bob.reject(now, second, 486, Some("Busy\r\nX-Evil: 1"))
    });
    for (_, message) in &pair.messages[before..] {
        let text = String::from_utf8_lossy(message);
        assert!(
            !text.lines().any(|line| line.starts_with("X-Evil")),
            "{text}"
        );
    }
    assert!(matches!(
        pair.events(Side::Bob, b).last(),
        Some(CallEvent::Ended(_))
    ));
}
