// SPDX-License-Identifier: MPL-2.0
//! What is written is read back the same, for messages made at random from the whole grammar.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sip_ua::wire::{
    CSeq, Core, Host, Message, Method, NameAddr, Params, Request, Response, Scheme, Transport, Uri,
    Via, read_datagram, validate,
};

const TOKEN: &str = "[A-Za-z0-9.!%*_+`'~-]{1,12}";

fn method() -> impl Strategy<Value = Method> {
    let known = select(vec![
        "INVITE", "BYE", "CANCEL", "OPTIONS", "PRACK", "UPDATE", "REFER",
    ]);
    prop_oneof![known.prop_map(str::to_owned), TOKEN]
        .prop_map(|text| Method::parse(text.as_bytes()).unwrap())
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| Host::from(std::net::IpAddr::from(ip))),
        any::<[u16; 8]>().prop_map(|ip| Host::from(std::net::IpAddr::from(ip))),
        "[a-z][a-z0-9-]{0,8}(\\.[a-z]{2,4})?"
            .prop_map(|name| Host::parse(name.as_bytes()).unwrap()),
    ]
}

/// Any octets a display name or a quoted parameter may hold.
fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![9 => 0x20u8..=0xff, 1 => select(vec![b'"', b'\\', b'<', b'>', b',', b';'])],
        1..20,
    )
}

fn params() -> impl Strategy<Value = Params> {
    let value = prop_oneof![
        Just(None),
        TOKEN.prop_map(|v| Some(Ok(v))),
        text().prop_map(|v| Some(Err(v))),
    ];
    vec(("[a-z]{1,6}", value), 0..4).prop_map(|items| {
        let mut params = Params::new();
        for (name, value) in items {
            match value {
                None => params.set_flag(&name),
                Some(Ok(token)) => params.set(&name, token),
                Some(Err(text)) => params.set_quoted(&name, &text),
            }
        }
        params
    })
}

fn uri_params() -> impl Strategy<Value = Params> {
    vec(
        ("[a-z]{1,6}", option::of("[A-Za-z0-9%:/\\[\\].-]{1,8}")),
        0..3,
    )
    .prop_map(|items| {
        let mut params = Params::new();
        for (name, value) in items {
            match value {
                None => params.set_flag(&name),
                Some(value) => params.set(&name, value),
            }
        }
        params
    })
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = option::of("[A-Za-z0-9_.!~*'()&=+$,;?/%#-]{1,16}");
    let sip = (
        any::<bool>(),
        user,
        host(),
        option::of(any::<u16>()),
        uri_params(),
    );
    let sip = sip.prop_map(|(secure, user, host, port, params)| {
        let mut uri = Uri::sip(None, host, port);
        uri.scheme = if secure { Scheme::Sips } else { Scheme::Sip };
        uri.user = user.map(String::into_bytes);
        uri.params = params;
        uri
    });
    let other = select(vec![
        "tel:+49-30-1234;phone-context=x.example",
        "urn:service:sos",
        "soap.beep://192.0.2.103:3002",
        "isbn:2983792873",
    ]);
    prop_oneof![4 => sip, 1 => other.prop_map(|text| text.parse().unwrap())]
}

fn address() -> impl Strategy<Value = NameAddr> {
    (option::of(text()), uri(), params()).prop_map(|(display, uri, params)| NameAddr {
        display,
        uri,
        params,
    })
}

