// SPDX-License-Identifier: MPL-2.0
//! Two hundred calls run on the media threads that the first two have started. A file, and so a process, of its
//! own: it counts threads.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;
#[path = "sdpbridgebin/phone.rs"]
#[allow(dead_code, reason = "each test uses the part it needs")]
mod phone;

use gstsipbridge::context::set_default_contexts;
use kit::{count_threads, eventually};
use phone::Phone;
use sip_ua::sdp::Codec;

const CALLS: usize = 200;

/// Two calls' media, of which each is the other's far end. They send silence until somebody speaks.
fn pair() -> [Phone; 2] {
    let [mut alice, mut bob] = [(); 2].map(|()| Phone::new(&[Codec::Pcmu]));
    let answer = bob.answer(&alice.offer());
    alice.accept(&answer);
    [alice, bob]
}

/// Waits until packets go both ways in all of them.
fn run(calls: &[[Phone; 2]]) {
    let received = |phone: &Phone| phone.media.stats().packets_received;
    let begun: Vec<(&Phone, u64)> = calls
        .iter()
        .flatten()
        .map(|phone| (phone, received(phone)))
        .collect();
    for (phone, begun) in begun {
        eventually("packets", || received(phone) > begun + 5);
    }
}

#[test]
fn to_those_of_the_first() {
    set_default_contexts(2);
    let first = [pair()];
    run(&first);
    let before = count_threads();
    let others: Vec<[Phone; 2]> = (1..CALLS / 2).map(|_| pair()).collect();
    run(&others);
    run(&first);
    assert_eq!(count_threads(), before);
}
