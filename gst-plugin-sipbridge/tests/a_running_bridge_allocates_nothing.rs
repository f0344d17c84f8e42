// SPDX-License-Identifier: MPL-2.0
//! Once a bridge runs, its media thread takes no memory from the allocator for a packet, and neither do those of
//! the phones. A file, and so a process, of its own: it counts what the allocator is asked for.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;
#[path = "sdpbridgebin/phone.rs"]
#[allow(dead_code, reason = "each test uses the part it needs")]
mod phone;

use kit::memory::{Counting, asked};
use kit::{eventually, voice};
use phone::{Bridge, Phone, hear_each_other};
use sip_ua::sdp::Codec;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Two phones that talk all the time by a bridge.
struct Call {
    bridge: Bridge,
    _phones: [Phone; 2],
}

impl Call {
    fn new(([mut alice, mut bob], profile): ([Phone; 2], &str)) -> Call {
        let bridge = Bridge::new(&format!("profile={profile}"));
        bridge.call(&mut alice, &mut bob);
        hear_each_other(&mut alice, &mut bob);
        alice.say(&voice(81, 30.0));
        bob.say(&voice(82, 30.0));
        Call {
            bridge,
            _phones: [alice, bob],
        }
    }

    fn received(&self) -> u64 {
        ["a", "b"]
            .map(|side| {
                self.bridge
                    .stats(side)
                    .get::<u64>("packets-received")
                    .unwrap()
            })
            .iter()
            .sum()
    }
}

#[test]
fn whatever_its_sides_speak() {
    use Codec::{G722, L16, Opus, Pcma, Pcmu};
    let pairs = [
        [Pcmu, Pcmu],
        [Pcmu, Opus],
        [Pcma, G722],
        [L16, Pcma],
        [Opus, Opus],
        [G722, Opus],
    ];
    let plain = pairs.map(|pair| (pair.map(|codec| Phone::new(&[codec])), "rtp_passthrough"));
    let secure = [Phone::secure(&[Pcmu]), Phone::new(&[Opus])];
    let all = plain.into_iter().chain([(secure, "srtp_to_rtp")]);
    let calls: Vec<Call> = all.map(Call::new).collect();
    let received = || calls.iter().map(Call::received).sum::<u64>();
    let runs_on = |packets: u64| {
        let until = received() + packets * calls.len() as u64;
        eventually("packets", || received() >= until);
    };
    // Buffers grow to the size they need.
    runs_on(100);
    let before = (asked(), received());
    runs_on(200);
    let allocations = asked() - before.0;
    let packets = received() - before.1;
    // Reports and snapshots of the counters come with time, not with packets.
    assert!(
        allocations * 8 < packets,
        "{allocations} allocations in {packets} packets"
    );
}
