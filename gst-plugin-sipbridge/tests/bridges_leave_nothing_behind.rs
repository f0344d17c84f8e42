// SPDX-License-Identifier: MPL-2.0
//! Bridges come and go, in whatever state they are given up, and leave no port, descriptor, thread or memory.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;
#[allow(dead_code, reason = "each test uses the part it needs")]
#[path = "sdpbridgebin/phone.rs"]
mod phone;

use std::net::UdpSocket;
use std::process::Command;

use gst::prelude::*;
use gstsipbridge::context::Context;
use sip_ua::sdp::{self, Codec, IceCredentials, LocalDtls, LocalIce, LocalMedia, TlsId};

use kit::{count_descriptors, eventually};
use phone::{Bridge, Phone, ports};

/// Offered, answered, deleted.
const CYCLES: usize = 10_000;
/// Given up, in each state.
const GIVEN_UP: usize = 2_000;
/// Bridges between which hands are shaken until there are keys.
const HANDSHAKES: usize = 30;
/// Offers that wait for their time-out at once: each has four sockets.
const AT_ONCE: usize = 200;

/// How far a bridge came before it was given up.
#[derive(Debug, Clone, Copy)]
enum State {
    Offered,
    OfferedAnew,
    Answered,
    AnsweredByTwo,
    OfferedLater,
    OfferedBack,
    /// A handshake and checks are agreed on, and nobody is there.
    Shaking,
    /// The same, and candidates came before the answer.
    Trickling,
}

const STATES: [State; 8] = [
    State::Offered,
    State::OfferedAnew,
    State::Answered,
    State::AnsweredByTwo,
    State::OfferedLater,
    State::OfferedBack,
    State::Shaking,
    State::Trickling,
];

const CANDIDATE: &str = "candidate:9 1 udp 2113937151 127.0.0.1 9 typ host";

/// What is there before and has to be there after.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    bytes: usize,
}

impl Held {
    fn now() -> Held {
        Held {
            descriptors: count_descriptors(),
            threads: count_threads(),
            // SAFETY: it reads the counters of the allocator.
            bytes: unsafe { libc::mallinfo2() }.uordblks,
        }
    }

    /// What so many bridges left is less than this of memory each, and nothing else.
    fn left_by(&self, bridges: usize, what: &str) {
        self.grew_to(&Held::now(), bridges, what);
    }

    fn grew_to(&self, after: &Held, bridges: usize, what: &str) {
        assert_eq!(after.descriptors, self.descriptors, "{what}");
        assert!(after.threads <= self.threads, "{what}: {self:?} {after:?}");
        let grown = after.bytes.saturating_sub(self.bytes);
        println!("{what}: {bridges} bridges, {grown} bytes more in use");
        assert!(grown < 50_000 + 8 * bridges, "{what}: {self:?} {after:?}");
    }
}

/// But for those that GLib keeps for a while for whatever is asked of its pool next.
fn count_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| !name.starts_with("pool-")).count()
}

struct Story {
    plain: Bridge,
    /// Its side B shakes hands.
    shaking: Bridge,
    alice: Phone,
    bob: Phone,
    /// A far end with a handshake and checks that nobody makes.
    nobody: LocalMedia,
}

impl Story {
    fn new() -> Story {
        let mut nobody = LocalMedia::new([127, 0, 0, 1].into(), 9, vec![Codec::Pcma]);
        nobody.feedback = true;
        nobody.dtls = Some(LocalDtls {
            fingerprint: vec![7; 32],
            ice: Some(LocalIce {
                credentials: IceCredentials::random(),
                lite: false,
                candidates: vec![CANDIDATE.to_owned()],
            }),
            role: None,
            tls_id: TlsId::random(),
        });
        let story = Story {
            plain: Bridge::new(""),
            shaking: Bridge::new("side-b=\"side,address=127.0.0.1,dtls=true\""),
            alice: Phone::new(&[Codec::Pcma]),
            bob: Phone::new(&[Codec::Opus]),
            nobody,
        };
        for bridge in [&story.plain, &story.shaking] {
            unheard(bridge);
        }
        story
    }

    /// Brings a bridge so far; returns it, and what it said.
    fn bring(&mut self, state: State) -> (&Bridge, Vec<String>) {
        let bridge = match state {
            State::Shaking | State::Trickling => &self.shaking,
            _ => &self.plain,
        };
        let offer = bridge.offer("alice", &self.alice.offer()).unwrap();
        let mut said = vec![offer.clone()];
        let mut answers = |tag: &str, answer: &str| {
            said.push(bridge.answer("alice", tag, answer).unwrap());
        };
        match state {
            State::Offered => {}
            State::OfferedAnew => {
                bridge.offer("alice", &self.alice.offer()).unwrap();
            }
            State::Answered => answers("bob", &self.bob.answer(&offer)),
            State::AnsweredByTwo => {
                let answer = self.bob.answer(&offer);
                answers("carol", &answer);
                answers("bob", &answer);
            }
            State::OfferedLater | State::OfferedBack => {
                answers("bob", &self.bob.answer(&offer));
                let (from, phone) = match state {
                    State::OfferedLater => ("alice", &mut self.alice),
                    _ => ("bob", &mut self.bob),
                };
                bridge.offer(from, &phone.offer()).unwrap();
            }
            State::Shaking | State::Trickling => {
                let (answer, _) = sdp::answer(&self.nobody, offer.as_bytes()).unwrap();
                let answer = String::from_utf8(answer).unwrap();
                answers("bob", &answer);
                if matches!(state, State::Trickling) {
                    let fields = gst::Structure::builder("fields")
                        .field("candidate", CANDIDATE.replace(" 9 typ", " 11 typ"))
                        .field("tag", "bob");
                    bridge.ask("add-ice-candidate", Some(fields.build()));
                }
            }
        }
        (bridge, said)
    }
}

