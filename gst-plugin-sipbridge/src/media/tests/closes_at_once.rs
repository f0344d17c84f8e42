// SPDX-License-Identifier: MPL-2.0
//! A closed call gives its ports back before `close` returns, and refuses input.

use std::net::UdpSocket;

use super::*;

#[test]
fn ports_are_free_and_input_is_refused() {
    let (_context, a, b) = call(Codec::Pcma);
    let address = a.media.local_rtp();
    let input = a.media.input();
    a.wait_for(|event| *event == MediaEvent::Started);
    a.media.close();
    UdpSocket::bind(address).unwrap();
    UdpSocket::bind((address.ip(), address.port() + 1)).unwrap();
    let pushed = input.push(Format::Raw { rate_hz: 8_000 }, gst::Buffer::new());
    assert_eq!(pushed, Pushed::Closed);
    drop(b);
}
