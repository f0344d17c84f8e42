// SPDX-License-Identifier: MPL-2.0
//! A side that holds, for a moment or for long, and resumes: at once it is heard again, and hears.

use std::time::{Duration, Instant};

use sip_ua::sdp::{Codec, Direction};
use sipbridge_measure::steady::asserted_steadily;

use crate::hands_are_shaken::shaking;
use crate::it_changes_while_it_runs::{longest_gap, tone, wait_for_sound};
use crate::kit::eventually;
use crate::phone::{Bridge, Phone, hear_each_other};

const AT_ONCE: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(8);
/// Where a phone says it is that sends from elsewhere.
const BEHIND_NAT: [u8; 4] = [127, 0, 0, 2];

/// How Alice is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rtp,
    Transcoded,
    /// Not where she says; and she holds as RFC 2543 had it, so that she has to prove herself again.
    Nat,
    /// With ICE or without.
    Handshake(&'static str),
}

struct Story {
    by: By,
    near: Bridge,
    /// Between the two of them hands are shaken.
    far: Option<Bridge>,
    alice: Phone,
    bob: Phone,
}

impl Story {
    fn new(by: By) -> Story {
        let (near, far) = match by {
            By::Handshake(ice) => (
                Bridge::new(&format!("side-b={}", shaking(ice))),
                Some(Bridge::new(&format!("side-a={}", shaking(ice)))),
            ),
            _ => (Bridge::new(""), None),
        };
        let callee = match by {
            By::Transcoded => Codec::Opus,
            _ => Codec::Pcma,
        };
        let mut alice = Phone::new(&[Codec::Pcma]);
        if by == By::Nat {
            alice.local.address = BEHIND_NAT.into();
        }
        Story {
            by,
            near,
            far,
            alice,
            bob: Phone::new(&[callee]),
        }
    }

    /// Alice offers, with this direction.
    fn agree(&mut self, direction: Direction) {
        self.alice.local.direction = direction;
        let mut offer = self.alice.offer();
        if self.by == By::Nat && direction == Direction::Inactive {
            offer = offer.replace("c=IN IP4 127.0.0.2", "c=IN IP4 0.0.0.0");
        }
        let mut crossed = self.near.offer("alice", &offer).unwrap();
        if let Some(far) = &self.far {
            crossed = far.offer("alice", &crossed).unwrap();
        }
        let mut answer = self.bob.answer(&crossed);
        if let Some(far) = &self.far {
            answer = far.answer("alice", "bob", &answer).unwrap();
        }
        let answer = self.near.answer("alice", "bob", &answer).unwrap();
        self.alice.accept(&answer);
    }
}

fn sounds(phone: &Phone) -> bool {
    phone.heard().iter().any(|sample| sample.abs() > 500)
}

fn resumes(by: By, after: Duration) {
    let mut story = Story::new(by);
    story.agree(Direction::SendRecv);
    hear_each_other(&mut story.alice, &mut story.bob);
    story.agree(Direction::Inactive);
    std::thread::sleep(after);
    story.alice.say(&tone(8.0));
    story.bob.say(&tone(8.0));
    story.alice.forget();
    story.bob.forget();
    story.agree(Direction::SendRecv);
    let resumed = Instant::now();
    let Story { alice, bob, .. } = &story;
    let mut first = [None; 2];
    eventually("a tone at both ends", || {
        for (heard, phone) in first.iter_mut().zip([bob, alice]) {
            if heard.is_none() && sounds(phone) {
                *heard = Some(resumed.elapsed());
            }
        }
        first.iter().all(Option::is_some)
    });
    println!("{by:?} after {after:?}: Alice is heard and hears after {first:?}");
    let late = first.into_iter().flatten().max();
    assert!(late.is_some_and(|late| late < AT_ONCE), "{by:?}: {first:?}");
    for phone in [bob, alice] {
        wait_for_sound(phone, 1.0);
        let gap = longest_gap(&phone.heard());
        assert!(gap < AT_ONCE, "{by:?} after {after:?}: {gap:?}");
    }
}

#[test]
fn who_resumes_is_heard_at_once() {
    asserted_steadily(|| {
        std::thread::scope(|scope| {
            for by in [
                By::Rtp,
                By::Transcoded,
                By::Nat,
                By::Handshake("off"),
                By::Handshake("full"),
            ] {
                for after in [Duration::from_secs(1), LONG] {
                    scope.spawn(move || resumes(by, after));
                }
            }
        });
    });
}
