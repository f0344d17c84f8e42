// SPDX-License-Identifier: MPL-2.0
//! None of the messages of RFC 4475 and RFC 5118 delays the next call by 10 ms: neither is it at work for so
//! long itself, nor does what it leaves make the next INVITE slower, and over loopback a caller from
//! elsewhere is answered as soon. A table of it is in the output and in `target/tmp/torture.txt`.
//!
//! Of several times the best counts, of those within the process and of those over loopback: others are at
//! work on this machine, too. What is asked for is a hundred times what it takes within the process.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::agent::{Agent as Live, AgentConfig, IncomingCall, Verdict};
use sip_ua::endpoint::Event;
use sip_ua::registrar;
use sip_ua::wire::{HeaderName, Method};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::corpus::{self, Case, read};
use crate::rfc5118_answered::{Agent, OURS_V4, addr};

const AT_MOST: Duration = Duration::from_millis(10);
const BEST_OF: usize = 5;
/// How often a call over loopback is tried that was not answered in time: that may be somebody else's fault.
const TRIES: usize = 20;
/// Where the reader takes a message of RFC 4475 and the user agent does not.
const REFUSED_ABOVE: [(&str, &str); 7] = [
    ("intmeth", "501"),
    ("esc02", "501"),
    ("mpart01", "405"),
    ("unkscm", "416"),
    ("novelsc", "416"),
    ("bext01", "420"),
    ("invut", "415"),
];
/// The messages come from one, the calls from the other.
const TORTURER: &str = "203.0.113.66:5060";
const CALLER: &str = "198.51.100.7:5060";

