// SPDX-License-Identifier: MPL-2.0
//! Scanners in front of a registrar: nothing is kept of them, and a phone still gets in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sip_ua::digest::Algorithm;
use sip_ua::endpoint::{Screen, Verdict};
use sip_ua::guard::{Admission, Config, Failure, Guard};
use sip_ua::registrar::{self, UserScreen};
use sip_ua::registration::RegistrationState;

use crate::pair::{MINUTE, Pair, Side, endpoint, everyone, ms};
use crate::peer::request;
use crate::registering::{account, registrar};

/// What a screen and the test share.
struct Watch {
    guard: Guard,
    now: Instant,
}

/// Knows `alice`, and bans whoever fails.
fn guarded(watch: &Arc<Mutex<Watch>>) -> Screen {
    let started = watch.lock().unwrap().now;
    let password = |user: &str| (user == "alice").then(|| "secret".to_owned());
    let users = UserScreen::new("here", vec![Algorithm::MD5], Arc::new(password), started);
    let watch = watch.clone();
    Arc::new(move |request, source| {
        let mut watch = watch.lock().unwrap();
        let (now, ip) = (watch.now, source.ip());
        if watch.guard.admit(now, ip) != Admission::Open {
            return Verdict::Silent;
        }
        let Some(judged) = users.examine(request, ip, now) else {
            watch.guard.failed(now, ip, Failure::Stranger);
            return Verdict::Silent;
        };
        match judged.failed {
            Some((failure, _)) => drop(watch.guard.failed(now, ip, failure)),
            None => watch.guard.succeeded(now, ip),
        }
        judged.verdict
    })
}

fn somewhere(number: u32) -> SocketAddr {
    let text = match number % 3 {
        0 => format!("203.0.113.{}:5060", number / 3 % 8),
        1 => format!("10.{}.{}.1:5060", number >> 8 & 0xff, number & 0xff),
        _ => format!("[2001:db8:{:x}:{:x}::1]:5060", number >> 8, number & 0xff),
    };
    text.parse().unwrap()
}

#[test]
fn five_thousand_requests_a_second_leave_nothing_behind_and_a_phone_registers_meanwhile() {
    let config = Config {
        sources: 2000,
        bans: 200,
        ..Config::default()
    };
    let watch = Arc::new(Mutex::new(Watch {
        guard: Guard::new(config),
        now: Instant::now(),
    }));
    let bob = registrar(guarded(&watch), registrar::Config::default());
    let mut pair = Pair::of(endpoint(1, everyone()), bob);
    let flood = |pair: &mut Pair, seconds: u32| {
        for number in 0..seconds * 5000 {
            pair.run(Duration::from_micros(200));
            watch.lock().unwrap().now = pair.now;
            let (method, to) = match number % 4 {
                0 => ("REGISTER", "To: <sip:alice@192.0.2.2>"),
                1 => ("INVITE", "To: <sip:100@192.0.2.2>"),
                2 => ("REGISTER", "To: <sip:admin@192.0.2.2>"),
                _ => ("OPTIONS", "To: <sip:100@192.0.2.2>"),
            };
            let datagram = request(method, &format!("s{number}"), &[to], "");
            pair.inject(Side::Bob, somewhere(number), &datagram);
            let remembered = watch.lock().unwrap().guard.remembered();
            assert!(remembered <= 2200 + 1, "{remembered}");
        }
        pair.strays.clear();
    };
    flood(&mut pair, 1);
    let id = pair.register(account("secret", 60));
    flood(&mut pair, 1);
    let registered =
        |pair: &Pair| matches!(pair.registration(), RegistrationState::Registered { .. });
    assert!(registered(&pair), "{:?}", pair.registration());
    // Its refreshes are answered, too.
    pair.run(MINUTE / 2);
    flood(&mut pair, 1);
    assert!(registered(&pair), "{:?}", pair.registration());
    assert_eq!(pair.bound("alice").len(), 1);
    // Those of the phone alone.
    let transactions = pair.bob.stats().server_transactions;
    assert!(transactions < 10, "{transactions}");
    assert!(pair.incoming.is_empty());
    assert!(watch.lock().unwrap().guard.stats().bans > 0);
    pair.act(Side::Alice, |alice, now| alice.unregister(now, id));
    pair.run(ms(100));
    assert!(pair.bound("alice").is_empty());
}
