// SPDX-License-Identifier: MPL-2.0
//! What is no SIP in a WebSocket, no WebSocket, or too much.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

use super::*;

#[tokio::test]
async fn who_does_not_ask_for_sip_is_told_that_it_is_spoken_here() {
    let (agent, _calls) = ws_agent().await;
    for other in [None, Some("chat"), Some("sipx, SIP")] {
        let refused = Browser::asking(agent.local_addr(), other).await;
        let Some(Error::Http(response)) = refused.err() else {
            panic!("{other:?} was taken")
        };
        assert_eq!(response.status(), 400);
    }
    let among_others = Browser::asking(agent.local_addr(), Some("chat, sip")).await;
    assert!(among_others.is_ok());
}

#[tokio::test]
async fn what_is_no_websocket_is_closed() {
    let (agent, _calls) = ws_agent().await;
    for octets in [
        &b"OPTIONS sip:bob@sip.example SIP/2.0\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: sip.example\r\n\r\n",
        &[0xff; 4096],
    ] {
        let mut stream = TcpStream::connect(agent.local_addr()).await.unwrap();
        stream.write_all(octets).await.unwrap();
        let mut heard = Vec::new();
        // A reset is an end as well.
        let _ = timeout(SOON, stream.read_to_end(&mut heard))
            .await
            .expect("it is closed");
        assert!(!heard.starts_with(b"SIP"));
    }
}

#[tokio::test]
async fn pings_of_both_kinds_are_answered() {
    let (agent, _calls) = ws_agent().await;
    let mut browser = Browser::connect(agent.local_addr()).await;
    let ping = Message::Ping(b"are you there"[..].into());
    browser.says(ping).await;
    let pong = browser.hears().await.unwrap();
    assert_eq!(pong, Message::Pong(b"are you there"[..].into()));
    // SIP's own is for those that had an answer before.
    let options = browser.compose("OPTIONS", "ask", &["CSeq: 1 OPTIONS"], "");
    browser.says(options).await;
    assert_eq!(browser.response().await.status, 200);
    browser.says(Message::text("\r\n\r\n")).await;
    assert_eq!(browser.hears().await.unwrap(), Message::text("\r\n"));
}

#[tokio::test]
async fn rubbish_costs_nothing_but_itself() {
    let (agent, mut calls) = ws_agent().await;
    let mut browser = Browser::connect(agent.local_addr()).await;
    for rubbish in [
        Message::text(""),
        Message::text("hello"),
        Message::binary(vec![0xff; 10_000]),
        Message::text("INVITE sip:bob@sip.example SIP/2.0\r\n\r\n"),
    ] {
        browser.says(rubbish).await;
    }
    let options = browser.compose("OPTIONS", "ask", &["CSeq: 1 OPTIONS"], "");
    browser.says(options).await;
    while browser.response().await.status != 200 {}
    assert!(calls.try_recv().is_err());
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_connection() {
    let (agent, _calls) = ws_agent().await;
    let mut browser = Browser::connect(agent.local_addr()).await;
    // Its head says the length: it may be closed before all is said.
    browser.tries(Message::binary(vec![b'x'; 4 << 20])).await;
    while browser
        .hears()
        .await
        .is_some_and(|message| !message.is_close())
    {}
    let gone = async {
        while agent.stats().connections > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gone).await.expect("it is forgotten");
}
