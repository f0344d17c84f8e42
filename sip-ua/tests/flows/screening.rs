// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.13 and §2.14: a call is not let through, be it for who calls or for whom they call, once it
//! is known who that is.

use std::sync::Arc;

use sip_ua::agent::{AgentConfig, EndCause, EndedBy, OutgoingCall, Verdict};
use sip_ua::digest::Credentials;

use crate::ours::{Ours, Peer, ended, to};

pub async fn sipp_lets_us_not_through() {
    let ours = Ours::new().await;
    let sipp = Peer::waits(
        "< INVITE m=audio
         > 407 | Proxy-Authenticate: Digest realm=\"there\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"
         < ACK
         < INVITE Proxy-Authorization:.Digest.*username=.alice
         > 403 | Error-Info: <sip:announcement@example.org>
         < ACK",
    );
    let mut call = ours.agent.dial(OutgoingCall {
        credentials: Some(Credentials::new("alice", "secret")),
        ..to(&sipp)
    });
    let end = ended(&mut call).await;
    assert_eq!((end.by, end.status), (EndedBy::Remote, Some(403)));
    assert_eq!(end.cause, EndCause::Unauthorized);
    ours.finish([sipp]).await;
}

pub async fn we_let_sipp_not_through() {
    let mut ours = Ours::with(AgentConfig {
        screen: Arc::new(|_, _| Verdict::Refuse(403)),
        ..AgentConfig::default()
    })
    .await;
    let sipp = ours.called_by(
        "> INVITE sdp
         < 403
         > ACK",
    );
    sipp.was_content().await;
    ours.nobody_calls();
    ours.finish([]).await;
}
