// SPDX-License-Identifier: MPL-2.0
//! As much of STUN (RFC 8489) as a server needs that tells who asks what address they have.

use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const BINDING: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const MAGIC_COOKIE: u32 = 0x2112_A442;
const USERNAME: u16 = 0x0006;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// Whether this is a question for a server: a Binding request of nobody's user name, which checks of ICE have.
pub fn asks(packet: &[u8]) -> bool {
    let begins = packet.len() >= HEADER
        && packet[..2] == BINDING
        && packet[4..8] == MAGIC_COOKIE.to_be_bytes();
    begins && !types(&packet[HEADER..]).contains(&USERNAME)
}

/// Of the attributes.
fn types(mut attributes: &[u8]) -> Vec<u16> {
    let mut types = Vec::new();
    while let [a, b, c, d, rest @ ..] = attributes {
        types.push(u16::from_be_bytes([*a, *b]));
        let length = usize::from(u16::from_be_bytes([*c, *d])).next_multiple_of(4);
        attributes = rest.get(length..).unwrap_or_default();
    }
    types
}

/// The answer to who asks that they are seen there.
pub fn sees(request: &[u8], there: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = there.ip() else {
        panic!("{there} is no IPv4 address");
    };
    let mut reply = Vec::from(BINDING_SUCCESS);
    reply.extend_from_slice(&12_u16.to_be_bytes());
    reply.extend_from_slice(&request[4..HEADER]);
    reply.extend_from_slice(&XOR_MAPPED_ADDRESS.to_be_bytes());
    reply.extend_from_slice(&[0, 8, 0, 1]);
    let port = there.port() ^ (MAGIC_COOKIE >> 16) as u16;
    reply.extend_from_slice(&port.to_be_bytes());
    reply.extend_from_slice(&(u32::from(ip) ^ MAGIC_COOKIE).to_be_bytes());
    reply
}
