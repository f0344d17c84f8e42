// SPDX-License-Identifier: MPL-2.0
//! Our reader beside that of the `rsip` crate: on plain messages they say the same, and where they
//! differ the difference is listed here with what `rsip` does.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use proptest::sample::select;
use rsip::prelude::*;
use sip_ua::wire::{Contacts, Core, Message, read_datagram, validate};

fn ours(octets: &[u8]) -> (Message, Core) {
    let message = read_datagram(octets).expect("ours takes it");
    let core = validate(&message).expect("ours types it");
    (message, core)
}

fn theirs(octets: &[u8]) -> Result<rsip::Request, rsip::Error> {
    match rsip::SipMessage::try_from(octets)? {
        rsip::SipMessage::Request(request) => Ok(request),
        rsip::SipMessage::Response(_) => panic!("only requests are compared"),
    }
}

fn plain_message() -> impl Strategy<Value = String> {
    let method = select(vec![
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO",
    ]);
    let transport = select(vec!["UDP", "TCP", "TLS"]);
    let display = select(vec!["", "\"Alice Smith\" ", "Alice "]);
    let body = select(vec!["", "v=0\r\ns=-\r\n"]);
    let names = (
        "[a-z]{1,8}",
        "[a-z]{1,8}\\.example",
        "192\\.0\\.2\\.[1-9]",
        1024u16..60000,
    );
    let ids = (
        "[A-Za-z0-9]{4,10}",
        "[A-Za-z0-9]{4,10}",
        1u32..100_000,
        "[a-z0-9]{1,10}",
    );
    (method, transport, display, body, names, ids).prop_map(
        |(method, transport, display, body, (user, host, ip, port), (tag, branch, cseq, id))| {
            format!(
                "{method} sip:{user}@{host}:{port};transport=UDP SIP/2.0\r\n\
                 Via: SIP/2.0/{transport} {ip}:{port};branch=z9hG4bK{branch};rport\r\n\
                 Max-Forwards: 70\r\n\
                 From: {display}<sip:{user}@{ip}>;tag={tag}\r\n\
                 To: <sip:{user}@{host}:{port}>\r\n\
                 Call-ID: {id}@{host}\r\n\
                 CSeq: {cseq} {method}\r\n\
                 Contact: <sip:{user}@{ip}:{port}>\r\n\
                 X-Unknown: some text, with a comma; and=more\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn plain_messages_are_read_alike(text in plain_message()) {
        let theirs = theirs(text.as_bytes()).unwrap();
        let (message, core) = ours(text.as_bytes());
        let Message::Request(request) = &message else { panic!("a request") };
        prop_assert_eq!(request.method.to_string(), theirs.method.to_string());
        prop_assert_eq!(request.uri.to_string(), theirs.uri.to_string());
        prop_assert_eq!(&request.body, &theirs.body);
        let lines = |m: &Message| -> Vec<String> {
            let text = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
            m.headers().iter().map(|(name, value)| format!("{name}: {}", text(value))).collect()
        };
        let their_lines: Vec<_> = theirs.headers.iter().map(ToString::to_string).collect();
        prop_assert_eq!(lines(&message), their_lines);

        let via = theirs.via_header().unwrap().typed().unwrap();
        prop_assert_eq!(
            String::from_utf8_lossy(core.via[0].branch().unwrap()).into_owned(),
            via.branch().unwrap().value()
        );
        let from = theirs.from_header().unwrap().typed().unwrap();
        prop_assert_eq!(core.from.uri.to_string(), from.uri.to_string());
        prop_assert_eq!(
            String::from_utf8_lossy(core.from.tag().unwrap()).into_owned(),
            from.tag().unwrap().value()
        );
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        prop_assert_eq!(core.cseq.number, cseq.seq);
    }
}

/// A good request with `line` in it, in place of the header of that name if there is one.
fn request(start_line: &str, line: &str) -> Vec<u8> {
    let (name, _) = line.split_once(':').expect("a header");
    let defaults = [
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:bob@example.com>",
        "Call-ID: a84b4c",
        "CSeq: 1 INVITE",
        "Contact: <sip:alice@192.0.2.1>",
    ];
    let kept = defaults
        .iter()
        .filter(|default| !default.starts_with(&format!("{name}:")));
    let mut text = format!("{start_line}\r\n{line}\r\n");
    kept.for_each(|line| text.push_str(&format!("{line}\r\n")));
    text.push_str("\r\n");
    text.into_bytes()
}

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0";

/// Messages RFC 3261 allows which `rsip` does not read; ours does.
#[test]
fn rsip_refuses_what_is_allowed() {
    let known = [
        ("a folded header", request(INVITE, "Subject: a\r\n b")),
        (
            "a tel: Request-URI",
            request("INVITE tel:+4930123 SIP/2.0", "Max-Forwards: 7"),
        ),
        (
            "an unknown method",
            request("SERVICE sip:b@h SIP/2.0", "CSeq: 1 SERVICE"),
        ),
        (
            "an IPv6 Request-URI",
            request("INVITE sip:b@[2001:db8::1] SIP/2.0", "X: 1"),
        ),
        (
            "line ends in front",
            [b"\r\n\r\n".as_slice(), &request(INVITE, "X: 1")].concat(),
        ),
        ("a Latin-1 octet", {
            let octets = request(INVITE, "Subject: caf?");
            octets
                .into_iter()
                .map(|o| if o == b'?' { 0xe9 } else { o })
                .collect()
        }),
    ];
    for (what, octets) in known {
        ours(&octets);
        assert!(
            theirs(&octets).is_err(),
            "rsip now reads {what}: strike it from the list"
        );
    }
}

/// Headers `rsip` keeps but cannot type; ours can.
#[test]
fn rsip_cannot_type_what_is_allowed() {
    type Typed = fn(&rsip::Request) -> bool;
    let via: Typed = |r| r.via_header().is_ok_and(|h| h.typed().is_ok());
    let from: Typed = |r| r.from_header().is_ok_and(|h| h.typed().is_ok());
    let contact: Typed = |r| r.contact_header().is_ok_and(|h| h.typed().is_ok());
    let known: [(&str, &str, Typed); 6] = [
        ("a compact name", "v: SIP/2.0/UDP h;branch=z9hG4bK1", |r| {
            r.headers
                .iter()
                .filter(|h| matches!(h, rsip::Header::Via(_)))
                .count()
                == 2
        }),
        (
            "two contacts in one line",
            "Contact: <sip:a@h>, <sip:b@h>",
            contact,
        ),
        (
            "quotes in a display name",
            r#"From: "Bob \"X\" <y>" <sip:b@h>;tag=1"#,
            from,
        ),
        (
            "an unknown transport",
            "Via: SIP/2.0/DCCP h;branch=z9hG4bK1",
            via,
        ),
        (
            "IPv6 in Via",
            "Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1",
            via,
        ),
        (
            "an instance",
            r#"Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>""#,
            contact,
        ),
    ];
    for (what, line, typed) in known {
        let octets = request(INVITE, line);
        ours(&octets);
        let untyped = theirs(&octets).is_ok_and(|request| typed(&request));
        assert!(!untyped, "rsip now types {what}: strike it from the list");
    }
}

/// What `rsip` reads otherwise than it was meant; ours does not.
#[test]
fn rsip_misreads() {
    // Of two Via in one line it sees the first.
    let octets = request(
        INVITE,
        "Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2",
    );
    assert_eq!(ours(&octets).1.via.len(), 2);
    let vias = theirs(&octets).unwrap();
    assert_eq!(
        vias.headers
            .iter()
            .filter(|h| matches!(h, rsip::Header::Via(_)))
            .count(),
        1
    );

    // Octets behind the body stay in it.
    let octets = [request(INVITE, "Content-Length: 3").as_slice(), b"v=0more"].concat();
    assert_eq!(ours(&octets).0.body(), b"v=0");
    assert_eq!(theirs(&octets).unwrap().body, b"v=0more");

    // A body that is shorter than said, or less than nothing, is taken.
    for line in ["Content-Length: 9", "Content-Length: -9"] {
        let octets = [request(INVITE, line).as_slice(), b"v=0"].concat();
        assert!(read_datagram(&octets).is_err());
        assert!(theirs(&octets).is_ok());
    }

    // A binary body does not survive writing.
    let octets = [request(INVITE, "Content-Length: 2").as_slice(), b"\xff\x00"].concat();
    assert!(ours(&octets).0.to_bytes().ends_with(b"\xff\x00"));
    assert!(!Vec::<u8>::from(theirs(&octets).unwrap()).ends_with(b"\xff\x00"));

    // A request whose CSeq is for another method is taken.
    let octets = request(INVITE, "CSeq: 1 BYE");
    assert!(validate(&read_datagram(&octets).unwrap()).is_err());
    assert!(theirs(&octets).is_ok());

    // The headers of a URI become part of its host, or are lost behind parameters.
    let uri = |text: &str| rsip::Uri::try_from(text).unwrap();
    assert_eq!(uri("sip:a@h?R=x").host().to_string(), "h?R=x");
    assert_eq!(
        uri("sip:a@h;user=phone?R=x").to_string(),
        "sip:a@h;user=phone"
    );
    for text in ["sip:a@h?R=x", "sip:a@h;user=phone?R=x"] {
        let ours: sip_ua::wire::Uri = text.parse().unwrap();
        assert_eq!(
            (ours.to_string().as_str(), ours.host.to_string().as_str()),
            (text, "h")
        );
    }

    // A transport is written in another case than it came in.
    assert_eq!(
        uri("sip:a@h;transport=udp").to_string(),
        "sip:a@h;transport=UDP"
    );

    // An IPv6 host cannot be told from its port.
    let host = rsip::HostWithPort {
        host: rsip::Host::IpAddr("2001:db8::1".parse().unwrap()),
        port: Some(5060.into()),
    };
    assert_eq!(host.to_string(), "2001:db8::1:5060");

    // The commas of a display name part two contacts only for ours where they should.
    let octets = request(INVITE, r#"Contact: "Doe, J" <sip:a@h>"#);
    let Contacts::List(contacts) = ours(&octets).1.contacts else {
        panic!("addresses")
    };
    assert_eq!(contacts.len(), 1);
}
