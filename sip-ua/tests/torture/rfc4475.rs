// SPDX-License-Identifier: MPL-2.0
//! Each message of RFC 4475, what that RFC asks for, and what the reader makes of it.

use sip_ua::wire::{Contacts, HeaderName, Method, Scheme, Transport};

use crate::corpus::{self, read};

#[derive(Debug, PartialEq)]
enum Outcome {
    /// The reader takes it; what is answered is the business of the layers above.
    Taken,
    /// The reader refuses it and says what to answer.
    Refused(u16),
    /// There is nobody to answer.
    Dropped,
}
use Outcome::{Dropped, Refused, Taken};

/// Name, what the RFC asks for in short, what the reader does.
const ASKED: [(&str, &str, Outcome); 49] = [
    ("wsinv", "valid, though folded and spaced everywhere", Taken),
    (
        "intmeth",
        "valid; unusual method, user, tag, Call-ID, header",
        Taken,
    ),
    ("esc01", "valid; escapes in user, parameters", Taken),
    (
        "escnull",
        "valid; escaped NULs are two distinct users",
        Taken,
    ),
    (
        "esc02",
        "valid; % is no escape in a method or header name",
        Taken,
    ),
    (
        "lwsdisp",
        "valid; no blank between display name and <",
        Taken,
    ),
    ("longreq", "valid; long values, 34 Via", Taken),
    (
        "dblreq",
        "valid REGISTER; the octets behind it are ignored",
        Taken,
    ),
    ("semiuri", "valid; `;` belongs to the user", Taken),
    ("transports", "valid; any transport in Via", Taken),
    ("mpart01", "valid; binary multipart body", Taken),
    ("unreason", "valid response; UTF-8 reason", Taken),
    ("noreason", "valid response; empty reason", Taken),
    ("badinv01", "400: empty separators", Refused(400)),
    (
        "clerr",
        "400: Content-Length past the datagram",
        Refused(400),
    ),
    ("ncl", "400: negative Content-Length", Refused(400)),
    (
        "scalar02",
        "400: overlarge CSeq, Max-Forwards, Expires",
        Refused(400),
    ),
    (
        "scalarlg",
        "response with overlarge values: discard",
        Dropped,
    ),
    ("quotbal", "400: unbalanced quote", Refused(400)),
    ("ltgtruri", "400: <> round the Request-URI", Refused(400)),
    ("lwsruri", "400: blank in the Request-URI", Refused(400)),
    (
        "lwsstart",
        "400 (or repair): several blanks in the start line",
        Refused(400),
    ),
    (
        "trws",
        "400 (or repair): blanks end the start line",
        Refused(400),
    ),
    (
        "escruri",
        "400 (or ignore): headers in the Request-URI",
        Refused(400),
    ),
    ("baddate", "400 (or ignore): Date not in GMT", Refused(400)),
    (
        "regbadct",
        "400 (or repair): Contact with ? lacks <>",
        Refused(400),
    ),
    (
        "badaspec",
        "400 (or repair): blanks inside <>",
        Refused(400),
    ),
    (
        "baddn",
        "400 (or repair): unquoted comma in display name",
        Refused(400),
    ),
    ("badvers", "505: SIP/7.0", Refused(505)),
    ("mismatch01", "400: CSeq method is another", Refused(400)),
    (
        "mismatch02",
        "400 or 501: CSeq method is another",
        Refused(400),
    ),
    ("bigcode", "response with code 4294967301: discard", Dropped),
    (
        "badbranch",
        "treat by RFC 2543 rules: cookie alone is no branch",
        Taken,
    ),
    ("insuf", "400: no From, To, Call-ID", Refused(400)),
    ("unkscm", "416, above the reader", Taken),
    ("novelsc", "416, above the reader", Taken),
    (
        "unksm2",
        "valid; odd schemes in From, To; Contact is for the registrar",
        Taken,
    ),
    ("bext01", "420, above the reader", Taken),
    ("invut", "415, above the reader", Taken),
    (
        "regaut01",
        "ignore the unknown scheme: 401, above the reader",
        Taken,
    ),
    (
        "multi01",
        "400: several From, To, Call-ID, CSeq",
        Refused(400),
    ),
    ("mcl01", "400: two Content-Length", Refused(400)),
    (
        "bcast",
        "response with a broadcast Via: discard above the reader",
        Taken,
    ),
    ("zeromf", "a UA answers; a proxy says 483", Taken),
    ("cparam01", "valid; parameter of the header", Taken),
    ("cparam02", "valid; parameter of the URI", Taken),
    ("regescrt", "valid; escaped Route in the Contact URI", Taken),
    (
        "sdp01",
        "406 later or 200 without a body, above the reader",
        Taken,
    ),
    ("inv2543", "valid by RFC 2543", Taken),
];

