// SPDX-License-Identifier: MPL-2.0
//! Free ports on loopback, for programs that have to be told one.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Handed out by this process already; another child may not have bound its port yet.
static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// Below those that systems give to connections out: such a one could take a port before its program does.
const LOWEST: u16 = 10_000;
const HIGHEST: u16 = 30_000;

/// A port that is free for UDP and TCP, and the next one too: baresip and Janus put TLS or RTCP there.
pub fn free() -> u16 {
    free_run(2)
}

/// The first of `count` neighbouring ports that are free.
pub fn free_run(count: u16) -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..1_000 {
        let first = rand::random_range(LOWEST..HIGHEST) & !1;
        let end = first + count;
        if (first..end).all(|port| !taken.contains(&port) && is_free(port)) {
            taken.extend(first..end);
            return first;
        }
    }
    panic!("no {count} neighbouring ports are free on loopback");
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
