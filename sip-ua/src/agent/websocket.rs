// SPDX-License-Identifier: MPL-2.0
//! WebSockets, which browsers open (RFC 7118): each of their messages holds one of ours.

use std::io;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::connection::{Reader, Writer};
use crate::transaction::Packet;
use crate::wire::{MAX_BODY_OCTETS, MAX_HEAD_OCTETS};

/// What both sides must say to speak (§4.1).
const SUBPROTOCOL: &str = "sip";

/// Nothing longer could be read.
const MAX_MESSAGE: usize = MAX_HEAD_OCTETS + MAX_BODY_OCTETS;

/// Octets read and written at once, where that much is at hand.
const BUFFER: usize = 4 << 10;

/// Answers the handshake of somebody who connected. An error is a sentence about the far end.
pub(super) async fn upgrade<S>(stream: S) -> Result<WebSocketStream<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    accept_hdr_async_with_config(stream, choose, Some(config))
        .await
        .map_err(|error| format!("no WebSocket came about: {error}"))
}

/// Who does not ask for SIP expects something else here.
#[expect(clippy::result_large_err, reason = "the signature is the library's")]
fn choose(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let asked = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let asks_for_sip = asked
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == SUBPROTOCOL);
    if !asks_for_sip {
        let why = "the WebSocket subprotocol \"sip\" is spoken here (RFC 7118)\n";
        let mut refusal = ErrorResponse::new(Some(why.to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Err(refusal);
    }
    let headers = response.headers_mut();
    headers.insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    Ok(response)
}

impl<S> Reader for SplitStream<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    async fn read(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let octets = match self.next().await {
                None | Some(Err(Error::ConnectionClosed)) => return Ok(Vec::new()),
                Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(octets))) => octets.to_vec(),
                // A ping's pong leaves with the next read.
                Some(Ok(_)) => continue,
                Some(Err(Error::Io(error))) => return Err(error),
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
            };
            // None at all would say that it is the end.
            if !octets.is_empty() {
                return Ok(octets);
            }
        }
    }
}

impl<S> Writer for SplitSink<WebSocketStream<S>, Message>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    async fn write(&mut self, packets: &[Packet]) -> io::Result<()> {
        let failed = |error| match error {
            Error::Io(error) => error,
            error => io::Error::other(error.to_string()),
        };
        for packet in packets {
            // Text is what browsers' libraries expect; a display name in another alphabet's octets, or
            // a body that is no text, cannot be (§5).
            let message = match str::from_utf8(packet) {
                Ok(text) => Message::text(text),
                Err(_) => Message::binary(packet.to_vec()),
            };
            self.feed(message).await.map_err(failed)?;
        }
        self.flush().await.map_err(failed)
    }

    async fn finish(&mut self) {
        // The far end may have closed it first.
        let _ = self.close().await;
    }
}