/// Nobody reads what it tells.
fn unheard(bridge: &Bridge) {
    bridge.line.pipeline.bus().unwrap().set_flushing(true);
}

/// The first of the ports of these descriptions that is taken.
fn taken(said: &[String]) -> Option<u16> {
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let pairs = ports(&said).into_iter();
    let mut all = pairs.flat_map(|port| [port, port + 1]);
    all.find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_err())
}

fn are_free(said: &[String]) {
    assert_eq!(taken(said), None);
}

fn give_up(bridge: &Bridge) {
    bridge.element.set_state(gst::State::Null).unwrap();
    bridge.element.sync_state_with_parent().unwrap();
}

/// What a thread frees it keeps at hand for itself, 100 kB and more, and that counts as in use: a process
/// without such stocks does this test.
const WITHOUT_STOCKS: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");

fn is_without_stocks() -> bool {
    let (name, value) = WITHOUT_STOCKS;
    std::env::var(name).is_ok_and(|is| is == value)
}

#[test]
fn thousands_come_and_go() {
    if is_without_stocks() {
        return come_and_go();
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "thousands_come_and_go", "--nocapture"]);
    again.env(WITHOUT_STOCKS.0, WITHOUT_STOCKS.1);
    assert!(again.status().unwrap().success());
}

fn come_and_go() {
    // Threads that all calls share stay.
    let _contexts = [
        Context::default_for_new_call(),
        Context::default_for_new_call(),
    ];
    let mut story = Story::new();
    let shaking = ["side-b", "side-a"]
        .map(|side| Bridge::new(&format!("{side}=\"side,address=127.0.0.1,dtls=true\"")));
    for bridge in &shaking {
        unheard(bridge);
    }
    // What is made once is made by now.
    for state in STATES {
        for _ in 0..20 {
            give_up(story.bring(state).0);
        }
    }
    shake_hands(&shaking, &mut story.alice, &mut story.bob, 2);

    let held = Held::now();
    for _ in 0..CYCLES {
        let (bridge, said) = story.bring(State::Answered);
        bridge.ask("delete", None);
        are_free(&said);
    }
    held.left_by(CYCLES, "Deleted");
    for state in STATES {
        let held = Held::now();
        for _ in 0..GIVEN_UP {
            let (bridge, said) = story.bring(state);
            give_up(bridge);
            are_free(&said);
        }
        held.left_by(GIVEN_UP, &format!("{state:?}"));
    }
    let held = Held::now();
    for round in 0..HANDSHAKES {
        shake_hands(&shaking, &mut story.alice, &mut story.bob, round % 3);
    }
    held.left_by(HANDSHAKES, "Shaken");
    // What two hundred need at once depends on who comes first, and comes and goes by 100 kB: what stays is the
    // least of several rounds.
    let mut least = |rounds: usize| {
        let rounds = (0..rounds).map(|_| {
            time_out(&mut story.alice);
            Held::now()
        });
        rounds.min_by_key(|held| held.bytes).unwrap()
    };
    let held = least(GIVEN_UP / AT_ONCE / 2);
    held.grew_to(&least(GIVEN_UP / AT_ONCE), GIVEN_UP, "Timed out");
}

/// Two bridges that shake hands with each other come so far, and go: the first has offered, both have agreed,
/// there are keys.
fn shake_hands([near, far]: &[Bridge; 2], alice: &mut Phone, bob: &mut Phone, how_far: usize) {
    let offer = near.offer("alice", &alice.offer()).unwrap();
    if how_far > 0 {
        let answer = bob.answer(&far.offer("alice", &offer).unwrap());
        let answer = far.answer("alice", "bob", &answer).unwrap();
        near.answer("alice", "bob", &answer).unwrap();
    }
    if how_far > 1 {
        for (bridge, side) in [(near, "b"), (far, "a")] {
            eventually("keys", || bridge.stats(side).has_field("srtp-suite"));
        }
    }
    near.ask("delete", None);
    far.ask("delete", None);
}

/// Many offers at once that nobody answers, and elements that nobody stops.
fn time_out(alice: &mut Phone) {
    let mut said = Vec::new();
    let bridges: Vec<Bridge> = (0..AT_ONCE)
        .map(|_| {
            let bridge = Bridge::new("offer-timeout=1");
            unheard(&bridge);
            said.push(bridge.offer("alice", &alice.offer()).unwrap());
            bridge
        })
        .collect();
    for bridge in &bridges {
        eventually("its end", || {
            let stats: gst::Structure = bridge.element.property("stats");
            !stats.has_field("a")
        });
    }
    // It is forgotten first, and then closed, on a thread that may have the element for a while longer.
    eventually("free ports", || taken(&said).is_none());
    let elements: Vec<_> = bridges
        .iter()
        .map(|bridge| bridge.element.downgrade())
        .collect();
    drop(bridges);
    eventually("elements that are gone", || {
        elements.iter().all(|element| element.upgrade().is_none())
    });
}