/// A call like any other.
fn invite(caller: SocketAddr, ours: SocketAddr, call_id: &str) -> String {
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n",
        ip = caller.ip()
    );
    format!(
        "INVITE sip:alice@{ours} SIP/2.0\r\nVia: SIP/2.0/UDP {caller};branch=z9hG4bK{call_id}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:caller@{caller}>;tag=caller\r\nTo: <sip:alice@{ours}>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@{caller}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// How long the endpoint is at work.
struct Work {
    /// On the message.
    message: Duration,
    /// On the INVITE that comes next, until it rings.
    next: Duration,
    /// What was answered to the message.
    answer: String,
}

fn work(message: Option<&[u8]>) -> Work {
    let mut agent = Agent::at(OURS_V4);
    let begins = Instant::now();
    let answers = message.map(|message| agent.gets(TORTURER, message));
    let message = begins.elapsed();
    let answer = answers.unwrap_or_default().first().map_or_else(
        || "-".to_owned(),
        |answer| {
            let line = answer.packet.split(|octet| *octet == b' ').nth(1);
            String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
        },
    );

    let next = invite(addr(CALLER), addr(OURS_V4), "next");
    let begins = Instant::now();
    agent.gets(CALLER, next.as_bytes());
    let call = std::iter::from_fn(|| agent.endpoint.poll_event()).find_map(|event| match event {
        Event::Incoming { id, request, .. } => {
            let call_id = request.headers.get(HeaderName::CallId);
            (call_id == Some(b"next")).then_some(id)
        }
        _ => None,
    });
    agent
        .endpoint
        .ring(agent.now, call.expect("the next call comes"), None);
    let rings = agent.sent();
    let next = begins.elapsed();
    let rings = rings
        .iter()
        .any(|sent| sent.remote == addr(CALLER) && sent.packet.starts_with(b"SIP/2.0 180"));
    assert!(rings, "the next call does not ring");
    Work {
        message,
        next,
        answer,
    }
}

fn best_work(message: Option<&[u8]>) -> Work {
    let works: Vec<Work> = (0..BEST_OF).map(|_| work(message)).collect();
    let best = |of: fn(&Work) -> Duration| works.iter().map(of).min().unwrap_or_default();
    Work {
        message: best(|work| work.message),
        next: best(|work| work.next),
        answer: works.into_iter().next().map(|work| work.answer).unwrap(),
    }
}

/// A user agent on its socket, two that write to it, and how often one of them has called.
struct Loopback {
    ours: SocketAddr,
    torturer: UdpSocket,
    caller: UdpSocket,
    calls: usize,
}

impl Loopback {
    async fn open() -> Loopback {
        let (agent, mut calls) = Live::bind(AgentConfig {
            screen: Arc::new(|request, _| match request.method {
                Method::Register => Verdict::AllowUser("user".to_owned()),
                _ => Verdict::Allow,
            }),
            registrar: Some(registrar::Config::default()),
            ..AgentConfig::default()
        })
        .await
        .unwrap();
        let ours = agent.local_addr();
        tokio::spawn(async move {
            while let Some(IncomingCall { call, .. }) = calls.recv().await {
                call.handle.reject(486, None);
            }
            drop(agent);
        });
        Loopback {
            ours,
            torturer: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            caller: UdpSocket::bind("127.0.0.2:0").await.unwrap(),
            calls: 0,
        }
    }

    /// How long the caller waits for a final answer when this message came just before.
    async fn next_call(&mut self, message: &[u8]) -> Duration {
        self.calls += 1;
        let call_id = format!("next-{}", self.calls);
        let here = self.caller.local_addr().unwrap();
        let invite = invite(here, self.ours, &call_id);
        self.torturer.send_to(message, self.ours).await.unwrap();
        let begins = Instant::now();
        let answered = async {
            loop {
                let sent = self.caller.send_to(invite.as_bytes(), self.ours).await;
                sent.unwrap();
                // Like any caller over UDP it says it again.
                let answer = timeout(Duration::from_millis(500), self.answer(&call_id)).await;
                if let Ok(answer) = answer {
                    return answer;
                }
            }
        };
        let answer = timeout(Duration::from_secs(60), answered).await;
        let answer = answer.expect("the next caller is answered");
        let waited = begins.elapsed();
        let line = |name: &str| answer.lines().find(|line| line.starts_with(name)).unwrap();
        let ack = format!(
            "ACK sip:alice@{} SIP/2.0\r\n{}\r\nMax-Forwards: 70\r\n{}\r\n{}\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            self.ours,
            line("Via:"),
            line("From:"),
            line("To:")
        );
        let sent = self.caller.send_to(ack.as_bytes(), self.ours).await;
        sent.unwrap();
        waited
    }

    /// The same, at its best.
    async fn best_next_call(&mut self, message: &[u8]) -> Duration {
        let mut best = self.next_call(message).await;
        for _ in 1..TRIES {
            if best < AT_MOST {
                break;
            }
            best = best.min(self.next_call(message).await);
        }
        best
    }

    /// The final answer to that call; others are repetitions.
    async fn answer(&self, call_id: &str) -> String {
        let mut octets = vec![0; 65_536];
        loop {
            let length = self.caller.recv(&mut octets).await.unwrap();
            let answer = String::from_utf8_lossy(&octets[..length]).into_owned();
            let is_its = answer.contains(&format!("Call-ID: {call_id}\r\n"));
            if is_its && answer.starts_with("SIP/2.0 486") {
                return answer;
            }
        }
    }
}

fn all() -> impl Iterator<Item = (u16, Case)> {
    let of = |rfc, cases: Vec<Case>| cases.into_iter().map(move |case| (rfc, case));
    of(4475, corpus::rfc4475()).chain(of(5118, corpus::rfc5118()))
}

#[tokio::test]
async fn none_delays_the_next_call() {
    let alone = best_work(None).next;
    let mut loopback = Loopback::open().await;
    let mut table = format!(
        "{:<5} {:<9} {:<30} {:<7} {:>7} {:>9} {:>11}\n",
        "RFC", "section", "message", "answer", "its µs", "next's µs", "loopback µs"
    );
    let mut slow = Vec::new();
    for (rfc, case) in all() {
        let Work {
            message,
            next,
            answer,
        } = best_work(Some(&case.octets));
        let live = loopback.best_next_call(&case.octets).await;
        // Nothing goes wrong when a String is written to.
        let _ = writeln!(
            table,
            "{rfc:<5} {:<9} {:<30} {answer:<7} {:>7} {:>9} {:>11}",
            case.section,
            case.name,
            message.as_micros(),
            next.as_micros(),
            live.as_micros()
        );
        if message + next.saturating_sub(alone) >= AT_MOST || live >= AT_MOST {
            slow.push(case.name);
        }
    }
    let _ = writeln!(table, "without any: {} µs", alone.as_micros());
    println!("{table}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("torture.txt");
    std::fs::write(file, &table).unwrap();
    assert!(slow.is_empty(), "they delay the next call: {slow:?}");
}

#[test]
fn what_is_refused_is_answered_so() {
    let mut wrong = Vec::new();
    for case in corpus::rfc4475() {
        let above = REFUSED_ABOVE.iter().find(|(name, _)| *name == case.name);
        let asked = match (read(&case.octets), above) {
            (Err(error), _) => error.reply.map(|reply| reply.status.to_string()),
            (Ok(_), Some((_, status))) => Some((*status).to_owned()),
            // It is taken: an answer is the registrar's, or that of whoever is called.
            (Ok(_), None) => continue,
        };
        let asked = asked.unwrap_or_else(|| "-".to_owned());
        let answer = work(Some(&case.octets)).answer;
        if answer != asked {
            wrong.push(format!("{}: {answer}, not {asked}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
