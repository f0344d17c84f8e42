// SPDX-License-Identifier: MPL-2.0
//! A far end on a connection whose every octet the test writes and reads.

use std::net::SocketAddr;

use sip_ua::transport::{Frame, Framer};
use sip_ua::wire::{HeaderName, Message, Request, Response, read_framed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::SOON;

pub struct FarEnd {
    stream: TcpStream,
    framer: Framer,
}

impl FarEnd {
    pub async fn connect(to: SocketAddr) -> FarEnd {
        FarEnd::of(TcpStream::connect(to).await.unwrap())
    }

    pub async fn accept(listener: &TcpListener) -> FarEnd {
        let accepted = timeout(SOON, listener.accept()).await.expect("in time");
        FarEnd::of(accepted.unwrap().0)
    }

    fn of(stream: TcpStream) -> FarEnd {
        FarEnd {
            stream,
            framer: Framer::default(),
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Says that nothing more will come.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    pub async fn write(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.unwrap();
    }

    /// The next octets, as they come; empty when the connection is closed.
    pub async fn octets(&mut self) -> Vec<u8> {
        let mut octets = vec![0; 64 << 10];
        let read = timeout(SOON, self.stream.read(&mut octets)).await;
        // A reset is an end as well.
        let length = read.expect("in time").unwrap_or(0);
        octets.truncate(length);
        octets
    }

    pub async fn message(&mut self) -> Message {
        loop {
            match self.framer.poll_frame() {
                Some(Frame::Message(message)) => return read_framed(&message).unwrap(),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            let octets = self.octets().await;
            assert!(!octets.is_empty(), "the connection was closed");
            self.framer.push(&octets);
        }
    }

    pub async fn request(&mut self) -> Request {
        match self.message().await {
            Message::Request(request) => request,
            Message::Response(response) => panic!("{response:?}"),
        }
    }

    /// The next response above 100.
    pub async fn response(&mut self) -> Response {
        loop {
            match self.message().await {
                Message::Response(response) if response.status == 100 => {}
                Message::Response(response) => return response,
                Message::Request(request) => panic!("{request:?}"),
            }
        }
    }

    /// A request of this far end's; `more` holds whole header lines.
    pub fn compose(
        &self,
        method: &str,
        to: SocketAddr,
        name: &str,
        more: &[&str],
        body: &str,
    ) -> String {
        let own = self.addr();
        let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
        let to_line = match more.contains("To:") {
            true => String::new(),
            false => format!("To: <sip:bob@{to}>\r\n"),
        };
        format!(
            "{method} sip:bob@{to};transport=tcp SIP/2.0\r\n\
             Via: SIP/2.0/TCP {own};branch=z9hG4bK-{name}-{method}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:carol@{own}>;tag=carol\r\n\
             {to_line}\
             Call-ID: {name}\r\n\
             Contact: <sip:carol@{own};transport=tcp>\r\n\
             {more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub async fn answer(&mut self, request: &Request, status: u16, body: &str) {
        let mut response = request.response(status);
        if status > 100 {
            let to = request.headers.get(HeaderName::To).unwrap();
            if !to.windows(5).any(|part| part == b";tag=") {
                let tagged = [to, b";tag=far"].concat();
                response.headers.set(HeaderName::To, tagged);
            }
        }
        let contact = format!("<sip:far@{};transport=tcp>", self.addr());
        response.headers.push(HeaderName::Contact, contact);
        if !body.is_empty() {
            response
                .headers
                .push(HeaderName::ContentType, "application/sdp");
        }
        response.body = body.as_bytes().to_vec();
        self.write(response.to_bytes()).await;
    }
}
