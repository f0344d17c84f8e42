// SPDX-License-Identifier: MPL-2.0
//! Free ports on loopback, for programs that have to be told one.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
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
    let loopbacks = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ];
    loopbacks.into_iter().all(|address| {
        not_in_use(UdpSocket::bind((address, port)))
            && not_in_use(TcpListener::bind((address, port)))
    })
}

/// A machine without IPv6 has nobody there.
fn not_in_use<T>(bound: io::Result<T>) -> bool {
    !bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
