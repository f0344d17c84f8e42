// SPDX-License-Identifier: MPL-2.0
use turn_client_proto::types::attribute::Lifetime;
use turn_client_proto::types::message::REFRESH;
use turn_client_proto::types::stun::message::{LongTermKeyCredentials, Message};

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn asking(over: RelayOver, now: Instant) -> Relay {
    let login = RelayLogin {
        username: "ann".to_owned(),
        password: Zeroizing::new("secret".to_owned()),
    };
    let (server, base) = (address("192.0.2.1:3478"), address("10.0.0.2:5000"));
    assert!(Relay::new(now, over, server, address("[::1]:5000"), &login).is_none());
    Relay::new(now, over, server, base, &login).unwrap()
}

#[test]
fn silence_ends_in_half_a_minute_or_so() {
    for over in [RelayOver::Udp, RelayOver::Tcp] {
        let began = Instant::now();
        let mut now = began;
        let mut relay = asking(over, now);
        let mut sent = 0;
        while let Some(due) = relay.due() {
            now = now.max(due);
            relay.timeout(now);
            while relay.poll_transmit().is_some() {
                sent += 1;
            }
        }
        assert!(relay.is_settled() && relay.relayed().is_none());
        assert!(matches!(relay.poll_event(), Some(RelayEvent::Failed(_))));
        assert_eq!(relay.poll_event(), None);
        let took = now - began;
        assert!(took < Duration::from_secs(60), "{over:?}: {took:?}");
        // A connection loses nothing.
        assert_eq!(sent > 1, over == RelayOver::Udp, "{over:?}: {sent}");
    }
}

#[test]
fn what_is_none_of_turn_ends_a_connection() {
    let now = Instant::now();
    let mut relay = asking(RelayOver::Tcp, now);
    relay.receive(now, b"SSH-2.0-OpenSSH_9.2\r\n", |_, _| {});
    // It might be channel data so far, of nobody's channel.
    relay.receive(now, &[0; 65_536], |_, _| {});
    assert!(relay.is_over());
    assert!(matches!(relay.poll_event(), Some(RelayEvent::Failed(_))));
}

#[test]
fn a_nonce_in_other_letters_is_no_answer() {
    let now = Instant::now();
    for over in [RelayOver::Udp, RelayOver::Tcp] {
        let mut relay = asking(over, now);
        let asked = relay.poll_transmit().unwrap();
        let mut answer = challenge(&asked);
        answer.truncate(answer.len() - 8);
        answer.extend_from_slice("\0\u{15}\0\u{10}obMatJos2abc\u{e9}xy".as_bytes());
        answer[3] += 12;
        relay.receive(now, &answer, |_, _| {});
        assert!(!relay.is_settled(), "{over:?}");
    }
}

/// The answer to a first request: who are you? (RFC 8489 section 9.2.4)
fn challenge(asked: &[u8]) -> Vec<u8> {
    let mut answer = asked[..20].to_vec();
    answer[..4].copy_from_slice(&[0x01, 0x13, 0, 36]);
    answer.extend_from_slice(b"\x00\x09\x00\x10\x00\x00\x04\x01Unauthorized");
    answer.extend_from_slice(b"\x00\x14\x00\x04home\x00\x15\x00\x04once");
    answer
}

#[test]
fn silence_after_a_challenge_ends_as_soon() {
    for over in [RelayOver::Udp, RelayOver::Tcp] {
        let began = Instant::now();
        let mut now = began;
        let mut relay = asking(over, now);
        let asked = relay.poll_transmit().unwrap();
        assert!(relay.receive(now, &challenge(&asked), |_, _| {}));
        let mut signed = 0;
        while let Some(due) = relay.due() {
            now = now.max(due);
            relay.timeout(now);
            while let Some(sent) = relay.poll_transmit() {
                signed += usize::from(sent.windows(3).any(|name| name == b"ann"));
            }
        }
        assert!(signed > 0, "{over:?}");
        assert!(matches!(relay.poll_event(), Some(RelayEvent::Failed(_))));
        let took = now - began;
        assert!(took < Duration::from_secs(60), "{over:?}: {took:?}");
    }
}

