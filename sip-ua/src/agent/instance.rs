// SPDX-License-Identifier: MPL-2.0
//! The name by which registrars know this user agent from all others (RFC 5626 §4.1).

use std::fs;
use std::net::SocketAddr;

use sha2::{Digest, Sha256};

/// Where systemd and D-Bus keep what tells this machine from others.
const MACHINE: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Containers of one image differ in this.
const HOST: &str = "/proc/sys/kernel/hostname";

/// The same after a restart, and for no other agent: of this machine, and of its first listener.
pub(super) fn of_this_machine(listener: SocketAddr) -> String {
    let read = |path: &str| fs::read(path).ok().filter(|text| !text.is_empty());
    let machine = MACHINE.into_iter().find_map(read);
    let machine = machine.unwrap_or_else(|| {
        tracing::debug!("this machine has no identity: it registers as another one each time");
        rand::random::<[u8; 16]>().to_vec()
    });
    let host = read(HOST).unwrap_or_default();
    urn(&[&machine, &host, listener.to_string().as_bytes()])
}

/// A name-based UUID of version 8 (RFC 9562 §5.8, its appendix B.2).
fn urn(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new_with_prefix(b"sipbridge");
    for part in parts {
        // No two lists of parts run together to the same octets.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let hash = hasher.finalize();
    let mut bits = hash
        .iter()
        .take(16)
        .fold(0u128, |bits, octet| bits << 8 | u128::from(*octet));
    bits = bits & !(0xf << 76) | 0x8 << 76;
    bits = bits & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| hex.get(group).unwrap_or(""));
    format!("urn:uuid:{}", groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_uuid_and_each_part_counts() {
        let one = urn(&[b"machine", b"host", b"127.0.0.1:5060"]);
        assert_eq!(one, urn(&[b"machine", b"host", b"127.0.0.1:5060"]));
        assert_ne!(one, urn(&[b"machine", b"host", b"127.0.0.1:5061"]));
        assert_ne!(one, urn(&[b"machin", b"ehost", b"127.0.0.1:5060"]));
        let uuid = one.strip_prefix("urn:uuid:").unwrap();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "8");
        assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
    }
}
