// SPDX-License-Identifier: MPL-2.0
//! How the world sees a socket of ours: a STUN client (RFC 8489) for server-reflexive candidates.
//!
//! One request and one attribute are all it takes. The agent's own reader takes no answer without
//! message integrity, and a public server has no key to make that with.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const MAPPED_ADDRESS: [u8; 2] = [0x00, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// The times between tries; after the last nobody answers.
const TRIES: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
    Duration::from_millis(2_000),
];

/// One question to one server, from one socket.
#[derive(Debug)]
pub struct Reflexive {
    server: SocketAddr,
    base: SocketAddr,
    /// The cookie and the transaction's number: what addresses are hidden with.
    mask: [u8; 16],
    tries: usize,
    due: Option<Instant>,
}

impl Reflexive {
    /// Asks `server` how it sees `base`. `None` where one cannot reach the other.
    pub fn new(now: Instant, server: SocketAddr, base: SocketAddr) -> Option<Reflexive> {
        let mut mask: [u8; 16] = rand::random();
        mask[..4].copy_from_slice(&COOKIE);
        (server.is_ipv4() == base.is_ipv4()).then_some(Reflexive {
            server,
            base,
            mask,
            tries: 0,
            due: Some(now),
        })
    }

    /// The socket it is about.
    pub fn base(&self) -> SocketAddr {
        self.base
    }

    /// Whom it asks.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Whether there is nothing more to wait for.
    pub fn is_over(&self) -> bool {
        self.due.is_none()
    }

    /// When to call [`Reflexive::timeout`].
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The request to send now, if it is time.
    pub fn timeout(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let Some(wait) = TRIES.get(self.tries) else {
            self.due = None;
            return None;
        };
        self.tries += 1;
        self.due = Some(now + *wait);
        // No attributes: the length is 0.
        let mut request = [BINDING_REQUEST, [0, 0]].concat();
        request.extend_from_slice(&self.mask);
        Some(request)
    }

    /// A datagram from anybody: the address, if it is the answer.
    pub fn receive(&mut self, from: SocketAddr, bytes: &[u8]) -> Option<SocketAddr> {
        if self.is_over() || from != self.server {
            return None;
        }
        let (header, attributes) = bytes.split_at_checked(20)?;
        if header[..2] != BINDING_SUCCESS || header[4..] != self.mask {
            return None;
        }
        let seen = self.address(attributes)?;
        self.due = None;
        Some(seen)
    }

    fn address(&self, mut attributes: &[u8]) -> Option<SocketAddr> {
        let mut plain = None;
        while let Some((head, rest)) = attributes.split_at_checked(4) {
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = rest.get(..length)?;
            if head[..2] == XOR_MAPPED_ADDRESS {
                return read_address(value, &self.mask);
            }
            // What servers of before RFC 5389 say.
            if head[..2] == MAPPED_ADDRESS {
                plain = read_address(value, &[0; 16]);
            }
            attributes = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        plain
    }
}

/// Family, port and address, each hidden with the mask (RFC 8489 section 14.2).
fn read_address(value: &[u8], mask: &[u8; 16]) -> Option<SocketAddr> {
    let (head, hidden) = value.split_at_checked(4)?;
    let port = u16::from_be_bytes([head[2] ^ mask[0], head[3] ^ mask[1]]);
    let mut shown = [0; 16];
    for (shown, (hidden, mask)) in shown.iter_mut().zip(hidden.iter().zip(mask)) {
        *shown = hidden ^ mask;
    }
    let ip = match (head[1], hidden.len()) {
        (1, 4) => IpAddr::from([shown[0], shown[1], shown[2], shown[3]]),
        (2, 16) => IpAddr::from(shown),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn answer(request: &[u8], seen: SocketAddr) -> Vec<u8> {
        let mut reply = vec![1, 1, 0, 12];
        reply.extend_from_slice(&request[4..20]);
        reply.extend_from_slice(&[0, 0x20, 0, 8, 0, 1]);
        let SocketAddr::V4(seen) = seen else {
            panic!("of version 4")
        };
        reply.extend_from_slice(&(seen.port() ^ 0x2112).to_be_bytes());
        reply.extend_from_slice(&(u32::from(*seen.ip()) ^ 0x2112_A442).to_be_bytes());
        reply
    }

    #[test]
    fn the_servers_answer_is_believed_and_nobody_elses() {
        let now = Instant::now();
        let (server, base) = (address("192.0.2.1:3478"), address("10.0.0.2:5000"));
        let seen = address("203.0.113.9:6000");
        let mut asked = Reflexive::new(now, server, base).unwrap();
        let request = asked.timeout(now).unwrap();
        let right = answer(&request, seen);
        assert_eq!(asked.receive(address("192.0.2.2:3478"), &right), None);
        let mut wrong = right.clone();
        wrong[10] ^= 1;
        assert_eq!(asked.receive(server, &wrong), None);
        assert_eq!(asked.receive(server, &right), Some(seen));
        assert!(asked.is_over());
    }

    #[test]
    fn old_servers_and_version_6_are_understood() {
        let now = Instant::now();
        let (server, base) = (address("192.0.2.1:3478"), address("10.0.0.2:5000"));
        let mut asked = Reflexive::new(now, server, base).unwrap();
        let request = asked.timeout(now).unwrap();
        let mut reply = vec![1, 1, 0, 20];
        reply.extend_from_slice(&request[4..20]);
        // An attribute of odd length first.
        reply.extend_from_slice(&[0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        reply.extend_from_slice(&[0, 1, 0, 8, 0, 1, 0x12, 0x34, 203, 0, 113, 9]);
        assert_eq!(
            asked.receive(server, &reply),
            Some(address("203.0.113.9:4660"))
        );
        let mut asked =
            Reflexive::new(now, address("[2001:db8::1]:3478"), address("[::1]:1")).unwrap();
        let request = asked.timeout(now).unwrap();
        let mut reply = vec![1, 1, 0, 24];
        reply.extend_from_slice(&request[4..20]);
        reply.extend_from_slice(&[0, 0x20, 0, 20, 0, 2, 0x33, 0x26]);
        // All ones under the mask.
        reply.extend(request[4..20].iter().map(|byte| !byte));
        let seen = asked.receive(address("[2001:db8::1]:3478"), &reply);
        assert_eq!(
            seen,
            Some(SocketAddr::new(IpAddr::from([0xffff_u16; 8]), 0x1234))
        );
    }

    #[test]
    fn broken_answers_are_no_answers() {
        let now = Instant::now();
        let (server, base) = (address("192.0.2.1:3478"), address("10.0.0.2:5000"));
        let mut asked = Reflexive::new(now, server, base).unwrap();
        let request = asked.timeout(now).unwrap();
        let right = answer(&request, address("203.0.113.9:6000"));
        for length in 0..right.len() {
            assert_eq!(asked.receive(server, &right[..length]), None, "{length}");
        }
    }

    #[test]
    fn silence_ends_after_a_few_tries() {
        let mut now = Instant::now();
        let (server, base) = (address("192.0.2.1:3478"), address("10.0.0.2:5000"));
        let mut asked = Reflexive::new(now, server, base).unwrap();
        let mut sent = 0;
        while let Some(due) = asked.due() {
            now = now.max(due);
            sent += usize::from(asked.timeout(now).is_some());
        }
        assert_eq!(sent, 4);
        assert!(Reflexive::new(now, server, address("[::1]:5000")).is_none());
    }
}
