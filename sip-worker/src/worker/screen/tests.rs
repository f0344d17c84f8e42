// SPDX-License-Identifier: MPL-2.0
//! Scanners, in virtual time.

use std::time::Duration;

use sip_ua::digest::{Challenge, Credentials, respond};
use sip_ua::wire::{Message, read_datagram};

use super::*;
use crate::document::Document;

const SECOND: Duration = Duration::from_secs(1);
const TRUNK: &str = "203.0.113.5:5060";

struct Scene {
    keeper: Arc<Doorkeeper>,
    now: Instant,
    sent: u32,
}

impl Scene {
    /// A user `alice`, a trunk with an address, and these lines of `[guard]`.
    fn new(guard: &str) -> Scene {
        let text = format!(
            "[[trunk]]\nname = \"carrier\"\nallow = [\"203.0.113.0/24\"]\n[guard]\n{guard}"
        );
        let mut config = Config::parse(&Document::new("c.toml", text)).unwrap();
        config.users.push(Arc::new(User {
            name: "alice".to_owned(),
            password: "s3cret".to_owned().into(),
            max_calls: None,
            overload: Default::default(),
            max_duration: None,
            accept_transfers: false,
            codecs: Vec::new(),
            srtp: Default::default(),
            dtls: Default::default(),
            dtmf: Default::default(),
        }));
        let now = Instant::now();
        Scene {
            keeper: Doorkeeper::new(&config, now),
            now,
            sent: 0,
        }
    }

    fn ask(&mut self, from: &str, request: &Request) -> Verdict {
        self.keeper.judge(request, from.parse().unwrap(), self.now)
    }

