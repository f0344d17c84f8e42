// SPDX-License-Identifier: MPL-2.0
//! Against a server that speaks WebSocket but is no Janus worth the name.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{Janus, JanusConfig};
use crate::sfu::{Participant, Sfu, SfuError};

/// Serves one connection, answering each message with what `answer` makes of it.
async fn pretender(answer: impl Fn(&Value) -> Option<String> + Send + 'static) -> Janus {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the callback's type is given")]
        let agree = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let protocol = HeaderValue::from_static("janus-protocol");
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", protocol);
            Ok(response)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, agree)
            .await
            .unwrap();
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            let message = serde_json::from_str(&text).unwrap();
            if let Some(answer) = answer(&message) {
                let _ = socket.send(Message::text(answer)).await;
            }
        }
    });
    Janus::new(JanusConfig {
        patience: Duration::from_millis(300),
        ..JanusConfig::new("main", url)
    })
}

async fn refusal(sfu: Janus) -> SfuError {
    sfu.join("lobby", Participant::default())
        .await
        .map(drop)
        .unwrap_err()
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let error = refusal(pretender(|_| Some("\u{1}{{{".to_owned())).await).await;
    assert_eq!((error.sip_code(), error.label()), (503, "timeout"));
    assert_eq!(
        error.to_string(),
        "the SFU main did not answer \"create\" within 300ms"
    );
}

#[tokio::test]
async fn silence_is_no_answer() {
    let error = refusal(pretender(|_| None).await).await;
    assert_eq!((error.sip_code(), error.label()), (503, "timeout"));
}

#[tokio::test]
async fn an_answer_that_lacks_what_matters_is_named_as_nonsense() {
    let sfu = pretender(|message| {
        Some(json!({"janus": "success", "transaction": message["transaction"]}).to_string())
    });
    let error = refusal(sfu.await).await;
    assert_eq!((error.sip_code(), error.label()), (503, "nonsense"));
    assert!(
        error.to_string().contains("no handle in its answer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_join_that_tells_nothing_is_named_as_nonsense() {
    let sfu = pretender(|message| {
        let data = json!({"videoroom": "joined", "id": []});
        Some(
            json!({"janus": "success", "transaction": message["transaction"],
                "data": {"id": 7}, "plugindata": {"data": data}})
            .to_string(),
        )
    });
    let error = refusal(sfu.await).await;
    assert_eq!((error.sip_code(), error.label()), (503, "nonsense"));
    assert!(error.to_string().contains("who we are"), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let config = JanusConfig {
        api_secret: Some("canary".to_owned().into()),
        pin: Some("canary".to_owned().into()),
        ..JanusConfig::new("main", "ws://127.0.0.1")
    };
    assert!(!format!("{config:?}").contains("canary"));
}
