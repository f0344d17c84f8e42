// SPDX-License-Identifier: MPL-2.0
//! A far end whose messages the test writes by hand.

use std::net::SocketAddr;

use sip_ua::wire::{HeaderName, Message, Request, Response, read_datagram};

/// Somebody who is neither Alice nor Bob.
pub fn stranger() -> SocketAddr {
    "198.51.100.9:5060".parse().unwrap()
}

/// A request to Bob; `more` holds whole header lines. Via, From, Call-ID, CSeq and so on are made
/// from `name`, which makes the branch and the Call-ID.
pub fn request(method: &str, name: &str, more: &[&str], body: &str) -> Vec<u8> {
    let cseq = if more.iter().any(|line| line.starts_with("CSeq:")) {
        String::new()
    } else {
        format!("CSeq: 1 {method}\r\n")
    };
    let to = if more.iter().any(|line| line.starts_with("To:")) {
        ""
    } else {
        "To: <sip:bob@192.0.2.2:5070>\r\n"
    };
    let via = if more.iter().any(|line| line.starts_with("Via:")) {
        String::new()
    } else {
        format!("Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK-{name}\r\n")
    };
    let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "{method} sip:bob@192.0.2.2:5070 SIP/2.0\r\n\
         {via}Max-Forwards: 70\r\n\
         From: <sip:mallory@198.51.100.9>;tag=m-{name}\r\n\
         {to}Call-ID: {name}@198.51.100.9\r\n\
         {cseq}Contact: <sip:mallory@198.51.100.9>\r\n\
         {more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A response to what an endpoint sent, with a To tag and whole header lines.
pub fn response(to: &Request, status: u16, tag: &str, more: &[&str], body: &[u8]) -> Vec<u8> {
    let mut response = to.response(status);
    if !tag.is_empty() {
        let value = response.headers.get(HeaderName::To).unwrap().to_vec();
        let value = [&value[..], b";tag=", tag.as_bytes()].concat();
        response.headers.set(HeaderName::To, value);
    }
    for line in more {
        let (name, value) = line.split_once(": ").unwrap();
        response.headers.push(name, value);
    }
    response.body = body.to_vec();
    response.to_bytes()
}

pub fn read_response(datagram: &[u8]) -> Response {
    match read_datagram(datagram) {
        Ok(Message::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}
