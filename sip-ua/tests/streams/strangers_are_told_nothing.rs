// SPDX-License-Identifier: MPL-2.0

use super::far_end::FarEnd;
use super::*;

/// Not one octet comes back, not even for a keep-alive; when the far end is done the connection is
/// closed.
#[tokio::test]
async fn neither_an_answer_nor_a_pong() {
    let config = AgentConfig {
        listen: vec![listen(Transport::Tcp, "127.0.0.1:0")],
        screen: Arc::new(|_, _| Verdict::Silent),
        ..AgentConfig::default()
    };
    let (bob, _calls) = Agent::bind(config).await.unwrap();
    let mut mallory = FarEnd::connect(bob.local_addr()).await;
    let invite = mallory.compose("INVITE", bob.local_addr(), "a", &["CSeq: 1 INVITE"], "");
    let broken = invite.replace("CSeq: 1 INVITE", "CSeq: 2 BYE");
    mallory.write("\r\n\r\n").await;
    mallory.write(invite).await;
    mallory.write(broken).await;
    mallory.write("\r\n\r\nWHO ARE YOU\r\n\r\n\r\n\r\n").await;
    until(&bob, |stats| stats.silenced == 2 && stats.garbage == 2).await;
    mallory.finish().await;
    assert_eq!(mallory.octets().await, b"");
    until(&bob, |stats| stats.connections == 0).await;
}