/// What is sent next, however long that takes.
fn next(relay: &mut Relay, now: &mut Instant) -> Vec<u8> {
    loop {
        if let Some(sent) = relay.poll_transmit() {
            return sent;
        }
        *now = relay.due().unwrap().max(*now);
        relay.timeout(*now);
    }
}

/// Who was challenged and signed their request; when, and what they sent first and then.
fn signing(over: RelayOver) -> (Relay, Instant, [Vec<u8>; 2]) {
    let mut now = Instant::now();
    let mut relay = asking(over, now);
    let asked = next(&mut relay, &mut now);
    relay.receive(now, &challenge(&asked), |_, _| {});
    let signed = next(&mut relay, &mut now);
    (relay, now, [asked, signed])
}

#[test]
fn a_login_that_is_refused_is_given_up_at_once() {
    for over in [RelayOver::Udp, RelayOver::Tcp] {
        let (mut relay, now, [asked, signed]) = signing(over);
        // The same answer, twice on the way.
        relay.receive(now, &challenge(&asked), |_, _| {});
        assert!(!relay.is_settled(), "{over:?}");
        assert!(relay.receive(now, &challenge(&signed), |_, _| {}));
        assert!(relay.is_over(), "{over:?}");
        assert_eq!(relay.poll_event(), Some(RelayEvent::Failed(REFUSED)));
        assert_eq!((relay.due(), relay.poll_transmit()), (None, None));
    }
}

/// An answer that nobody waits for any more would leave an address at the server until its time is up.
#[test]
fn an_address_is_given_back_before_it_is_there() {
    for over in [RelayOver::Udp, RelayOver::Tcp] {
        let (mut relay, now, [_, signed]) = signing(over);
        relay.close(now);
        let refresh = relay.poll_transmit().unwrap();
        assert_ne!(refresh[8..20], signed[8..20]);
        let refresh = Message::from_bytes(&refresh).unwrap();
        assert_eq!(refresh.method(), REFRESH);
        assert_eq!(refresh.attribute::<Lifetime>().unwrap().seconds(), 0);
        let ann = LongTermKeyCredentials::new("ann".into(), "secret".into(), "home".into());
        refresh.validate_integrity(&ann.into()).unwrap();
        assert!(relay.is_over());
        assert_eq!(relay.poll_transmit(), None);
    }
}

#[test]
fn who_was_not_challenged_gives_nothing_back() {
    let now = Instant::now();
    let mut relay = asking(RelayOver::Udp, now);
    while relay.poll_transmit().is_some() {}
    relay.close(now);
    assert!(relay.is_over());
    assert_eq!(relay.poll_transmit(), None);
}

#[test]
fn nothing_is_sent_from_an_address_that_is_not_ours() {
    let now = Instant::now();
    let mut relay = asking(RelayOver::Udp, now);
    while relay.poll_transmit().is_some() {}
    relay.send(now, address("192.0.2.9:7000"), vec![0x80; 100]);
    relay.close(now);
    assert_eq!(relay.poll_transmit(), None);
}

#[test]
fn garbage_is_none_of_it_and_harms_nothing() {
    let now = Instant::now();
    for over in [RelayOver::Udp, RelayOver::Tcp] {
        let mut relay = asking(over, now);
        let asked = relay.poll_transmit().unwrap();
        // An answer to what was asked, as it might be, cut short everywhere and with each octet spoiled.
        let mut answer = asked.clone();
        answer[..2].copy_from_slice(&[0x01, 0x13]);
        let mut said = 0;
        for end in 0..answer.len() {
            relay.receive(now, &answer[..end], |_, _| said += 1);
        }
        for place in 0..answer.len() {
            let mut spoiled = answer.clone();
            spoiled[place] ^= 0xff;
            relay.receive(now, &spoiled, |_, _| said += 1);
        }
        // Channel data of nobody's channel.
        relay.receive(now, &[0x40, 0x00, 0x00, 0x04, 1, 2, 3, 4], |_, _| said += 1);
        assert_eq!(said, 0, "{over:?}");
    }
}
