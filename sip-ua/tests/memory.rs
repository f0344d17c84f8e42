// SPDX-License-Identifier: MPL-2.0
//! Freed memory between pieces that are used goes back to the system. In a process of its own, for others
//! would take what it gives.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used)] // a test fails by panicking

use sip_ua::memory::give_back;

/// What the process has in memory.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

#[test]
fn what_a_crowd_left_between_others_goes_back() {
    const PIECE: usize = 512;
    let before = resident_kib();
    // Of each 64 pieces one stays: the heap's end never comes free.
    let mut crowd: Vec<Option<Box<[u8]>>> = (0..200_000)
        .map(|_| Some(vec![1; PIECE].into_boxed_slice()))
        .collect();
    let full = resident_kib() - before;
    assert!(full > 90_000, "{full} KiB");
    for (at, piece) in crowd.iter_mut().enumerate() {
        if at % 64 != 0 {
            *piece = None;
        }
    }
    let kept = resident_kib() - before;
    give_back();
    let left = resident_kib() - before;
    assert!(kept > 90_000 && left < 40_000, "{full}, {kept}, {left} KiB");
    assert_eq!(crowd.iter().flatten().count(), 200_000 / 64);
}
