// SPDX-License-Identifier: MPL-2.0
//! Ordinary carrier input. Each of these was misread by rsip 0.4, rsipstack 0.7 or ezk's
//! sip-types 0.6 when this crate was begun, or is an attack.

#![allow(clippy::unwrap_used)]

use sip_ua::wire::{
    Contacts, Core, HeaderName, Headers, MAX_BODY_OCTETS, MAX_FIELD_OCTETS, Message, Method,
    ReadErrorKind, Request, Scheme, Transport, Uri, read_datagram, validate,
};

/// An INVITE of which `lines` replace the headers of the same name or are added, and its body.
fn invite(lines: &[&str], body: &[u8]) -> Vec<u8> {
    invite_octets(
        &lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(),
        body,
    )
}

fn invite_octets(lines: &[&[u8]], body: &[u8]) -> Vec<u8> {
    let name = |line: &[u8]| {
        line.split(|o| *o == b':')
            .next()
            .map(<[u8]>::to_ascii_lowercase)
    };
    let defaults: [&[u8]; 7] = [
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1",
        b"From: <sip:alice@example.com>;tag=1",
        b"To: <sip:bob@example.com>",
        b"Call-ID: a84b4c76e66710",
        b"CSeq: 1 INVITE",
        b"Max-Forwards: 70",
        b"Contact: <sip:alice@192.0.2.1>",
    ];
    let mut out = b"INVITE sip:bob@example.com SIP/2.0\r\n".to_vec();
    let kept = defaults
        .iter()
        .filter(|d| !lines.iter().any(|line| name(line) == name(d)));
    for line in kept.chain(lines) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

fn take(octets: &[u8]) -> (Request, Core) {
    let message = read_datagram(octets).unwrap();
    let core = validate(&message).unwrap();
    match message {
        Message::Request(request) => (request, core),
        Message::Response(_) => panic!("a request"),
    }
}

fn with(lines: &[&str]) -> (Request, Core) {
    take(&invite(lines, b""))
}

#[test]
fn a_folded_header_is_one_value() {
    let (request, core) = with(&[
        "Subject: first\r\n\t second\r\n   third",
        "From:\r\n <sip:a@b>\r\n ;tag=x",
    ]);
    assert_eq!(
        request.headers.get("Subject"),
        Some(b"first second third".as_slice())
    );
    assert_eq!(core.from.tag(), Some(b"x".as_slice()));
}

#[test]
fn compact_forms_equal_long_ones() {
    let text = b"INVITE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        f: <sip:a@b>;tag=1\r\nt: <sip:b@b>\r\ni: id\r\nm: <sip:a@h>\r\nCSeq: 1 INVITE\r\n\
        c: application/sdp\r\ns: hi\r\nk: 100rel\r\nl: 3\r\n\r\nabc";
    let (request, core) = take(text);
    assert_eq!(
        (core.via.len(), core.call_id.as_slice()),
        (1, b"id".as_slice())
    );
    assert!(core.contacts.first().is_some());
    for name in ["Content-Type", "Subject", "Supported"] {
        assert!(request.headers.contains(name), "{name}");
    }
    assert_eq!(request.body, b"abc");
}

#[test]
fn two_vias_in_one_line_are_two() {
    let (mut request, core) =
        with(&["Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2"]);
    assert_eq!(core.via.len(), 2);
    assert_eq!(core.via[1].branch(), Some(b"z9hG4bK2".as_slice()));
    // Marking the topmost leaves the other.
    let mut top = core.via[0].clone();
    top.params.set("received", "192.0.2.9");
    request.headers.set_top_via(&top);
    let vias: Vec<_> = request.headers.list("Via").map(<[u8]>::to_vec).collect();
    assert_eq!(vias[0], b"SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.9");
    assert_eq!(vias[1], b"SIP/2.0/TCP b;branch=z9hG4bK2");
    request.headers.remove_top_via();
    assert_eq!(request.headers.get("Via"), Some(vias[1].as_slice()));
}

#[test]
fn two_contacts_in_one_line_are_two() {
    let (_, core) = with(&[r#"Contact: "Doe, J" <sip:a,c@h>;q=1, <sip:b@h>"#]);
    let Contacts::List(contacts) = core.contacts else {
        panic!("addresses")
    };
    assert_eq!(contacts.len(), 2);
    assert_eq!(contacts[0].display.as_deref(), Some(b"Doe, J".as_slice()));
}

#[test]
fn a_tel_request_uri_is_taken() {
    let octets = invite(&[], b"");
    let text = b"INVITE tel:+1-201-555-0123;phone-context=example.com SIP/2.0\r\n";
    let line_end = octets.iter().position(|o| *o == b'\n').unwrap() + 1;
    let (request, _) = take(&[text, &octets[line_end..]].concat());
    assert_eq!(request.uri.scheme, Scheme::Tel);
    assert_eq!(
        request.uri.user.as_deref(),
        Some(b"+1-201-555-0123".as_slice())
    );
    assert_eq!(
        request.uri.params.get("Phone-Context"),
        Some(b"example.com".as_slice())
    );
    assert!(request.to_bytes().starts_with(text));
}

#[test]
fn brackets_and_quotes_in_a_display_name_do_not_mislead() {
    let (_, core) = with(&[r#"From: "Bob \"X\" <sip:evil@y>" <sip:bob@example.com>;tag=1"#]);
    assert_eq!(core.from.uri, "sip:bob@example.com".parse().unwrap());
    assert_eq!(
        core.from.display.as_deref(),
        Some(br#"Bob "X" <sip:evil@y>"#.as_slice())
    );
    let written = br#""Bob \"X\" <sip:evil@y>" <sip:bob@example.com>;tag=1"#;
    assert_eq!(core.from.to_bytes(), written);
}

#[test]
fn a_latin_1_octet_loses_nothing() {
    let octets = invite_octets(
        &[
            b"From: \"Ren\xe9\" <sip:rene@example.com>;tag=1",
            b"Subject: caf\xe9",
            b"X-Last: yes",
        ],
        b"v=0\r\n",
    );
    let (request, core) = take(&octets);
    assert_eq!(core.from.display.as_deref(), Some(b"Ren\xe9".as_slice()));
    assert_eq!(request.headers.get("Subject"), Some(b"caf\xe9".as_slice()));
    assert_eq!(request.headers.get("X-Last"), Some(b"yes".as_slice()));
    assert_eq!(request.body, b"v=0\r\n");
    let written = request.to_bytes();
    assert!(written.windows(4).any(|w| w == b"Ren\xe9"));
    // Unquoted too.
    let octets = invite_octets(&[b"From: Ren\xe9 M <sip:rene@example.com>;tag=1"], b"");
    assert_eq!(
        take(&octets).1.from.display.as_deref(),
        Some(b"Ren\xe9 M".as_slice())
    );
}

#[test]
fn without_content_length_the_body_is_the_rest() {
    assert_eq!(take(&invite(&[], b"v=0\r\no=-")).0.body, b"v=0\r\no=-");
}

#[test]
fn a_body_that_no_length_tells_may_be_no_longer_than_any_other() {
    let body = vec![b'x'; MAX_BODY_OCTETS];
    let message = Message::from(take(&invite(&[], &body)).0);
    assert_eq!(read_datagram(&message.to_bytes()).unwrap().body(), body);
    let error = read_datagram(&invite(&[], &[body.as_slice(), b"x"].concat())).unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::BodyTooLong(MAX_BODY_OCTETS));
    assert_eq!(error.reply.unwrap().status, 513);
}

#[test]
fn octets_behind_the_body_are_cut() {
    assert_eq!(
        take(&invite(&["Content-Length: 3"], b"v=0\r\nmore")).0.body,
        b"v=0"
    );
}

#[test]
fn a_content_length_past_the_datagram_is_answered_400() {
    let error = read_datagram(&invite(&["Content-Length: 4"], b"v=0")).unwrap_err();
    assert_eq!(
        error.kind,
        ReadErrorKind::BodyTooShort {
            length: 4,
            present: 3
        }
    );
    let reply = error.reply.unwrap();
    assert_eq!(reply.status, 400);
    let text = reply.to_bytes();
    assert!(text.starts_with(b"SIP/2.0 400 Message Truncated\r\nVia: SIP/2.0/UDP 192.0.2.1:5060"));
}

#[test]
fn an_unknown_method_is_kept() {
    let octets = invite(&["CSeq: 7 SERVICE"], b"");
    let octets = [b"SERVICE", &octets[6..]].concat();
    let (request, core) = take(&octets);
    assert_eq!(request.method, Method::Other(b"SERVICE".to_vec()));
    assert_eq!(core.cseq.method, request.method);
}

#[test]
fn an_unknown_transport_is_kept() {
    let (_, core) = with(&["Via: SIP/2.0/dtls-udp h;branch=z9hG4bK1"]);
    assert_eq!(
        core.via[0].transport,
        Transport::Other(b"DTLS-UDP".to_vec())
    );
}

#[test]
fn ipv6_is_read_and_written_in_brackets() {
    let (_, core) = with(&[
        "Via: SIP/2.0/UDP [2001:db8::9]:5061;branch=z9hG4bK1;rport",
        "Contact: <sip:a@[2001:db8::1]:5070;transport=udp>",
    ]);
    let host = "2001:db8::1".parse().unwrap();
    let contact = core.contacts.first().unwrap();
    assert_eq!(
        (contact.uri.host.ip(), contact.uri.port),
        (Some(host), Some(5070))
    );
    assert_eq!(
        contact.to_bytes(),
        b"<sip:a@[2001:db8::1]:5070;transport=udp>"
    );
    assert_eq!(core.via[0].port, Some(5061));
    assert!(core.via[0].wants_rport() && core.via[0].rport().is_none());
    assert_eq!(
        Uri::sip(Some(b"x"), host, Some(5060)).to_bytes(),
        b"sip:x@[2001:db8::1]:5060"
    );
}

#[test]
fn a_contact_carries_its_instance() {
    let instance = r#"+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>""#;
    let (_, core) = with(&[&format!(
        "Contact: <sip:a@h>;{instance};reg-id=1, <sip:b@h>"
    )]);
    let Contacts::List(contacts) = core.contacts else {
        panic!("addresses")
    };
    assert_eq!(contacts.len(), 2);
    let urn = b"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>".as_slice();
    assert_eq!(
        contacts[0].params.get_unquoted("+sip.instance").as_deref(),
        Some(urn)
    );
}

#[test]
fn a_user_may_hold_a_semicolon_and_a_uri_headers() {
    let (_, core) = with(&["Contact: <sip:+4930;npdi;rn=1@h;user=phone?Replaces=a%3Bb>"]);
    let uri = &core.contacts.first().unwrap().uri;
    assert_eq!(uri.user.as_deref(), Some(b"+4930;npdi;rn=1".as_slice()));
    assert_eq!(uri.params.get("user"), Some(b"phone".as_slice()));
    assert_eq!(uri.headers.as_deref(), Some(b"Replaces=a%3Bb".as_slice()));
}

#[test]
fn escapes_are_written_as_they_came() {
    let text = "<sip:al%23ice%40x@example.com;x=%C3%a9>";
    let (_, core) = with(&[&format!("Contact: {text}")]);
    assert_eq!(core.contacts.first().unwrap().to_bytes(), text.as_bytes());
}

#[test]
fn parameter_names_are_case_blind() {
    let (_, core) = with(&[
        "From: <sip:a@b>;TAG=x",
        "Via: SIP/2.0/udp h;BRANCH=z9hG4bK9",
    ]);
    assert_eq!(core.from.tag(), Some(b"x".as_slice()));
    assert_eq!(core.via[0].unique_branch(), Some(b"z9hG4bK9".as_slice()));
    assert_eq!(core.via[0].transport, Transport::Udp);
}

#[test]
fn line_ends_in_front_are_skipped() {
    let (request, _) = take(&[b"\r\n\r\n".as_slice(), &invite(&[], b"x")].concat());
    assert_eq!(request.body, b"x");
    assert_eq!(
        read_datagram(b"\r\n\r\n").unwrap_err().kind,
        ReadErrorKind::Empty
    );
}

#[test]
fn a_binary_body_goes_out_as_it_is() {
    let body: Vec<u8> = (0..=255).collect();
    let (request, _) = take(&invite(&["Content-Length: 256"], &body));
    assert_eq!(request.body, body);
    assert!(request.to_bytes().ends_with(&body));
}

#[test]
fn lone_line_feeds_end_lines_too() {
    let octets: Vec<u8> = invite(&[], b"")
        .into_iter()
        .filter(|o| *o != b'\r')
        .collect();
    assert_eq!(take(&octets).1.cseq.number, 1);
}

#[test]
fn a_missing_from_or_call_id_is_answered_400() {
    for name in ["From", "To", "Call-ID"] {
        let octets = String::from_utf8(invite(&[], b"")).unwrap();
        let kept = octets
            .split_inclusive("\r\n")
            .filter(|line| !line.starts_with(name));
        let message = read_datagram(kept.collect::<String>().as_bytes()).unwrap();
        let error = validate(&message).unwrap_err();
        assert_eq!(error.kind, ReadErrorKind::Missing(HeaderName::from(name)));
        assert_eq!(error.reply.unwrap().status, 400);
    }
}

#[test]
fn an_ack_and_a_response_are_never_answered() {
    let octets = String::from_utf8(invite(&["CSeq: 1 ACK", "Content-Length: x"], b"")).unwrap();
    let ack = octets.replacen("INVITE", "ACK", 1);
    assert!(read_datagram(ack.as_bytes()).unwrap_err().reply.is_none());
    let response = octets.replacen("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK", 1);
    assert!(
        read_datagram(response.as_bytes())
            .unwrap_err()
            .reply
            .is_none()
    );
}

#[test]
fn a_64_kb_header_is_refused_and_answered() {
    let huge = format!("X-Huge: {}", "x".repeat(64 * 1024));
    let error = read_datagram(&invite(&[&huge], b"")).unwrap_err();
    assert!(matches!(error.kind, ReadErrorKind::FieldTooLong(_)));
    assert_eq!(error.reply.unwrap().status, 513);
    // Folded, cut short by the datagram, or in many fields.
    let folded = format!("X-Huge: x{}", "\r\n xxxxxxx".repeat(6000));
    let mut cut = invite(&[&folded], b"");
    assert!(matches!(
        read_datagram(&cut).unwrap_err().kind,
        ReadErrorKind::FieldTooLong(_)
    ));
    cut.truncate(60_000);
    assert!(read_datagram(&cut).unwrap_err().reply.is_some());
    let many = vec!["X: 1"; 300];
    assert!(matches!(
        read_datagram(&invite(&many, b"")).unwrap_err().kind,
        ReadErrorKind::TooManyFields(_)
    ));
    let long = format!("X: {}", "x".repeat(8000));
    let head = vec![long.as_str(); 6];
    assert!(matches!(
        read_datagram(&invite(&head, b"")).unwrap_err().kind,
        ReadErrorKind::HeadTooLong(_)
    ));
}

/// With short names and without blanks a request fits that an answer to it would not.
#[test]
fn a_broken_request_that_leaves_no_room_for_an_answer_gets_none() {
    let broken = |hops: usize, call_id: usize| {
        let via = "v:SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n".repeat(hops);
        let call_id = "x".repeat(call_id);
        let text = format!(
            "INVITE nothing SIP/2.0\n{via}f:<sip:a@b>;tag=1\nt:<sip:c@d>\ni:{call_id}\nCSeq:1 INVITE\n\n"
        );
        read_datagram(text.as_bytes()).unwrap_err()
    };
    for (hops, call_id) in [(1, 10), (1, 7_000), (150, 7_000)] {
        let error = broken(hops, call_id);
        assert!(
            matches!(error.kind, ReadErrorKind::RequestUri(_)),
            "{error}"
        );
        let reply = error.reply.unwrap().to_bytes();
        assert!(read_datagram(&reply).is_ok(), "{hops} hops, {call_id}");
    }
    assert!(broken(1, MAX_FIELD_OCTETS - 10).reply.is_none());
    assert!(broken(201, 10).reply.is_none());
    let many = format!("v:SIP/2.0/UDP 192.0.2.1;x={}\n", "y".repeat(7_000)).repeat(4);
    let text = format!(
        "INVITE nothing SIP/2.0\n{many}i:{}\nCSeq:1 INVITE\n\n",
        "x".repeat(4_000)
    );
    let error = read_datagram(text.as_bytes()).unwrap_err();
    assert!(
        matches!(error.kind, ReadErrorKind::RequestUri(_)),
        "{error}"
    );
    assert!(error.reply.is_none());
}

#[test]
fn a_truncated_invite_is_refused_wherever_it_ends() {
    let octets = invite(&["Content-Length: 5"], b"v=0\r\n");
    for end in 0..octets.len() {
        assert!(read_datagram(&octets[..end]).is_err(), "cut at {end}");
    }
    assert!(read_datagram(&octets).is_ok());
}

#[test]
fn what_is_no_sip_is_not_answered() {
    for text in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x00\x01\x00\x00!\x12\xa4B",
        b"x",
    ] {
        assert!(read_datagram(text).unwrap_err().reply.is_none());
    }
}

#[test]
fn a_repeated_single_header_is_refused() {
    for line in [
        "From: <sip:x@y>;tag=2",
        "CSeq: 2 INVITE",
        "Call-ID: other",
        "Expires: 1",
    ] {
        let octets = String::from_utf8(invite(&[], b"")).unwrap();
        let twice = octets.replacen("\r\n\r\n", &format!("\r\n{line}\r\n{line}\r\n\r\n"), 1);
        let message = read_datagram(twice.as_bytes()).unwrap();
        assert!(matches!(
            validate(&message).unwrap_err().kind,
            ReadErrorKind::Repeated(_)
        ));
    }
}

#[test]
fn a_header_from_outside_cannot_begin_another() {
    let mut headers = Headers::new();
    let error = headers.try_push("X-Note", "a\r\nBYE: now").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value of X-Note holds a line break or a NUL at octet 1"
    );
    assert!(headers.try_push("X-Note", "a\nb").is_err());
    assert!(headers.try_push("X-Note", "a\0b").is_err());
    assert!(headers.try_push("X Note", "a").is_err());
    assert!(headers.try_push("X-Note:\r\nEvil", "a").is_err());
    assert!(headers.try_push("", "a").is_err());
    headers.try_push("X-Note", "caf\u{e9}").unwrap();
    assert_eq!(headers.len(), 1);
}

#[test]
fn a_header_from_outside_is_no_longer_than_what_is_read() {
    let longest = MAX_FIELD_OCTETS - "X-Note: \r\n".len();
    let mut message = Request::new(Method::Options, "sip:bob@192.0.2.4".parse().unwrap());
    message
        .headers
        .try_push("X-Note", "a".repeat(longest))
        .unwrap();
    let error = message
        .headers
        .try_push("X-Note", "a".repeat(longest + 1))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value of X-Note is 8183 octets long: a header field may have 8192"
    );
    let Message::Request(read) = read_datagram(&message.to_bytes()).unwrap() else {
        panic!("no request was read");
    };
    assert_eq!(read.headers.get("X-Note").map(<[u8]>::len), Some(longest));
}

#[test]
fn whatever_is_put_in_a_message_its_lines_stay_its_own() {
    let mut request = Request::new(Method::Other(b"M".to_vec()), "sip:a@b".parse().unwrap());
    request.uri.user = Some(b"a\r\nX: 1".to_vec());
    request.headers.push("Subject", "a\r\nX: 1");
    request.headers.push("Bad Name\r\nX", "1");
    let mut contact = sip_ua::wire::NameAddr::from("sip:a@b".parse::<Uri>().unwrap());
    contact.display = Some(b"a\r\nX: 1".to_vec());
    contact.params.set("p", "1\r\nX: 1");
    request.headers.push("Contact", &contact);
    let mut response = request.response(200);
    response.reason = b"OK\r\nX: 1".to_vec();
    for text in [request.to_bytes(), response.to_bytes()] {
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.split("\r\n").all(|line| !line.starts_with("X:")),
            "{text}"
        );
    }
}

#[test]
fn content_length_is_the_bodys() {
    let (mut request, _) = take(&invite(&["Content-Length: 3"], b"v=0"));
    request.body = b"longer".to_vec();
    let text = String::from_utf8(request.to_bytes()).unwrap();
    assert_eq!(text.matches("Content-Length").count(), 1);
    assert!(text.ends_with("Content-Length: 6\r\n\r\nlonger"));
}

#[test]
fn a_response_copies_what_identifies_it() {
    let (request, _) = with(&["Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b"]);
    let response = request.response(486);
    let names: Vec<_> = response
        .headers
        .iter()
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(names, ["Via", "From", "To", "Call-ID", "CSeq"]);
    assert!(
        response
            .to_bytes()
            .starts_with(b"SIP/2.0 486 Busy Here\r\n")
    );
}
