// SPDX-License-Identifier: MPL-2.0
//! Servers that Alice may ask, whose answers the test writes.

use std::net::SocketAddr;

use sip_ua::wire::{Message, Request, read_datagram};

use crate::pair::{Pair, Side};
use crate::peer::response;

/// Somebody who is neither of the two: what is sent there is seen in `strays`.
pub fn other(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

pub fn request_to(pair: &Pair, server: SocketAddr, at: usize) -> Request {
    let mut sent = pair.strays.iter().filter(|(to, _)| *to == server);
    match read_datagram(&sent.nth(at).expect("it was sent").1) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

pub fn methods_to(pair: &Pair, server: SocketAddr) -> Vec<String> {
    let sent = pair.strays.iter().filter(|(to, _)| *to == server);
    sent.map(|(_, bytes)| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split(' ').next().unwrap_or_default().to_owned()
    })
    .collect()
}

/// The server answers the request that it got.
pub fn respond(pair: &mut Pair, server: SocketAddr, request: &Request, status: u16, more: &[&str]) {
    let tag = if status == 100 { "" } else { "there" };
    let response = response(request, status, tag, more, b"");
    pair.inject(Side::Alice, server, &response);
}
