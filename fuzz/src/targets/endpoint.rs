// SPDX-License-Identifier: MPL-2.0
//! A user agent, in virtual time: what arrives, and what its user does. Whatever that is, what it sends
//! can be read, no call tells anything after its end, few messages come of one, and once everybody has
//! hung up and time has passed nothing is left.
//!
//! In what arrives, `{via}`, `{from}`, `{to}`, `{id}` and `{cseq}` stand for those of the last request
//! that was sent (an ACK does not count), `{tag}` and `{rseq}` for those of the last response.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip_ua::digest::Credentials;
use sip_ua::endpoint::{CallId, Endpoint, EndpointConfig, Outgoing, Verdict};
use sip_ua::registrar;
use sip_ua::registration::{Account, RegistrationId};
use sip_ua::transaction::Path;
use sip_ua::transport::{Arrival, Hop, Transport};
use sip_ua::wire::{HeaderName, Message, Method, NameAddr, Uri, read_datagram, rseq};

use super::pair::{OFFER, Pair, Side, config, endpoint, everyone, outgoing};
use super::{SIP_WORDS, has_room, stories, user};
use crate::script::{number, steps};
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "endpoint",
    about: "a user agent: messages that arrive, time, and what its user does",
    seeds: stories::all,
    words: SIP_WORDS,
    short: 400,
    run,
};

/// More steps than this tell nothing new.
const MOST_STEPS: usize = 400;

/// One message that arrives leads to no more than so many.
const MOST_ANSWERS: usize = 24;

/// Longer than any transaction, subscription or binding lasts.
const LONG: Duration = Duration::from_secs(3 * 3600);

fn far() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 9], 5060))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 77], 5062))
}

/// Bob is tried; nobody ever speaks with Alice.
fn bob() -> Endpoint {
    Endpoint::new(EndpointConfig {
        screen: Arc::new(|request, source| match request.method {
            Method::Register => Verdict::AllowUser("bob".to_owned()),
            _ if source == stranger() && request.method == Method::Invite => {
                Verdict::Challenge(vec![b"Digest realm=\"here\", nonce=\"n\"".to_vec()])
            }
            _ if source == stranger() => Verdict::Silent,
            _ => Verdict::Allow,
        }),
        registrar: Some(registrar::Config::default()),
        listeners: vec![
            Hop::new(Transport::Udp, Side::Bob.addr()),
            Hop::new(Transport::Tcp, Side::Bob.addr()),
        ],
        ..config(2)
    })
}

fn run(input: &[u8], traits: &mut Traits) {
    let mut pair = Pair::of(endpoint(1, everyone()), bob());
    pair.registrars = vec![far()];
    pair.hops_found = Some(vec![far(), stranger()]);
    let mut dialled: Vec<CallId> = Vec::new();
    let mut back = 0;
    for (letter, with) in steps(input).take(MOST_STEPS) {
        let sent = pair.messages.len();
        let calls: Vec<CallId> = pair
            .incoming
            .iter()
            .map(|(_, id, _)| *id)
            .chain(dialled.iter().copied())
            .collect();
        if letter == b'k' {
            back = number(with) as usize;
        }
        let call = calls.iter().rev().nth(back).or(calls.last()).copied();
        match letter {
            b'd' | b'e' | b's' => {
                let message = filled(&pair, with);
                arrive(&mut pair, letter, &message);
                let answers = pair.messages.len() - sent;
                assert!(answers <= MOST_ANSWERS, "{answers} messages came of one");
            }
            b't' => pair.run(Duration::from_millis(number(with).min(4_000_000))),
            b'c' | b'C' => {
                if let Some(id) = dial(&mut pair, with, letter == b'c') {
                    dialled.push(id);
                }
            }
            b'g' => register(&mut pair, with),
            b'u' => {
                for id in pair.bob.registration_ids() {
                    pair.act(Side::Bob, |bob, now| bob.unregister(now, id));
                }
            }
            b'l' => {
                let lost = Hop::new(Transport::Tcp, far());
                pair.act(Side::Bob, |bob, now| bob.handle_lost(now, lost));
            }
            _ => {
                if let Some(id) = call {
                    pair.act(Side::Bob, |bob, now| {
                        user::act(bob, now, letter, with, id, &calls);
                    });
                }
            }
        }
        for message in &pair.messages[sent..] {
            see(letter, &message.1, traits);
        }
    }
    for id in &dialled {
        for event in pair.events(Side::Bob, *id) {
            traits.step(std::mem::discriminant(event));
        }
    }
    finish(&mut pair);
}

