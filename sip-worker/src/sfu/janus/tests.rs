// SPDX-License-Identifier: MPL-2.0
//! Against a server that speaks WebSocket but is no Janus worth the name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{Janus, JanusConfig};
use crate::sfu::{ConnectionId, Joined, Participant, Sfu, SfuError, SfuEvent};

#[expect(clippy::result_large_err, reason = "the callback's type is given")]
fn agree(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let protocol = HeaderValue::from_static("janus-protocol");
    response
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    Ok(response)
}

/// Serves one connection, answering each message with what `answer` makes of it.
async fn pretender(answer: impl Fn(&Value) -> Option<String> + Send + 'static) -> Janus {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
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

/// What a scripted Janus does about a message.
enum Turn {
    Say(Vec<Value>),
    HangUp,
}

/// Serves any connection; `turn` is told the number of the connection and the message.
async fn scripted(turn: impl Fn(usize, &Value) -> Turn + Send + Sync + 'static) -> Janus {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let turn = Arc::new(turn);
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let turn = turn.clone();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_hdr_async(stream, agree)
                    .await
                    .unwrap();
                'served: while let Some(Ok(Message::Text(text))) = socket.next().await {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    match turn(connection, &message) {
                        Turn::Say(answers) => {
                            for mut answer in answers {
                                answer["transaction"] = message["transaction"].clone();
                                let _ = socket.send(Message::text(answer.to_string())).await;
                            }
                        }
                        Turn::HangUp => break 'served,
                    }
                }
            });
        }
    });
    Janus::new(JanusConfig {
        patience: Duration::from_secs(5),
        string_ids: Some(true),
        room_create: true,
        ..JanusConfig::new("main", url)
    })
}

fn success(id: u64) -> Turn {
    Turn::Say(vec![json!({"janus": "success", "data": {"id": id}})])
}

fn says(data: Value) -> Turn {
    Turn::Say(vec![
        json!({"janus": "event", "sender": 1, "plugindata": {"data": data}}),
    ])
}

/// A room with Ann, who speaks, and Ben, who does not, until the connection breaks at `configure`. Then Ben is gone and
/// Cid speaks. Handles are numbered from 1 on.
fn room(handles: &AtomicU64, message: &Value) -> Turn {
    let body = &message["body"];
    let word = message["janus"].as_str().unwrap_or_default();
    match (word, body["request"].as_str().unwrap_or_default()) {
        ("create", _) => success(77),
        ("attach", _) => success(handles.fetch_add(1, Ordering::SeqCst) + 1),
        (_, "join") if body["ptype"] == "publisher" => says(json!({"videoroom": "joined",
            "id": "me", "attendees": [{"id": "ben", "display": "Ben"}], "publishers": [
                {"id": "ann", "display": "Ann", "streams": [{"type": "audio", "mid": "0"}]}]})),
        (_, "join") => says(json!({"videoroom": "attached", "streams": [
            {"type": "audio", "mid": "0", "feed_id": body["streams"][0]["feed"], "feed_mid": "7"}]})),
        (_, "listparticipants") => says(json!({"videoroom": "participants", "participants": [
            {"id": "me", "publisher": true}, {"id": "ann", "publisher": true},
            {"id": "cid", "display": "Cid", "publisher": true}]})),
        (_, "configure") => Turn::HangUp,
        _ => Turn::Say(vec![json!({"janus": "success"})]),
    }
}

async fn next(events: &mut mpsc::UnboundedReceiver<SfuEvent>) -> SfuEvent {
    let next = tokio::time::timeout(Duration::from_secs(5), events.recv()).await;
    next.unwrap().unwrap()
}

/// Enters the room of [`room`], and has the connection break.
async fn broken(sfu: &Janus) -> Joined {
    let mut joined = sfu.join("lobby", Participant::default()).await.unwrap();
    for _ in ["Ben", "Ann", "what Ann says"] {
        next(&mut joined.events).await;
    }
    let lost = joined
        .session
        .mute(&ConnectionId("2".to_owned()), true)
        .await;
    assert!(matches!(lost, Err(SfuError::Lost { .. })), "{lost:?}");
    joined
}

#[tokio::test]
async fn a_session_is_claimed_when_its_connection_broke() {
    let (tell, mut asked) = mpsc::unbounded_channel();
    let handles = AtomicU64::new(0);
    let sfu = scripted(move |connection, message| {
        let _ = tell.send((connection, message.clone()));
        room(&handles, message)
    })
    .await;
    let Joined {
        session,
        mut events,
    } = broken(&sfu).await;
    let event = next(&mut events).await;
    assert!(
        matches!(&event, SfuEvent::ParticipantLeft(id) if id.0 == "ben"),
        "{event:?}"
    );
    let event = next(&mut events).await;
    assert!(
        matches!(&event, SfuEvent::ParticipantJoined(who) if who.name == "Cid"),
        "{event:?}"
    );
    let event = next(&mut events).await;
    assert!(
        matches!(&event, SfuEvent::TrackAdded(track) if track.id.0 == "cid/7"),
        "{event:?}"
    );
    session.leave().await;
    assert!(sfu.check().await.is_ok());

    let mut first = None;
    while let Ok((connection, message)) = asked.try_recv() {
        assert!(connection < 2, "{message}");
        if connection == 1 {
            first.get_or_insert(message);
        }
    }
    let first = first.unwrap();
    assert_eq!(
        (&first["janus"], &first["session_id"]),
        (&json!("claim"), &json!(77))
    );
}

