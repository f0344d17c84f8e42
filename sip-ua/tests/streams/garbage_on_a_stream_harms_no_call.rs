// SPDX-License-Identifier: MPL-2.0

use sip_ua::wire::Method;

use super::far_end::FarEnd;
use super::*;

const CSEQ: &str = "CSeq: 1 INVITE";

/// Carol's call is taken and confirmed. Returns it and the To of requests within it.
async fn up(
    carol: &mut FarEnd,
    at: SocketAddr,
    invite: &str,
    calls: &mut mpsc::Receiver<IncomingCall>,
) -> (IncomingCall, String) {
    carol.write(invite).await;
    let mut theirs = taken(calls).await;
    theirs.call.handle.accept(b"v=0 offer".to_vec());
    let answer = carol.response().await;
    let tagged = String::from_utf8(answer.headers.get("To").unwrap().to_vec()).unwrap();
    let within = format!("To: {tagged}");
    let ack = carol.compose("ACK", at, "call", &["CSeq: 1 ACK", &within], "");
    carol.write(ack).await;
    assert!(matches!(
        next(&mut theirs.call).await,
        CallEvent::Confirmed { .. }
    ));
    (theirs, within)
}

/// A bad message whose end is known gets its 400, and the stream and the call on it stay up.
#[tokio::test]
async fn what_can_be_skipped_is_answered_and_skipped() {
    let (bob, mut calls) = tcp_agent().await;
    let at = bob.local_addr();
    let mut carol = FarEnd::connect(at).await;
    let invite = carol.compose("INVITE", at, "call", &[CSEQ], "");
    let (mut theirs, within) = up(&mut carol, at, &invite, &mut calls).await;

    let options = carol.compose("OPTIONS", at, "bad", &["CSeq: 1 OPTIONS"], "");
    let bad = [
        (options.replace("Call-ID: bad\r\n", ""), 400),
        (options.replace("CSeq: 1 ", "CSeq: x "), 400),
        (options.replace("OPTIONS sip", "OPTIONS  sip"), 400),
        (options.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        (
            options.replace("Content-Length: 0", "Content-Length: 0\r\nl: 0"),
            400,
        ),
        (
            options.replace("Content-Length: 0", "Content-Length: 99999")
                + &"\r\n".repeat(49_999)
                + "x",
            513,
        ),
        (
            options.replace(
                "Max-Forwards",
                &format!("Subject: {}\r\nMax-Forwards", "s".repeat(40_000)),
            ),
            513,
        ),
    ];
    for (message, status) in bad {
        carol.write(&message).await;
        assert_eq!(carol.response().await.status, status, "{message:.300}");
        // Nonsense that nobody can be answered for.
        carol.write("GET / HTTP/1.1\r\nHost: sip\r\n\r\n\r\n").await;
        carol.write(&options).await;
        assert_eq!(carol.response().await.status, 200);
    }

    let bye = carol.compose("BYE", at, "call", &["CSeq: 2 BYE", &within], "");
    for octet in bye.as_bytes() {
        carol.write([*octet]).await;
    }
    assert_eq!(carol.response().await.status, 200);
    assert!(matches!(next(&mut theirs.call).await, CallEvent::Ended(_)));
}

/// Where nobody can tell where a message ends, its sender gets a 400 and has to connect again; its
/// call goes on there.
#[tokio::test]
async fn what_has_no_end_costs_the_connection_and_not_the_call() {
    let (bob, mut calls) = tcp_agent().await;
    let at = bob.local_addr();
    let mut carol = FarEnd::connect(at).await;
    let home = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let contact = format!("<sip:carol@{};transport=tcp>", home.local_addr().unwrap());
    let own = format!("<sip:carol@{};transport=tcp>", carol.addr());
    let invite = carol
        .compose("INVITE", at, "call", &[CSEQ], "")
        .replace(&own, &contact);
    let (theirs, _) = up(&mut carol, at, &invite, &mut calls).await;

    let endless = carol
        .compose("OPTIONS", at, "bad", &["CSeq: 1 OPTIONS"], "")
        .replace("Content-Length: 0", "Content-Length: none");
    carol.write(endless).await;
    assert_eq!(carol.response().await.status, 400);
    assert_eq!(carol.octets().await, b"");

    // What the callee has to say takes a new connection.
    theirs.call.handle.hangup(None);
    let mut again = FarEnd::accept(&home).await;
    let bye = again.request().await;
    assert_eq!(bye.method, Method::Bye);
    again.answer(&bye, 200, "").await;
    until(&bob, |stats| stats.calls == 0).await;
}
