// SPDX-License-Identifier: MPL-2.0

use sip_ua::agent::EndCause;
use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn a_refused_connection_ends_the_call_at_once_with_a_sentence() {
    let (alice, _none) = tcp_agent().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = gone.local_addr().unwrap();
    drop(gone);
    let mut call = alice.dial(to(addr));
    let CallEvent::Ended(end) = next(&mut call).await else {
        panic!("no end")
    };
    assert_eq!((end.cause, end.status), (EndCause::Unreachable, Some(503)));
    let start = format!("tcp:{addr} cannot be reached: ");
    assert!(end.reason.starts_with(&start), "{end}");
    assert!(end.reason.contains("refused"), "{end}");
    assert_eq!(alice.stats().connections, 0);
}

#[tokio::test]
async fn without_a_tcp_listener_there_is_no_call_over_tcp() {
    let (alice, _none) = agent(vec![listen(Transport::Udp, "127.0.0.1:0")]).await;
    let mut call = alice.dial(to("127.0.0.1:9".parse().unwrap()));
    let CallEvent::Ended(end) = next(&mut call).await else {
        panic!("no end")
    };
    assert_eq!(end.cause, EndCause::Unreachable);
    assert_eq!(end.reason, "no listener of ours can reach tcp:127.0.0.1:9");
}