fn via() -> impl Strategy<Value = Via> {
    (TOKEN, host(), option::of(any::<u16>()), params()).prop_map(|(name, host, port, params)| Via {
        transport: Transport::parse(name.as_bytes()).unwrap(),
        host,
        port,
        params,
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..64)
}

#[derive(Debug)]
struct Parts {
    via: Vec<Via>,
    from: NameAddr,
    to: NameAddr,
    contacts: Vec<NameAddr>,
    call_id: String,
    number: u32,
    extra: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// Several Via and Contact on one line, rather than one a line.
    joined: bool,
}

fn parts() -> impl Strategy<Value = Parts> {
    // Blanks at either end of a value mean nothing (section 7.3.1).
    let value = text().prop_map(|value| value.trim_ascii().to_vec());
    let extra = vec(("X-[A-Za-z0-9-]{1,8}", value), 0..4);
    let numbers = (0u32..1 << 31, any::<bool>());
    let addresses = (address(), address(), vec(address(), 0..3));
    (
        vec(via(), 1..4),
        addresses,
        "[!-~]{1,20}",
        numbers,
        extra,
        body(),
    )
        .prop_map(
            |(via, (from, to, contacts), call_id, (number, joined), extra, body)| Parts {
                via,
                from,
                to,
                contacts,
                call_id,
                number,
                extra,
                body,
                joined,
            },
        )
}

fn fill(message: &mut Message, parts: &Parts, method: &Method) {
    let headers = message.headers_mut();
    let vias: Vec<_> = parts.via.iter().map(Via::to_bytes).collect();
    let contacts: Vec<_> = parts.contacts.iter().map(NameAddr::to_bytes).collect();
    for (name, values) in [("Via", vias), ("Contact", contacts)] {
        if parts.joined && !values.is_empty() {
            headers.push(name, values.join(&b", "[..]));
        } else {
            values
                .into_iter()
                .for_each(|value| headers.push(name, value));
        }
    }
    headers.push("From", &parts.from);
    headers.push("To", &parts.to);
    headers.push("Call-ID", parts.call_id.as_str());
    headers.push(
        "CSeq",
        &CSeq {
            number: parts.number,
            method: method.clone(),
        },
    );
    for (name, value) in &parts.extra {
        headers.try_push(name, value.as_slice()).unwrap();
    }
    match message {
        Message::Request(request) => request.body = parts.body.clone(),
        Message::Response(response) => response.body = parts.body.clone(),
    }
}

fn assert_core(core: &Core, parts: &Parts, method: &Method) {
    assert_eq!(core.via, parts.via);
    for (read, written) in [(&core.from, &parts.from), (&core.to, &parts.to)] {
        assert_eq!(read.display, written.display);
        assert_eq!(read.uri.to_bytes(), written.uri.to_bytes());
        assert_eq!(read.params, written.params);
    }
    assert_eq!(core.call_id, parts.call_id.as_bytes());
    assert_eq!(
        (core.cseq.number, &core.cseq.method),
        (parts.number, method)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_request_is_read_as_it_was_written(parts in parts(), method in method(), uri in uri()) {
        let mut message = Message::Request(Request::new(method.clone(), uri.clone()));
        fill(&mut message, &parts, &method);
        let octets = message.to_bytes();
        let again = read_datagram(&octets).unwrap();
        assert_core(&validate(&again).unwrap(), &parts, &method);
        prop_assert_eq!(again.body(), &parts.body);
        let fields = |m: &Message| -> Vec<(String, Vec<u8>)> {
            let kept = m.headers().iter().filter(|(name, _)| name.as_bytes() != b"Content-Length");
            kept.map(|(name, value)| (name.to_string(), value.to_vec())).collect()
        };
        prop_assert_eq!(fields(&again), fields(&message));
        prop_assert_eq!(again.to_bytes(), octets);
        let Message::Request(request) = again else { panic!("a request") };
        prop_assert_eq!(request.uri.to_bytes(), uri.to_bytes());
    }

    #[test]
    fn a_response_is_read_as_it_was_written(
        parts in parts(), method in method(), status in 100u16..700, reason in text(),
    ) {
        let mut message = Message::Response(Response::new(status));
        fill(&mut message, &parts, &method);
        if let Message::Response(response) = &mut message {
            response.reason = reason.clone();
        }
        let octets = message.to_bytes();
        let again = read_datagram(&octets).unwrap();
        assert_core(&validate(&again).unwrap(), &parts, &method);
        prop_assert_eq!(again.to_bytes(), octets);
        let Message::Response(response) = again else { panic!("a response") };
        prop_assert_eq!((response.status, response.reason), (status, reason));
    }

    #[test]
    fn a_uri_equals_itself_read_again(uri in uri()) {
        let again = Uri::parse(&uri.to_bytes()).unwrap();
        prop_assert!(again == uri);
        prop_assert_eq!(again.to_bytes(), uri.to_bytes());
    }
}
