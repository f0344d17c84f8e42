// SPDX-License-Identifier: MPL-2.0
//! One SIP message. What the reader takes it writes so that it reads the same again; what it cannot
//! take it refuses, and says what to answer.

use sip_ua::digest::Challenge;
use sip_ua::sdp::description_in;
use sip_ua::wire::{
    Contacts, HeaderName, Message, NameAddr, RAck, Replaces, Uri, Via, read_datagram, read_framed,
    rseq, validate,
};

use super::{SIP_WORDS, has_room, torture_messages};
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "message",
    about: "a SIP message, read, validated and written again",
    seeds: || torture_messages().collect(),
    words: SIP_WORDS,
    short: 800,
    run,
};

fn run(octets: &[u8], traits: &mut Traits) {
    if let Err(error) = read_framed(octets) {
        traits.sentence(error);
    }
    parts(octets, traits);
    let message = match read_datagram(octets) {
        Ok(message) => message,
        Err(error) => {
            // What is to be answered can be read.
            if let Some(reply) = &error.reply {
                traits.see(reply.status);
                read_datagram(&reply.to_bytes()).expect("the answer can be read");
            }
            return traits.sentence(error);
        }
    };
    let core = validate(&message);
    let written = message.to_bytes();
    if !has_room(octets) {
        return;
    }
    let again = read_datagram(&written).expect("what was written can be read");
    match (&message, &again) {
        (Message::Request(a), Message::Request(b)) => {
            assert_eq!((&a.method, a.uri.to_bytes()), (&b.method, b.uri.to_bytes()));
            traits.see(a.method.to_string().len() < 12);
        }
        (Message::Response(a), Message::Response(b)) => {
            assert_eq!((a.status, &a.reason), (b.status, &b.reason));
            traits.see(a.status);
        }
        _ => panic!("a request became a response"),
    }
    assert_eq!(message.body(), again.body());
    assert_eq!(written, again.to_bytes(), "writing is stable");
    let content_type = message.headers().get(HeaderName::ContentType);
    let description = description_in(content_type, message.body());
    traits.see(("body", description.map(|found| found.is_some()).ok()));
    traits.see(("RSeq", rseq(message.headers()).is_some()));
    match (core, validate(&again)) {
        (Ok(core), Ok(again)) => {
            let vias = |core: &sip_ua::wire::Core| -> Vec<_> {
                core.via.iter().map(Via::to_bytes).collect()
            };
            assert_eq!(vias(&core), vias(&again));
            assert_eq!(core.from.to_bytes(), again.from.to_bytes());
            assert_eq!(core.to.to_bytes(), again.to.to_bytes());
            assert_eq!((core.call_id, core.cseq), (again.call_id, again.cseq));
            traits.see(("vias", core.via.len().min(5)));
            traits.see(match core.contacts {
                Contacts::All => usize::MAX,
                Contacts::List(list) => list.len().min(5),
            });
        }
        (Err(error), Err(_)) => traits.sentence(error),
        (one, other) => panic!("{one:?} became {other:?}"),
    }
}

/// Every line, as each of the things that stand in headers.
fn parts(octets: &[u8], traits: &mut Traits) {
    for line in octets.split(|octet| *octet == b'\n') {
        let value = line
            .splitn(2, |octet| *octet == b':')
            .last()
            .unwrap_or_default()
            .trim_ascii();
        if let Ok(address) = NameAddr::parse(value) {
            let again = NameAddr::parse(&address.to_bytes()).expect("what was written");
            assert_eq!(
                address.display.clone().unwrap_or_default(),
                again.display.clone().unwrap_or_default()
            );
            assert_eq!(address.uri.to_bytes(), again.uri.to_bytes());
            assert_eq!(address.tag(), again.tag());
            traits.see((
                "address",
                address.display.is_some(),
                address.tag().is_some(),
            ));
        }
        if let Ok(via) = Via::parse(value) {
            let again = Via::parse(&via.to_bytes()).expect("what was written");
            assert_eq!(
                (
                    via.received(),
                    via.rport(),
                    via.branch(),
                    &via.host,
                    via.port
                ),
                (
                    again.received(),
                    again.rport(),
                    again.branch(),
                    &again.host,
                    again.port
                )
            );
            traits.see((
                "via",
                via.received().is_some(),
                via.rport().is_some(),
                via.host.ip().map(|ip| ip.is_ipv4()),
                via.port.is_some(),
            ));
        }
        if let Ok(uri) = Uri::parse(value) {
            let again = Uri::parse(&uri.to_bytes()).expect("what was written");
            assert_eq!(uri.to_bytes(), again.to_bytes());
            assert!(uri == uri.clone());
            assert!(uri == again);
            assert!(again.eq(&uri));
            traits.see((
                "uri",
                uri.user.is_some(),
                uri.password.is_some(),
                uri.port.is_some(),
                uri.headers.is_some(),
                uri.host.ip().map(|ip| ip.is_ipv4()),
            ));
        }
        if let Some(replaces) = Replaces::parse(value) {
            assert_eq!(
                Replaces::parse(&replaces.to_bytes()),
                Some(replaces.clone())
            );
            let in_uri = Replaces::of_uri_headers(&replaces.to_uri_headers());
            assert_eq!(in_uri, Some(Some(replaces)));
            traits.see("replaces");
        }
        if let Some(rack) = RAck::parse(value) {
            assert_eq!(RAck::parse(&rack.to_bytes()), Some(rack));
            traits.see("rack");
        }
        match Challenge::parse(value) {
            Ok(challenge) => traits.see(("challenge", challenge.known_algorithm().is_some())),
            Err(error) => traits.sentence(error),
        }
    }
}