/// What is said of a message: the method or the status, and what it answers.
fn see(letter: u8, message: &[u8], traits: &mut Traits) {
    let words: Vec<&[u8]> = message.splitn(3, |octet| *octet == b' ').collect();
    match words[..] {
        [b"SIP/2.0", status, _] => traits.step((letter, status)),
        [method, ..] => traits.step((letter, method)),
        [] => {}
    }
}

fn arrive(pair: &mut Pair, letter: u8, message: &[u8]) {
    if !has_room(message) {
        return;
    }
    match letter {
        b's' => {
            let arrival = Arrival {
                transport: Transport::Tcp,
                ..Arrival::datagram(Side::Bob.addr(), far())
            };
            pair.act(Side::Bob, |bob, now| {
                bob.handle_stream_message(now, arrival, message.to_vec())
            });
        }
        b'e' => pair.inject(Side::Bob, stranger(), message),
        _ => pair.inject(Side::Bob, far(), message),
    }
}

fn dial(pair: &mut Pair, to: &[u8], offer: bool) -> Option<CallId> {
    let to = Uri::parse(to.trim_ascii()).ok()?;
    let id = CallId::unique();
    let mut call = Outgoing {
        to,
        offer: offer.then(|| OFFER.to_vec()),
        credentials: Some(Credentials::new("bob", "secret")),
        follow_redirects: true,
        ..outgoing()
    };
    let ways = [far(), stranger()].map(|server| Path::udp(Side::Bob.addr(), server));
    pair.act(Side::Bob, |bob, now| {
        call.sip_call_id = bob.new_sip_call_id();
        bob.dial(now, id, ways.to_vec(), call);
    });
    Some(id)
}

fn register(pair: &mut Pair, with: &[u8]) {
    // More would only take time.
    if pair.bob.registration_ids().len() > 3 {
        return;
    }
    let account = Account {
        registrar: "sip:198.51.100.9".parse().unwrap(),
        aor: "<sip:bob@example.org>".parse().unwrap(),
        expires: Duration::from_secs(number(with).clamp(60, 3_600)),
        credentials: Some(Credentials::new("bob", "secret")),
        route: Vec::new(),
    };
    let id = RegistrationId::unique();
    pair.act(Side::Bob, |bob, now| bob.register(now, id, account));
}

/// Everybody goes home.
fn finish(pair: &mut Pair) {
    for id in pair.bob.live_calls() {
        pair.act(Side::Bob, |bob, now| bob.hangup(now, id, None));
    }
    for id in pair.bob.registration_ids() {
        pair.act(Side::Bob, |bob, now| bob.unregister(now, id));
    }
    pair.run(LONG);
    pair.assert_empty();
}

/// What arrives, with names in the place of braces.
fn filled(pair: &Pair, text: &[u8]) -> Vec<u8> {
    if !text.contains(&b'{') {
        return text.to_vec();
    }
    let mut request = None;
    let mut response = None;
    for (_, message) in pair.messages.iter().rev() {
        if message.starts_with(b"ACK ") {
            continue;
        }
        match read_datagram(message) {
            Ok(Message::Request(read)) if request.is_none() => request = Some(read.headers),
            Ok(Message::Response(read)) if response.is_none() => response = Some(read.headers),
            _ => {}
        }
        if request.is_some() && response.is_some() {
            break;
        }
    }
    let value = |name: HeaderName| {
        let value = request.as_ref().and_then(|headers| headers.get(name));
        value.unwrap_or_default().to_vec()
    };
    let to = response
        .as_ref()
        .and_then(|headers| headers.get(HeaderName::To))
        .and_then(|to| NameAddr::parse(to).ok());
    let tag = to.as_ref().and_then(NameAddr::tag).unwrap_or_default();
    let rseq = response.as_ref().and_then(rseq).unwrap_or_default();
    let names: [(&[u8], Vec<u8>); 7] = [
        (b"{via}", value(HeaderName::Via)),
        (b"{from}", value(HeaderName::From)),
        (b"{to}", value(HeaderName::To)),
        (b"{id}", value(HeaderName::CallId)),
        (b"{cseq}", value(HeaderName::CSeq)),
        (b"{tag}", tag.to_vec()),
        (b"{rseq}", rseq.to_string().into_bytes()),
    ];
    let mut filled = Vec::with_capacity(text.len() + 200);
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        match names.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                filled.extend_from_slice(value);
                rest = &rest[name.len()..];
            }
            None => {
                filled.push(*first);
                rest = after;
            }
        }
    }
    filled
}
