// SPDX-License-Identifier: MPL-2.0
//! A name server on loopback that knows what the test tells it (RFC 1035, over UDP).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// A record: its name, type and data.
type Record = (String, u16, Vec<u8>);

/// Answers until it is dropped.
pub struct NameServer {
    addr: SocketAddr,
    records: Arc<Mutex<Vec<Record>>>,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    pub fn start() -> std::io::Result<NameServer> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let addr = socket.local_addr()?;
        let records: Arc<Mutex<Vec<Record>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, seen) = (records.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if length == 0 {
                    return;
                }
                let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((name, answer)) = answer(&query[..length], &known) {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.push(name);
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(NameServer {
            addr,
            records,
            asked,
            thread: Some(thread),
        })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The names that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    pub fn address(&self, name: &str, ip: Ipv4Addr) {
        self.add(name, A, ip.octets().to_vec());
    }

    pub fn srv(&self, name: &str, priority: u16, target: &str, port: u16) {
        let numbers = [priority, 0, port].map(u16::to_be_bytes).concat();
        self.add(name, SRV, [numbers, labels(target)].concat());
    }

    /// The servers of a domain, over UDP on this machine: their ports, the best first.
    pub fn servers(&self, domain: &str, ports: &[u16]) {
        let service = format!("_sip._udp.{domain}");
        for (priority, port) in (1..).zip(ports) {
            let name = format!("server{priority}.{domain}");
            self.srv(&service, priority, &name, *port);
            self.address(&name, Ipv4Addr::LOCALHOST);
        }
    }

    pub fn naptr(&self, name: &str, order: u16, service: &str, replacement: &str) {
        let mut data = [order, 0].map(u16::to_be_bytes).concat();
        for text in ["s", service, ""] {
            data.push(text.len() as u8);
            data.extend(text.bytes());
        }
        data.extend(labels(replacement));
        self.add(name, NAPTR, data);
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) {
        let records = self.records.lock();
        let mut records = records.unwrap_or_else(PoisonError::into_inner);
        records.push((name.to_owned(), kind, data));
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let end = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.addr));
        if let (Ok(_), Some(thread)) = (end, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn labels(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels
        .flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat())
        .collect();
    bytes.push(0);
    bytes
}

/// What was asked for, and the whole answer.
fn answer(query: &[u8], known: &[Record]) -> Option<(String, Vec<u8>)> {
    let mut at = 12;
    let mut name = Vec::new();
    while let length @ 1.. = usize::from(*query.get(at)?) {
        let label = query.get(at + 1..at + 1 + length)?;
        name.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += 1 + length;
    }
    let name = name.join(".");
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let question = query.get(12..at + 5)?;
    let exists = known.iter().any(|(other, ..)| *other == name);
    let fits = |record: &&Record| record.0 == name && record.1 == kind;
    let found: Vec<&Record> = known.iter().filter(fits).collect();
    // An authoritative answer; NXDOMAIN where the name is not known at all.
    let flags = if exists { [0x85, 0x80] } else { [0x85, 0x83] };
    let mut answer = [
        &query[..2],
        &flags,
        &[0, 1, 0, found.len() as u8, 0, 0, 0, 0],
    ]
    .concat();
    answer.extend(question);
    for (_, _, data) in found {
        // The question's name, its type, IN, a minute to live.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend((data.len() as u16).to_be_bytes());
        answer.extend(data);
    }
    Some((name, answer))
}
