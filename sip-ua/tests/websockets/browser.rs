// SPDX-License-Identifier: MPL-2.0
//! What a browser says: every octet is the test's.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use sip_ua::wire::{HeaderName, Message as Sip, Request, Response, read_datagram};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::SOON;

/// Neither looked up nor connected to by anybody (RFC 7118 §5).
pub const HOST: &str = "df7jal23ls0d.invalid";

pub struct Browser<S> {
    socket: WebSocketStream<S>,
    via: &'static str,
}

impl Browser<TcpStream> {
    pub async fn connect(to: SocketAddr) -> Browser<TcpStream> {
        Browser::asking(to, Some("sip")).await.unwrap()
    }

    /// Asks for this subprotocol.
    pub async fn asking(
        to: SocketAddr,
        subprotocol: Option<&str>,
    ) -> Result<Browser<TcpStream>, Error> {
        let stream = TcpStream::connect(to).await.unwrap();
        Browser::over(stream, "WS", subprotocol).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Browser<S> {
    pub async fn over(
        stream: S,
        via: &'static str,
        subprotocol: Option<&str>,
    ) -> Result<Browser<S>, Error> {
        let mut request = "ws://sip.example/".into_client_request().unwrap();
        if let Some(name) = subprotocol {
            let headers = request.headers_mut();
            headers.insert("Sec-WebSocket-Protocol", name.parse().unwrap());
        }
        let (socket, response) = client_async(request, stream).await?;
        let chosen = response.headers().get("Sec-WebSocket-Protocol");
        assert_eq!(chosen.unwrap(), "sip");
        Ok(Browser { socket, via })
    }

    pub async fn says(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// As [`says`](Self::says), to whoever may not listen to the end.
    pub async fn tries(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// The next message of the WebSocket; `None` at its end, however that came.
    pub async fn hears(&mut self) -> Option<Message> {
        let next = timeout(SOON, self.socket.next()).await.expect("in time");
        next.and_then(Result::ok)
    }

    /// The next message of SIP: a WebSocket message holds it whole, and nothing else.
    pub async fn message(&mut self) -> Sip {
        match self.hears().await.expect("the connection is open") {
            Message::Text(text) => read_datagram(text.as_bytes()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub async fn request(&mut self) -> Request {
        match self.message().await {
            Sip::Request(request) => request,
            Sip::Response(response) => panic!("{response:?}"),
        }
    }

    /// The next response above 100.
    pub async fn response(&mut self) -> Response {
        loop {
            match self.message().await {
                Sip::Response(response) if response.status == 100 => {}
                Sip::Response(response) => return response,
                Sip::Request(request) => panic!("{request:?}"),
            }
        }
    }

    /// A request as browsers' libraries write it: without a Content-Length, which needs none.
    pub fn compose(&self, method: &str, name: &str, more: &[&str], body: &str) -> Message {
        let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
        let to = match more.contains("To:") {
            true => "",
            false => "To: <sip:carol@sip.example>\r\n",
        };
        Message::text(format!(
            "{method} sip:sip.example;transport=ws SIP/2.0\r\n\
             Via: SIP/2.0/{} {HOST};branch=z9hG4bK-{name}-{method}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:carol@sip.example>;tag=carol\r\n\
             {to}\
             Call-ID: {name}\r\n\
             Contact: <sip:carol@{HOST};transport=ws>\r\n\
             {more}\r\n{body}",
            self.via
        ))
    }

    pub async fn answer(&mut self, request: &Request, status: u16, body: &str) {
        let mut response = request.response(status);
        let to = request.headers.get(HeaderName::To).unwrap();
        if !to.windows(5).any(|part| part == b";tag=") {
            let tagged = [to, b";tag=far"].concat();
            response.headers.set(HeaderName::To, tagged);
        }
        let contact = format!("<sip:carol@{HOST};transport=ws>");
        response.headers.push(HeaderName::Contact, contact);
        if !body.is_empty() {
            response
                .headers
                .push(HeaderName::ContentType, "application/sdp");
        }
        response.body = body.as_bytes().to_vec();
        let text = String::from_utf8(response.to_bytes()).unwrap();
        self.says(Message::text(text)).await;
    }
}
