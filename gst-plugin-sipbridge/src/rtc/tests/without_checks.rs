// SPDX-License-Identifier: MPL-2.0
//! A handshake with the address that a description names, where there is no ICE.

use sip_ua::sdp::SrtpKeys;

use super::*;
use crate::rtc::path::{Candidates, Path, PathEvent, PathPlan, Way};

const ALICE: &str = "192.0.2.1:5000";
const BOB: &str = "192.0.2.2:6000";

fn path(now: Instant, way: [&str; 2], ours: &Certificate, promised: &[u8], active: bool) -> Path {
    let [from, to] = way.map(|address| address.parse().unwrap());
    let plan = PathPlan {
        way: Way::Described { from, to },
        fingerprint: promised.to_vec(),
        active,
    };
    Path::begin(now, ours, &plan, &Candidates::default()).unwrap()
}

/// Carries datagrams between the two until there are none; what each of them told.
fn shake(now: Instant, a: &mut Path, b: &mut Path) -> [Vec<PathEvent>; 2] {
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    loop {
        let forth = carry(now, a, b, &mut of_a);
        let back = carry(now, b, a, &mut of_b);
        if !forth && !back {
            return [of_a, of_b];
        }
    }
}

/// Whether there was anything to carry.
fn carry(now: Instant, from: &mut Path, to: &mut Path, told: &mut Vec<PathEvent>) -> bool {
    told.extend(std::iter::from_fn(|| from.poll_event()));
    let sent: Vec<_> = std::iter::from_fn(|| from.poll_transmit()).collect();
    for datagram in &sent {
        to.take_record(now, datagram.from, &datagram.bytes);
    }
    !sent.is_empty()
}

fn keys(told: &[PathEvent]) -> Option<&SrtpKeys> {
    told.iter().find_map(|event| match event {
        PathEvent::Keys(keys) => Some(keys),
        _ => None,
    })
}

fn failure(told: &[PathEvent]) -> Option<&str> {
    told.iter().find_map(|event| match event {
        PathEvent::Failed(reason) => Some(reason.as_str()),
        _ => None,
    })
}

fn certificates() -> [Certificate; 2] {
    [(); 2].map(|()| Certificate::generate().unwrap())
}

#[test]
fn both_come_to_the_same_keys() {
    let now = Instant::now();
    let [alices, bobs] = certificates();
    let mut a = path(now, [ALICE, BOB], &alices, bobs.fingerprint(), true);
    let mut b = path(now, [BOB, ALICE], &bobs, alices.fingerprint(), false);
    let [of_a, of_b] = shake(now, &mut a, &mut b);
    let (at_a, at_b) = (keys(&of_a).unwrap(), keys(&of_b).unwrap());
    assert_eq!(at_a.send, at_b.receive);
    assert_eq!(at_a.receive, at_b.send);
    assert!(matches!(of_a[0], PathEvent::Leads { to, .. } if to.to_string() == BOB));
    assert_eq!(a.due(), None, "nothing is left to do");
    a.close();
    let [_, of_b] = shake(now, &mut a, &mut b);
    assert!(matches!(of_b[..], [PathEvent::Goodbye]), "{of_b:?}");
}

#[test]
fn another_certificate_than_the_descriptions_is_refused() {
    let now = Instant::now();
    let [alices, bobs] = certificates();
    let mut a = path(now, [ALICE, BOB], &alices, alices.fingerprint(), true);
    let mut b = path(now, [BOB, ALICE], &bobs, alices.fingerprint(), false);
    let [of_a, _] = shake(now, &mut a, &mut b);
    assert!(keys(&of_a).is_none());
    assert!(failure(&of_a).unwrap().contains("fingerprint"));
    assert!(a.is_over());
}

#[test]
fn a_handshake_from_elsewhere_is_nobodys() {
    let now = Instant::now();
    let [alices, bobs] = certificates();
    let mut a = path(now, [ALICE, BOB], &alices, bobs.fingerprint(), true);
    let mut b = path(now, [BOB, ALICE], &bobs, alices.fingerprint(), false);
    let stranger = "203.0.113.5:4000".parse().unwrap();
    let hello = a.poll_transmit().unwrap();
    assert!(!b.take_record(now, stranger, &hello.bytes));
    assert!(b.poll_transmit().is_none());
    assert!(b.take_record(now, hello.from, &hello.bytes));
    assert!(b.poll_transmit().is_some());
}

#[test]
fn a_far_end_that_never_shakes_hands_fails_with_a_reason() {
    let now = Instant::now();
    let [alices, bobs] = certificates();
    let mut a = path(now, [ALICE, BOB], &alices, bobs.fingerprint(), false);
    assert_eq!(a.due(), Some(now + Duration::from_secs(30)));
    a.timeout(now + Duration::from_secs(30));
    let told: Vec<_> = std::iter::from_fn(|| a.poll_event()).collect();
    assert!(failure(&told).unwrap().contains("did not finish"));
}