#[tokio::test]
async fn who_may_not_claim_enters_anew() {
    let handles = AtomicU64::new(0);
    let sfu = scripted(move |_, message| match message["janus"] == "claim" {
        true => Turn::Say(vec![
            json!({"janus": "error", "error": {"code": 458, "reason": "No such session 77"}}),
        ]),
        false => room(&handles, message),
    })
    .await;
    let mut joined = broken(&sfu).await;
    let event = next(&mut joined.events).await;
    assert!(matches!(event, SfuEvent::Lost(_)), "{event:?}");
    assert!(joined.events.recv().await.is_none());
    assert!(sfu.join("lobby", Participant::default()).await.is_ok());
}

#[tokio::test]
async fn a_room_that_was_made_for_somebody_is_theirs_until_they_leave() {
    let handles = AtomicU64::new(0);
    let is_made = AtomicBool::new(false);
    let sfu = scripted(
        move |_, message| match message["body"]["request"].as_str() {
            Some("create") => {
                is_made.store(true, Ordering::SeqCst);
                says(json!({"videoroom": "created", "room": "lobby"}))
            }
            Some("join") if !is_made.load(Ordering::SeqCst) => says(
                json!({"videoroom": "event", "error_code": 426, "error": "No such room (lobby)"}),
            ),
            _ => room(&handles, message),
        },
    )
    .await;
    let first = sfu.join("lobby", Participant::default()).await.unwrap();
    let server = sfu.server().await.unwrap();
    assert_eq!(server.ours("lobby"), Some(1), "it is nobody's to destroy");
    let second = sfu.join("lobby", Participant::default()).await.unwrap();
    assert_eq!(server.ours("lobby"), Some(2));
    first.session.leave().await;
    drop(second);
    assert_eq!(server.ours("lobby"), Some(0));
}

#[tokio::test]
async fn attributes_are_told_as_metadata() {
    let (tell, mut asked) = mpsc::unbounded_channel();
    let handles = AtomicU64::new(0);
    let sfu = scripted(move |_, message| {
        let _ = tell.send(message["body"].clone());
        room(&handles, message)
    })
    .await;
    let number = ("sip.phoneNumber".to_owned(), "+15550100".to_owned());
    for attributes in [BTreeMap::from([number]), BTreeMap::new()] {
        let told = json!(attributes);
        let alice = Participant {
            id: "alice".to_owned(),
            name: "Alice".to_owned(),
            attributes,
        };
        let _joined = sfu.join("lobby", alice).await.unwrap();
        let publisher = |body: &Value| body["ptype"] == "publisher";
        let joins = std::iter::from_fn(|| asked.try_recv().ok()).find(publisher);
        let joins = joins.unwrap();
        assert_eq!(
            (&joins["id"], &joins["display"]),
            (&json!("alice"), &json!("Alice"))
        );
        match told.as_object().unwrap().is_empty() {
            true => assert_eq!(joins["metadata"], Value::Null),
            false => assert_eq!(joins["metadata"], told),
        }
    }
}

/// The same, which is told that we are there this often, and not waited for much longer.
fn kept(sfu: &Janus, keep_alive: Duration) -> Janus {
    Janus::new(JanusConfig {
        keep_alive,
        patience: 5 * keep_alive,
        ..JanusConfig::clone(&sfu.config)
    })
}

#[tokio::test]
async fn a_session_that_nothing_happens_in_is_kept_alive() {
    let (tell, mut asked) = mpsc::unbounded_channel();
    let handles = AtomicU64::new(0);
    let sfu = scripted(move |_, message| {
        let _ = tell.send(message.clone());
        room(&handles, message)
    })
    .await;
    let pause = Duration::from_millis(300);
    let sfu = kept(&sfu, pause);
    let mut joined = sfu.join("lobby", Participant::default()).await.unwrap();
    // Longer than it may say nothing.
    for _ in 0..4 {
        let told = async {
            loop {
                let message: Value = asked.recv().await.unwrap();
                if message["janus"] == "keepalive" {
                    return message;
                }
            }
        };
        let told = tokio::time::timeout(10 * pause, told).await.unwrap();
        assert_eq!(told["session_id"], 77);
    }
    let mut told = std::iter::from_fn(|| joined.events.try_recv().ok());
    assert!(!told.any(|event| matches!(event, SfuEvent::Lost(_))));
}

#[tokio::test]
async fn a_janus_that_answers_no_more_is_lost() {
    let handles = AtomicU64::new(0);
    let sfu = scripted(move |_, message| match message["janus"].as_str() {
        Some("keepalive") => Turn::Say(Vec::new()),
        Some("claim") => Turn::HangUp,
        _ => room(&handles, message),
    })
    .await;
    let sfu = kept(&sfu, Duration::from_millis(100));
    let mut joined = sfu.join("lobby", Participant::default()).await.unwrap();
    let lost = loop {
        if let SfuEvent::Lost(why) = next(&mut joined.events).await {
            break why;
        }
    };
    assert_eq!(lost, "the SFU has been silent for 250ms");
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

#[tokio::test]
async fn a_janus_without_videoroom_has_no_rooms() {
    let sfu = pretender(|message| {
        let transaction = &message["transaction"];
        let answer = match message["janus"] == "attach" {
            true => json!({"janus": "error", "transaction": transaction,
                "error": {"code": 460, "reason": "No such plugin 'janus.plugin.videoroom'"}}),
            false => json!({"janus": "success", "transaction": transaction, "data": {"id": 7}}),
        };
        Some(answer.to_string())
    });
    let error = refusal(sfu.await).await;
    assert_eq!((error.sip_code(), error.label()), (501, "unsupported"));
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
