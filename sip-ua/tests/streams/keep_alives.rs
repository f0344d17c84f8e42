// SPDX-License-Identifier: MPL-2.0

use super::far_end::FarEnd;
use super::*;

#[tokio::test]
async fn a_known_far_end_gets_its_pong() {
    let (bob, _calls) = tcp_agent().await;
    let at = bob.local_addr();
    let mut carol = FarEnd::connect(at).await;
    let options = carol.compose("OPTIONS", at, "ask", &["CSeq: 1 OPTIONS"], "");
    carol.write(&options).await;
    assert_eq!(carol.response().await.status, 200);
    for _ in 0..3 {
        carol.write("\r\n\r\n").await;
        assert_eq!(carol.octets().await, b"\r\n");
    }
    carol.write(&options).await;
    assert_eq!(carol.response().await.status, 200);
}
