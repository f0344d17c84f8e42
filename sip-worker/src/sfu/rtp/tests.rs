// SPDX-License-Identifier: MPL-2.0
//! Against a server that answers whatever a test has it answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{CallOut, Rtp, RtpConfig, Way};
use crate::plain::Description;
use crate::sfu::{Data, Participant, Sfu, SfuError, SfuEvent};

const TOKEN: &str = "open-sesame-4711";
const SOON: Duration = Duration::from_secs(5);

/// What it was asked, in order.
type Asked = mpsc::UnboundedReceiver<Value>;

/// Answers each request with what `answer` makes of it; with nothing at all where that is nothing.
async fn server(answer: impl Fn(&Value) -> Option<String> + Send + Sync + 'static) -> (Rtp, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/rtp", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::unbounded_channel();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, tell.clone(), answer.clone()));
        }
    });
    let callout = CallOut {
        url: url.parse().unwrap(),
        token: Some(TOKEN.to_owned().into()),
        tls: sip_ua::agent::Tls::default(),
        patience: Duration::from_millis(300),
    };
    (
        Rtp::new(RtpConfig::new("main", Way::CallOut(callout))),
        asked,
    )
}

async fn serve(
    stream: TcpStream,
    tell: mpsc::UnboundedSender<Value>,
    answer: Arc<impl Fn(&Value) -> Option<String>>,
) {
    let mut stream = BufReader::new(stream);
    let (mut length, mut entrusted) = (0, false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        entrusted |= line.trim() == format!("authorization: bearer {TOKEN}");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    assert!(entrusted, "no token");
    let request: Value = serde_json::from_slice(&body).unwrap();
    let answered = answer(&request);
    let _ = tell.send(request);
    match answered {
        Some(text) => drop(stream.write_all(text.as_bytes()).await),
        // Until the other side has enough of it.
        None => drop(stream.read(&mut [0]).await),
    }
}

fn http(status: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

fn ann() -> Participant {
    Participant {
        id: "ann".to_owned(),
        name: "Ann".to_owned(),
        ..Participant::default()
    }
}

async fn next(asked: &mut Asked) -> Value {
    let next = tokio::time::timeout(SOON, asked.recv()).await;
    next.expect("nothing more is asked").unwrap()
}

#[tokio::test]
async fn each_answer_to_join_has_its_meaning() {
    let no = format!("{{\"error\":\"no, {TOKEN}\"}}");
    for (answer, code, label) in [
        (http("401 Unauthorized", &no), 403, "forbidden"),
        (http("403 Forbidden", &no), 403, "forbidden"),
        (http("404 Not Found", &no), 404, "no_such_room"),
        (http("409 Conflict", &no), 486, "taken"),
        (http("429 Too Many Requests", &no), 486, "full"),
        (http("500 Internal Server Error", &no), 503, "refused"),
        (http("302 Found", &no), 503, "refused"),
        (http("200 OK", "welcome"), 503, "nonsense"),
        (http("200 OK", "[1]"), 503, "nonsense"),
        (
            Some("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
            503,
            "nonsense",
        ),
        (Some(String::new()), 503, "unreachable"),
        (None, 503, "timeout"),
    ] {
        let said = answer.clone();
        let (sfu, mut asked) = server(move |request| match request["action"] == "join" {
            true => said.clone(),
            false => http("200 OK", "{}"),
        })
        .await;
        let refused = sfu.join("lobby", ann()).await.map(drop).unwrap_err();
        let told = (refused.sip_code(), refused.label());
        assert_eq!(told, (code, label), "{answer:?}: {refused}");
        assert!(!refused.to_string().contains(TOKEN), "{refused}");
        assert_eq!(next(&mut asked).await["action"], "join");
        if label == "timeout" || label == "nonsense" {
            // As far as it knows, we may be there.
            assert_eq!(next(&mut asked).await["action"], "leave");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (mut sfu, _) = server(|_| None).await;
    if let Way::CallOut(callout) = &mut sfu.config.way {
        callout.url = format!("http://{address}/rtp?key=canary").parse().unwrap();
    }
    let sfu = Rtp::new(sfu.config);
    let refused = sfu.join("lobby", ann()).await.map(drop).unwrap_err();
    assert_eq!((refused.sip_code(), refused.label()), (503, "unreachable"));
    assert!(refused.to_string().contains(&address.to_string()));
    assert!(!refused.to_string().contains("canary"), "{refused}");
    assert!(sfu.check().await.is_err());
}

#[tokio::test]
async fn who_gives_up_or_is_dropped_leaves() {
    let (sfu, mut asked) = server(|_| http("200 OK", "{}")).await;
    {
        let mut join = sfu.join("lobby", ann());
        // Far enough to have been asked for, and no further.
        tokio::select! {
            biased;
            _ = &mut join => panic!("it is let in at once"),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(next(&mut asked).await["participant"]["name"], "Ann");
    assert_eq!(next(&mut asked).await["action"], "leave");
    drop(sfu.join("lobby", ann()).await.unwrap());
    assert_eq!(next(&mut asked).await["action"], "join");
    let left = next(&mut asked).await;
    assert_eq!(
        (&left["action"], &left["participant"]),
        (&json!("leave"), &json!("ann"))
    );
}

#[tokio::test]
async fn leaving_goes_on_if_nobody_waits_for_it() {
    let (sfu, mut asked) = server(|_| http("200 OK", "{}")).await;
    let session = sfu.join("lobby", ann()).await.unwrap().session;
    drop(session.leave());
    assert_eq!(next(&mut asked).await["action"], "join");
    assert_eq!(next(&mut asked).await["action"], "leave");
    // Once is enough.
    session.leave().await;
    drop(session);
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn attributes_come_with_the_name_at_joining_and_then_no_more() {
    let (sfu, mut asked) = server(|_| http("200 OK", "{}")).await;
    let number = ("sip.phoneNumber".to_owned(), "+15550100".to_owned());
    let caller = Participant {
        attributes: BTreeMap::from([number]),
        ..ann()
    };
    let session = sfu.join("lobby", caller).await.unwrap().session;
    let whole = json!({"id": "ann", "name": "Ann", "attributes": {"sip.phoneNumber": "+15550100"}});
    assert_eq!(next(&mut asked).await["participant"], whole);
    session.leave().await;
    assert_eq!(next(&mut asked).await["participant"], "ann");
}

#[tokio::test]
async fn who_talks_is_told() {
    let news = [
        json!({"participants": [{"id": "ben", "name": "Ben", "tracks": ["ben/audio"]}]}),
        json!({"talking": {"track": "ben/audio", "talking": true}}),
        json!({"talking": {"track": "ben/audio", "talking": false}}),
    ];
    let lines: String = news.iter().map(|line| format!("{line}\n")).collect();
    let told = format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{lines}");
    let (sfu, _asked) = server(move |_| Some(told.clone())).await;
    let mut joined = sfu.join("lobby", ann()).await.unwrap();
    let mut talks = Vec::new();
    while let Some(event) = joined.events.recv().await {
        if let SfuEvent::Talking { track, talking } = event {
            talks.push((track.0, talking));
        }
    }
    let bens = |talking| ("ben/audio".to_owned(), talking);
    assert_eq!(talks, [bens(true), bens(false)]);
}

#[tokio::test]
async fn keys_are_told_and_a_server_may_have_no_use_for_more() {
    let (sfu, mut asked) = server(|request| match request["action"] == "attributes" {
        true => http("501 Not Implemented", "{}"),
        false => http("200 OK", "{}"),
    })
    .await;
    let session = sfu.join("lobby", ann()).await.unwrap().session;
    session.send(&Data::key('5', Some(160))).await.unwrap();
    let status = BTreeMap::from([("sip.callStatus".to_owned(), "active".to_owned())]);
    let refused = session.change_attributes(&status).await;
    assert!(
        matches!(refused, Err(SfuError::Unsupported { .. })),
        "{refused:?}"
    );
    next(&mut asked).await;
    let key = next(&mut asked).await;
    assert_eq!(key["participant"], "ann");
    assert_eq!(key["data"], json!({"digit": "5", "ms": 160}));
    let status = next(&mut asked).await;
    assert_eq!(status["attributes"], json!({"sip.callStatus": "active"}));
}

#[tokio::test]
async fn what_is_agreed_on_makes_sense_or_is_refused() {
    let ours = Description {
        address: "192.0.2.1".parse().unwrap(),
        port: 40_000,
        rtcp_port: Some(40_001),
        ssrc: Some(5),
        ..Description::of(111)
    };
    for (media, wanted) in [
        (
            json!({"address": "192.0.2.7", "port": 5004, "ssrc": 1000}),
            Ok((5_004, 111, Some(1_000))),
        ),
        (
            json!({"address": "192.0.2.7", "port": 5004, "payload_type": 96}),
            Ok((5_004, 96, Some(5))),
        ),
        (json!({"codec": "PCMU/8000"}), Err("its codec is not opus")),
        (
            json!({"payload_type": 72}),
            Err("72 is no usable payload type"),
        ),
        (json!({"port": 70_000}), Err("is no such thing")),
        (json!({"address": "here"}), Err("is no such thing")),
        (json!({"port": "canary"}), Err("is no such thing")),
        (json!({"codec": "canary"}), Err("is not opus")),
        (
            json!({"srtp": {"suite": "AES"}}),
            Err("missing field `key`"),
        ),
        (
            json!({"srtp": {"suite": "canary", "key": "AAAA"}}),
            Err("no SRTP suite"),
        ),
        (
            json!({"srtp": {"suite": "AEAD_AES_128_GCM", "key": "AAAA"}}),
            Err("a key of another length"),
        ),
        (
            json!({"srtp": {"suite": "AES", "key": "AAAA"}}),
            Err("no SRTP suite"),
        ),
    ] {
        let said = json!({ "media": media }).to_string();
        let (sfu, mut asked) = server(move |request| match request["action"] == "publish" {
            true => http("200 OK", &said),
            false => http("200 OK", "{}"),
        })
        .await;
        let session = sfu.join("lobby", ann()).await.unwrap().session;
        let published = session.publish(&ours.write()).await;
        match (published, wanted) {
            (Ok(published), Ok(wanted)) => {
                let read = Description::read(&published.answer).unwrap();
                assert_eq!((read.port, read.payload_type, read.ssrc), wanted);
            }
            (Err(error @ SfuError::Nonsense { .. }), Err(wanted)) => {
                let error = error.to_string();
                assert!(error.contains(wanted), "{error}");
                // It is logged, and may be a key in the wrong place.
                assert!(!error.contains("canary"), "{error}");
            }
            (other, _) => panic!("{media}: {other:?}"),
        }
        next(&mut asked).await;
        let request = next(&mut asked).await;
        assert_eq!(request["media"]["port"], 40_000);
        assert_eq!(request["media"]["rtcp_port"], 40_001);
    }
}
