// SPDX-License-Identifier: MPL-2.0
//! SIP by hand, for what no phone would send.

use anyhow::{Context as _, Result};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static SENT: AtomicU32 = AtomicU32::new(0);

/// A UDP socket that talks to one SIP port.
pub struct Raw {
    socket: UdpSocket,
    here: SocketAddr,
    there: SocketAddr,
}

impl Raw {
    pub fn open(there: SocketAddr) -> Result<Raw> {
        Raw::open_from(Ipv4Addr::LOCALHOST, there)
    }

    /// From another address; those of 127.0.0.0/8 are all this machine's.
    pub fn open_from(here: Ipv4Addr, there: SocketAddr) -> Result<Raw> {
        let socket = UdpSocket::bind((here, 0))?;
        socket.connect(there)?;
        Ok(Raw {
            here: socket.local_addr()?,
            socket,
            there,
        })
    }

    /// A correct request of a new call; `body` is SDP or nothing.
    pub fn request(&self, method: &str, user: &str, body: &str) -> String {
        let (here, there) = (self.here, self.there);
        let number = SENT.fetch_add(1, Ordering::Relaxed);
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} sip:{user}@{there} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKraw{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:raw@{here}>;tag=raw{number}\r\nTo: <sip:{user}@{there}>\r\n\
             Call-ID: raw-{number}@{here}\r\nCSeq: 1 {method}\r\nContact: <sip:raw@{here}>\r\n\
             {kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        self.socket.send(bytes)?;
        Ok(())
    }

    /// The next message, or `None` if none comes in time.
    pub fn answer(&self, patience: Duration) -> Result<Option<String>> {
        self.socket.set_read_timeout(Some(patience))?;
        let mut buffer = vec![0; 65_536];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Ok(Some(
                String::from_utf8_lossy(&buffer[..length]).into_owned(),
            )),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The final response to this very request, whatever else comes.
    pub fn final_answer_to(&self, request: &str, patience: Duration) -> Result<Option<String>> {
        let call_id = request.lines().find(|line| line.starts_with("Call-ID:"));
        let call_id = call_id.context("a request without a Call-ID")?;
        loop {
            match self.final_answer(patience)? {
                Some(answer) if !answer.lines().any(|line| line == call_id) => {}
                other => return Ok(other),
            }
        }
    }

    /// The next final response.
    pub fn final_answer(&self, patience: Duration) -> Result<Option<String>> {
        loop {
            match self.answer(patience)? {
                Some(answer) if answer.starts_with("SIP/2.0 1") => {}
                other => return Ok(other),
            }
        }
    }
}