    fn request(&mut self, method: &str, user: &str) -> Request {
        self.sent += 1;
        let number = self.sent;
        let text = format!(
            "{method} sip:worker.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP x.example;branch=z9hG4bK-{number}\r\n\
             From: <sip:{user}@worker.example>;tag={number}\r\n\
             To: <sip:{user}@worker.example>\r\n\
             Call-ID: {number}\r\nCSeq: {number} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        match read_datagram(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    /// Registers alice with this password, as a phone does.
    fn register(&mut self, from: &str, password: &str) -> Verdict {
        let mut request = self.request("REGISTER", "alice");
        let challenges = match self.ask(from, &request) {
            Verdict::Challenge(values) => values,
            other => return other,
        };
        let challenges: Vec<Challenge> = challenges
            .iter()
            .map(|value| Challenge::parse(value).unwrap())
            .collect();
        let answer = respond(
            &challenges,
            &Credentials::new("alice", password),
            &request.method,
            &request.uri.to_bytes(),
            b"",
            "cn",
            1,
        );
        request
            .headers
            .push(HeaderName::Authorization, answer.unwrap());
        self.ask(from, &request)
    }
}

fn alice() -> Verdict {
    Verdict::AllowUser("alice".to_owned())
}

#[test]
fn five_thousand_a_second_from_everywhere_keep_no_phone_out_and_fill_no_memory() {
    let mut scene = Scene::new("");
    let (mut most, mut asked) = (0, 0);
    for number in 0..50_000u32 {
        scene.now += Duration::from_micros(200);
        // Sixteen who insist, and a crowd of which each comes once; IPv4 and IPv6.
        let from = match number % 4 {
            0 => format!("198.51.100.{}:5060", number / 4 % 16),
            1 => format!("[2001:db8:{:x}:{:x}::1]:5060", number >> 8, number & 0xff),
            _ => format!("10.{}.{}.1:5060", number >> 8 & 0xff, number & 0xff),
        };
        let (method, user) = match number % 3 {
            0 => ("REGISTER", "alice"),
            1 => ("INVITE", "100"),
            _ => ("REGISTER", "admin"),
        };
        let request = scene.request(method, user);
        let verdict = scene.ask(&from, &request);
        assert!(
            matches!(verdict, Verdict::Silent | Verdict::Challenge(_)),
            "{verdict:?}"
        );
        asked += u32::from(matches!(verdict, Verdict::Challenge(_)));
        most = most.max(scene.keeper.watchman.remembered());
        if number % 5000 == 2500 {
            let phone = format!("192.0.2.{}:5060", number / 5000);
            assert_eq!(scene.register(&phone, "s3cret"), alice());
            let call = scene.request("INVITE", "+15550123");
            assert_eq!(scene.ask(TRUNK, &call), Verdict::Allow);
        }
    }
    assert!(most <= 32_768 + 16_384 + 10, "{most}");
    assert!(asked > 1000, "{asked}");
    // Those who insisted are not heard any more, whatever they say.
    for insistent in 0..16 {
        let from = format!("198.51.100.{insistent}:5060");
        let request = scene.request("REGISTER", "alice");
        assert_eq!(scene.ask(&from, &request), Verdict::Silent);
    }
}

#[test]
fn who_guesses_passwords_is_banned_and_longer_the_next_time() {
    let mut scene = Scene::new("failures = 5\nban = \"1m\"\n");
    let from = "198.51.100.1:5060";
    for lasts in [60, 120, 240] {
        let guesses = (0..50)
            .take_while(|guess| {
                let guess = format!("guess{guess}");
                matches!(scene.register(from, &guess), Verdict::Challenge(_))
            })
            .count();
        assert_eq!(guesses, 5);
        assert_eq!(scene.register(from, "s3cret"), Verdict::Silent);
        scene.now += (lasts - 1) * SECOND;
        assert_eq!(scene.register(from, "s3cret"), Verdict::Silent);
        scene.now += SECOND;
    }
    assert_eq!(scene.register(from, "s3cret"), alice());
}

/// Over UDP a stranger can write any address.
#[test]
fn nobody_is_shut_out_by_what_is_sent_in_their_name() {
    let mut scene = Scene::new("failures = 5\n");
    let phone = "192.0.2.1:5060";
    assert_eq!(scene.register(phone, "s3cret"), alice());
    for _ in 0..5000 {
        let forged = scene.request("REGISTER", "admin");
        assert_eq!(scene.ask(phone, &forged), Verdict::Silent);
        let forged = scene.request("REGISTER", "alice");
        assert!(matches!(scene.ask(TRUNK, &forged), Verdict::Challenge(_)));
    }
    assert_eq!(scene.register(phone, "s3cret"), alice());
    let call = scene.request("INVITE", "+15550123");
    assert_eq!(scene.ask(TRUNK, &call), Verdict::Allow);

    // But where it is asked for.
    let mut scene = Scene::new("failures = 5\nrate = 0\nban_known = true\n");
    assert_eq!(scene.register(phone, "s3cret"), alice());
    for from in [phone, TRUNK] {
        for _ in 0..50 {
            let forged = scene.request("REGISTER", "alice");
            scene.ask(from, &forged);
        }
        let call = scene.request("INVITE", "+15550123");
        assert_eq!(scene.ask(from, &call), Verdict::Silent);
    }
}

#[test]
fn a_registered_phone_stays_known_for_as_long_as_its_binding() {
    use sip_ua::registrar::Binding;
    use sip_ua::transport::{Hop, Transport};
    let mut scene = Scene::new("failures = 5\n");
    let (bind, bindings) = watch::channel(Bindings::default());
    scene.keeper.watch(bindings);
    let phone = "192.0.2.1:5060";
    let binding = Binding {
        contact: "sip:alice@192.0.2.1".parse().unwrap(),
        hop: Hop::new(Transport::Udp, phone.parse().unwrap()),
        path: Vec::new(),
        expires_at: scene.now,
        user_agent: None,
    };
    let bound = [("alice".to_owned(), vec![binding])].into();
    bind.send_replace(Arc::new(bound));
    for _ in 0..50 {
        let forged = scene.request("REGISTER", "admin");
        scene.ask(phone, &forged);
    }
    assert_eq!(scene.register(phone, "s3cret"), alice());
    bind.send_replace(Bindings::default());
    scene.now += Duration::from_secs(3 * 3600);
    for _ in 0..50 {
        let forged = scene.request("REGISTER", "admin");
        scene.ask(phone, &forged);
    }
    assert_eq!(scene.register(phone, "s3cret"), Verdict::Silent);
}

#[test]
fn strangers_are_refused_where_configured_and_banned_all_the_same() {
    let mut scene = Scene::new("failures = 5\nstrangers = \"refuse\"\n");
    let from = "198.51.100.1:5060";
    for _ in 0..5 {
        let request = scene.request("INVITE", "100");
        assert_eq!(scene.ask(from, &request), Verdict::Refuse(403));
    }
    let request = scene.request("INVITE", "100");
    assert_eq!(scene.ask(from, &request), Verdict::Silent);
}