#[test]
fn all_49_are_treated_as_the_rfc_asks() {
    let corpus = corpus::rfc4475();
    assert_eq!(corpus.len(), ASKED.len());
    let mut wrong = Vec::new();
    for (case, (name, asked, expected)) in corpus.iter().zip(&ASKED) {
        assert_eq!(case.name, *name);
        let (outcome, why) = match read(&case.octets) {
            Ok(_) => (Taken, String::new()),
            Err(error) => match &error.reply {
                Some(reply) => (Refused(reply.status), error.kind.to_string()),
                None => (Dropped, error.kind.to_string()),
            },
        };
        let outcome_text = format!("{outcome:?}");
        println!(
            "{name:<11} {:<9} {outcome_text:<13} {asked:<58} {why}",
            case.section
        );
        if outcome != *expected {
            wrong.push(*name);
        }
    }
    assert!(wrong.is_empty(), "not as asked: {wrong:?}");
}

fn octets(name: &str) -> Vec<u8> {
    let case = corpus::rfc4475().into_iter().find(|case| case.name == name);
    case.expect("a message of that name").octets
}

#[test]
fn wsinv_is_unfolded_and_typed() {
    let (message, core) = read(&octets("wsinv")).unwrap();
    let tags: Vec<_> = [&core.from, &core.to]
        .map(|address| address.tag().unwrap())
        .into();
    assert_eq!(tags, [b"98asjd8".as_slice(), b"1918181833n"]);
    assert_eq!(
        core.from.display.as_deref(),
        Some(br#"J Rosenberg \""#.as_slice())
    );
    assert_eq!(core.max_forwards, Some(68));
    assert_eq!((core.cseq.number, core.cseq.method), (9, Method::Invite));
    let via: Vec<_> = core.via.iter().map(|via| via.to_string()).collect();
    assert_eq!(
        via,
        [
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ]
    );
    let headers = message.headers();
    let folded = b"newfangled value continued newfangled value".as_slice();
    assert_eq!(headers.get("newfangledheader"), Some(folded));
    assert_eq!(headers.get("Subject"), Some(b"".as_slice()));
    assert!(core.route[0].uri.params.contains("lr"));
    let contact = core.contacts.first().unwrap();
    assert_eq!(
        contact.display.as_deref(),
        Some(br#"Quoted string """#.as_slice())
    );
    assert_eq!(contact.params.get("q"), Some(b"0.33".as_slice()));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn intmeth_keeps_every_unusual_octet() {
    let octets = octets("intmeth");
    let (message, core) = read(&octets).unwrap();
    let method = b"!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(core.cseq.method.as_bytes(), method);
    assert_eq!(
        core.to.display.as_deref(),
        Some(b"BEL:\x07 NUL:\0 DEL:\x7f".as_slice())
    );
    assert_eq!(
        core.from.display.as_deref(),
        Some(b"token1~` token2'+_ token3*%!.-".as_slice())
    );
    assert_eq!(core.from.tag(), Some(b"_token~1'+`*%!-.".as_slice()));
    assert_eq!(
        message
            .headers()
            .get("extensionHeader-!.%*+_`'~")
            .unwrap()
            .len(),
        12
    );
    let start_line = octets.split(|o| *o == b'\r').next().unwrap();
    assert!(message.to_bytes().starts_with(start_line));
}

#[test]
fn escapes_mean_what_they_stand_for_in_uris_alone() {
    let (_, core) = read(&octets("esc01")).unwrap();
    assert_eq!(
        core.to.uri.user_decoded().as_deref(),
        Some(b"user".as_slice())
    );
    assert_eq!(core.to.uri, "sip:user@example.com".parse().unwrap());
    assert_eq!(
        core.from.uri.user_decoded().as_deref(),
        Some(b"I have spaces".as_slice())
    );

    let (_, core) = read(&octets("escnull")).unwrap();
    let Contacts::List(contacts) = core.contacts else {
        panic!("addresses")
    };
    assert_eq!(
        contacts[0].uri.user_decoded().as_deref(),
        Some(b"\0".as_slice())
    );
    assert!(contacts[0].uri != contacts[1].uri);

    let (message, core) = read(&octets("esc02")).unwrap();
    assert_eq!(core.cseq.method.as_bytes(), b"RE%47IST%45R");
    assert_eq!(core.to.display.as_deref(), Some(b"%Z%45".as_slice()));
    assert_eq!(message.headers().count(HeaderName::Contact), 2);
}

#[test]
fn longreq_names_34_hops() {
    let (_, core) = read(&octets("longreq")).unwrap();
    assert_eq!(core.via.len(), 34);
    assert_eq!(core.via[33].received(), Some("192.0.2.5".parse().unwrap()));
}

#[test]
fn transports_keeps_the_unknown_one() {
    let (_, core) = read(&octets("transports")).unwrap();
    assert_eq!(core.via[1].transport, Transport::Sctp);
    assert_eq!(core.via[3].transport, Transport::Other(b"UNKNOWN".to_vec()));
}

#[test]
fn semiuri_has_its_semicolon_in_the_user() {
    let (message, _) = read(&octets("semiuri")).unwrap();
    let sip_ua::wire::Message::Request(request) = message else {
        panic!("a request")
    };
    let user = b"user;par=u@example.net".as_slice();
    assert_eq!(request.uri.user_decoded().as_deref(), Some(user));
    assert!(request.uri.params.is_empty());
}

#[test]
fn a_contact_parameter_is_the_headers_or_the_uris() {
    let (_, header) = read(&octets("cparam01")).unwrap();
    let (_, uri) = read(&octets("cparam02")).unwrap();
    let (header, uri) = (
        header.contacts.first().unwrap(),
        uri.contacts.first().unwrap(),
    );
    assert!(header.params.contains("unknownparam") && header.uri.params.is_empty());
    assert!(uri.uri.params.contains("unknownparam") && uri.params.is_empty());
}

#[test]
fn bodies_are_octets() {
    let (message, _) = read(&octets("mpart01")).unwrap();
    assert_eq!(message.body().len(), 553);
    assert!(octets("mpart01").ends_with(message.body()));
    let (message, _) = read(&octets("dblreq")).unwrap();
    assert!(message.body().is_empty());
    let (message, _) = read(&octets("unreason")).unwrap();
    let sip_ua::wire::Message::Response(response) = message else {
        panic!("a response")
    };
    assert!(response.reason.starts_with(b"= 2**3 * 5**2 \xd0\xbd"));
}

#[test]
fn badbranch_is_no_transaction_identifier() {
    let (_, core) = read(&octets("badbranch")).unwrap();
    assert_eq!(core.via[0].branch(), Some(b"z9hG4bK".as_slice()));
    assert_eq!(core.via[0].unique_branch(), None);
}

#[test]
fn unknown_schemes_are_kept() {
    let (message, _) = read(&octets("novelsc")).unwrap();
    let sip_ua::wire::Message::Request(request) = message else {
        panic!("a request")
    };
    assert_eq!(request.uri.scheme, Scheme::Other(b"soap.beep".to_vec()));
    assert_eq!(request.uri.to_string(), "soap.beep://192.0.2.103:3002");
    let (_, core) = read(&octets("unksm2")).unwrap();
    assert_eq!(core.to.uri.to_string(), "isbn:2983792873");
    assert_eq!(core.from.uri.to_string(), "http://www.example.com");
}

#[test]
fn insuf_is_answered_by_what_it_has() {
    let error = read(&octets("insuf")).unwrap_err();
    let reply = error.reply.expect("it can be answered");
    assert!(reply.headers.contains("Via") && reply.headers.contains("CSeq"));
    assert_eq!(reply.reason, b"Missing From Header");
}
