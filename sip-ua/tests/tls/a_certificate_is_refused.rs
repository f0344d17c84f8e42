// SPDX-License-Identifier: MPL-2.0
//! A call to whoever cannot prove to be the one that was meant ends with a sentence that says why.

use sip_ua::agent::{EndCause, TlsFiles};

use super::*;

/// What a call to bob.example is told where somebody shows this.
async fn refused(believes: Tls, shows: TlsFiles) -> String {
    let (bob, mut calls) = bob(load(shows)).await;
    let alice = alice(believes).await;
    let end = end(&mut alice.dial(to("bob.example", bob.local_addr()))).await;
    assert_eq!(end.cause, EndCause::Unreachable);
    assert!(calls.try_recv().is_err(), "nothing was told to them");
    until(&alice, |stats| stats.connections == 0).await;
    until(&bob, |stats| stats.connections == 0).await;
    let said = format!("tls:{} cannot be reached: ", bob.local_addr());
    end.reason
        .strip_prefix(&said)
        .expect(&end.reason)
        .to_owned()
}

#[tokio::test]
async fn it_is_somebody_elses() {
    let authority = Authority::new();
    let why = refused(authority.believer(), authority.signs("eve.example")).await;
    assert_eq!(
        why,
        "its certificate is that of eve.example, not of bob.example"
    );
}

#[tokio::test]
async fn it_has_expired() {
    let authority = Authority::new();
    let shows = authority.signs_until("bob.example", 2020);
    let why = refused(authority.believer(), shows).await;
    assert_eq!(why, "its certificate expired on 2020-01-01");
}

const NOT_BELIEVED: &str = "its certificate is signed by itself, or by an authority that is not \
                            believed here (ca_file names more)";

#[tokio::test]
async fn nobody_else_vouches_for_it() {
    let authority = Authority::new();
    let shows = authority.signs_nothing("bob.example");
    assert_eq!(refused(authority.believer(), shows).await, NOT_BELIEVED);
}

#[tokio::test]
async fn its_authority_is_not_known() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let why = refused(known.believer(), unknown.signs("bob.example")).await;
    assert_eq!(why, NOT_BELIEVED);
}

#[tokio::test]
async fn there_is_none_for_they_do_not_speak_tls() {
    let authority = Authority::new();
    let (bob, _calls) = agent(Transport::Tcp, Tls::default()).await;
    let alice = alice(authority.believer()).await;
    // An agent does not answer what it cannot read; whoever does says something like this.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut call = alice.dial(to("bob.example", listener.local_addr().unwrap()));
    let (stream, _) = listener.accept().await.unwrap();
    stream.writable().await.unwrap();
    stream
        .try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .unwrap();
    let end = end(&mut call).await;
    assert!(
        end.reason.ends_with(": it does not speak TLS"),
        "{}",
        end.reason
    );
    bob.close(SECOND).await;
}
