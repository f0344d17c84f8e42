// SPDX-License-Identifier: MPL-2.0
//! Reads the messages out of the escaped text files they are kept in; rfc4475.txt says how.

use sip_ua::wire::{Core, Message, ReadError, read_datagram, validate};

pub struct Case {
    pub name: &'static str,
    pub section: &'static str,
    pub octets: Vec<u8>,
}

pub fn rfc4475() -> Vec<Case> {
    parse(include_str!("rfc4475.txt"))
}

pub fn rfc5118() -> Vec<Case> {
    parse(include_str!("rfc5118.txt"))
}

/// Both steps of reading.
pub fn read(octets: &[u8]) -> Result<(Message, Core), ReadError> {
    let message = read_datagram(octets)?;
    let core = validate(&message)?;
    Ok((message, core))
}

fn parse(text: &'static str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            let (name, section) = title.split_once(' ').expect("a title is `== name section`");
            cases.push(Case {
                name,
                section,
                octets: Vec::new(),
            });
        } else if let Some(case) = cases.last_mut() {
            unescape(line, &mut case.octets);
        }
    }
    cases
}

fn unescape(line: &str, out: &mut Vec<u8>) {
    let mut octets = line.bytes();
    while let Some(octet) = octets.next() {
        match (octet, octet == b'\\') {
            (octet, false) => out.push(octet),
            (_, true) => match octets.next() {
                None => return, // joined to the next line
                Some(b'x') => {
                    let digits = [octets.next(), octets.next()].map(|d| d.expect("two digits"));
                    let digits = str::from_utf8(&digits).expect("hexadecimal");
                    out.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
                }
                Some(plain) => out.push(plain),
            },
        }
    }
    out.extend_from_slice(b"\r\n");
}
