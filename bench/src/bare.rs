// SPDX-License-Identifier: MPL-2.0
//! The process that answers calls with as little work as can be: one thread, one buffer, nothing understood and
//! nothing remembered. What it takes for a call is what the system takes for its datagrams and connections, which
//! no user agent can do without.
//!
//! It knows the messages of our own callers alone. It is asked as the [answerer](crate::answerer) is.

use std::collections::HashMap;
use std::io::{self, BufRead as _, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token};

use crate::answerer::State;

const LISTENER: Token = Token(0);
const DATAGRAMS: Token = Token(1);

/// More than the longest message of a caller, and many of them behind one another.
const ROOM: usize = 64 << 10;

/// What it copies into its answers.
const COPIED: [&[u8]; 5] = [b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:"];

const DESCRIPTION: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

/// Serves standard input until it ends.
pub fn run() -> Result<()> {
    let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let mut bare = Bare {
        poll: Poll::new()?,
        listener: TcpListener::bind(here)?,
        datagrams: UdpSocket::bind(here)?,
        connections: HashMap::new(),
        next: DATAGRAMS.0 + 1,
        hung_up: Arc::default(),
        room: vec![0; ROOM],
        answers: Vec::new(),
    };
    let registry = bare.poll.registry();
    registry.register(&mut bare.listener, LISTENER, Interest::READABLE)?;
    registry.register(&mut bare.datagrams, DATAGRAMS, Interest::READABLE)?;
    let state = State {
        udp: Some(bare.datagrams.local_addr()?),
        tcp: Some(bare.listener.local_addr()?),
        hung_up: 0,
        dialogs: 0,
        transactions: 0,
    };
    let hung_up = bare.hung_up.clone();
    // It ends with the input, however busy the other is.
    std::thread::spawn(move || {
        let outcome = bare.serve();
        eprintln!("the bare answerer ended: {outcome:?}");
        std::process::exit(1);
    });
    for line in io::stdin().lock().lines() {
        line?;
        let hung_up = hung_up.load(Ordering::Relaxed);
        println!("{}", serde_json::to_string(&State { hung_up, ..state })?);
    }
    Ok(())
}

struct Bare {
    poll: Poll,
    listener: TcpListener,
    datagrams: UdpSocket,
    connections: HashMap<Token, Connection>,
    next: usize,
    hung_up: Arc<AtomicU64>,
    room: Vec<u8>,
    answers: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Of a message whose end has not come yet.
    begun: Vec<u8>,
}

impl Bare {
    fn serve(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            self.poll.poll(&mut events, None)?;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    DATAGRAMS => self.datagrams()?,
                    connection if event.is_readable() => self.connection(connection)?,
                    _ => {}
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        while let Some((mut stream, _)) = there(self.listener.accept())? {
            let token = Token(self.next);
            self.next += 1;
            let registry = self.poll.registry();
            registry.register(&mut stream, token, Interest::READABLE)?;
            stream.set_nodelay(true)?;
            let begun = Vec::new();
            self.connections.insert(token, Connection { stream, begun });
        }
        Ok(())
    }

    fn datagrams(&mut self) -> Result<()> {
        while let Some((length, from)) = there(self.datagrams.recv_from(&mut self.room))? {
            let message = &self.room[..length];
            let mut send = |answer: &[u8]| self.datagrams.send_to(answer, from).map(drop);
            if answer(message, &mut self.answers, &mut send)? {
                self.hung_up.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn connection(&mut self, token: Token) -> Result<()> {
        let Some(Connection { stream, begun }) = self.connections.get_mut(&token) else {
            return Ok(());
        };
        while let Some(length) = there(stream.read(&mut self.room))? {
            if length == 0 {
                self.connections.remove(&token);
                return Ok(());
            }
            let mut said = &self.room[..length];
            if !begun.is_empty() {
                begun.extend_from_slice(said);
                said = begun;
            }
            let mut all = Vec::new();
            while let Some(end) = end_of(said) {
                let (message, rest) = said.split_at(end);
                let mut send = |answer: &[u8]| {
                    all.extend_from_slice(answer);
                    Ok(())
                };
                if answer(message, &mut self.answers, &mut send)? {
                    self.hung_up.fetch_add(1, Ordering::Relaxed);
                }
                said = rest;
            }
            let left = said.to_vec();
            *begun = left;
            // The callers read whatever they are sent: what they do not take at once is an error.
            stream.write_all(&all)?;
        }
        Ok(())
    }
}

/// What an attempt came to; `None` where there is nothing at the moment, or the far end has gone meanwhile.
fn there<T>(attempt: io::Result<T>) -> Result<Option<T>> {
    match attempt {
        Ok(there) => Ok(Some(there)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::ConnectionReset => Ok(None),
            _ => Err(error.into()),
        },
    }
}

/// Where a message ends that begins here, if it has come whole.
fn end_of(said: &[u8]) -> Option<usize> {
    let head = said.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let mut lines = said.get(..head)?.split(|octet| *octet == b'\n');
    let length = lines.find_map(|line| line.strip_prefix(b"Content-Length:"));
    let length = str::from_utf8(length.unwrap_or(b"0")).ok()?;
    let end = head + length.trim().parse::<usize>().ok()?;
    (end <= said.len()).then_some(end)
}

/// Sends what answers a message; true where it hangs up.
fn answer(
    message: &[u8],
    room: &mut Vec<u8>,
    send: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<bool> {
    let mut reply = |status: &str, tag: &str, body: &str| {
        room.clear();
        room.extend_from_slice(b"SIP/2.0 ");
        room.extend_from_slice(status.as_bytes());
        room.extend_from_slice(b"\r\n");
        for line in message.split(|octet| *octet == b'\n') {
            let line = line.trim_ascii_end();
            if COPIED.iter().any(|name| line.starts_with(name)) {
                room.extend_from_slice(line);
                if line.starts_with(b"To:") {
                    room.extend_from_slice(tag.as_bytes());
                }
                room.extend_from_slice(b"\r\n");
            }
        }
        room.extend_from_slice(b"Contact: <sip:bare@127.0.0.1>\r\n");
        write!(room, "Content-Length: {}\r\n\r\n{body}", body.len())?;
        send(room)
    };
    let tag = ";tag=bare";
    if message.starts_with(b"INVITE ") {
        reply("180 Ringing", tag, "").context("180")?;
        reply("200 OK\r\nContent-Type: application/sdp", tag, DESCRIPTION).context("200")?;
    } else if message.starts_with(b"BYE ") {
        reply("200 OK", "", "").context("200 to BYE")?;
        return Ok(true);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    const INVITE: &[u8] = b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=1\r\nFrom: <sip:a@h>;tag=a\r\n\
        To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 4\r\n\r\nv=0\n";

    fn answers(message: &[u8]) -> (Vec<String>, bool) {
        let mut sent = Vec::new();
        let over = answer(message, &mut Vec::new(), &mut |answer| {
            sent.push(String::from_utf8(answer.to_vec()).unwrap());
            Ok(())
        });
        (sent, over.unwrap())
    }

    #[test]
    fn a_call_is_answered_and_hung_up() {
        let (sent, over) = answers(INVITE);
        assert!(!over);
        assert!(sent[0].starts_with("SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP h;branch=1\r\n"));
        assert!(sent[1].starts_with("SIP/2.0 200 OK\r\n") && sent[1].ends_with(DESCRIPTION));
        assert!(
            sent.iter()
                .all(|sent| sent.contains("To: <sip:b@h>;tag=bare\r\n"))
        );
        let bye = b"BYE sip:x SIP/2.0\r\nTo: <sip:b@h>;tag=bare\r\n\r\n";
        let (sent, over) = answers(bye);
        assert!(over && sent.len() == 1 && sent[0].contains("To: <sip:b@h>;tag=bare\r\n"));
        assert_eq!(answers(b"ACK sip:x SIP/2.0\r\n\r\n"), (Vec::new(), false));
    }

    #[test]
    fn a_message_ends_behind_its_body() {
        let two = [INVITE, b"ACK sip:x SIP/2.0\r\n\r\n"].concat();
        assert_eq!(end_of(&two), Some(INVITE.len()));
        assert_eq!(end_of(&two[INVITE.len()..]), Some(two.len() - INVITE.len()));
        assert_eq!(end_of(&INVITE[..INVITE.len() - 1]), None);
        assert_eq!(end_of(&INVITE[..40]), None);
    }
}
