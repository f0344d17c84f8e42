// SPDX-License-Identifier: MPL-2.0
//! A listener may want certificates of those who connect.

use sip_ua::agent::{EndCause, TlsFiles};

use super::*;

/// Bob, who wants certificates of clients, and the authority that signs them.
async fn strict() -> (Agent, mpsc::Receiver<IncomingCall>, Authority, Authority) {
    let (of_servers, of_clients) = (Authority::new(), Authority::new());
    let files = TlsFiles {
        client_ca_file: Some(of_clients.ca()),
        ..of_servers.signs("bob.example")
    };
    let (bob, calls) = bob(load(files)).await;
    (bob, calls, of_servers, of_clients)
}

#[tokio::test]
async fn with_one_that_its_authority_signed_they_may_call() {
    let (bob, mut calls, of_servers, of_clients) = strict().await;
    let alice = alice(load(TlsFiles {
        ca_file: Some(of_servers.ca()),
        ..of_clients.signs("alice.example")
    }))
    .await;
    up(&alice, to("bob.example", bob.local_addr()), &mut calls).await;
}

async fn refused(alice: Agent, bob: Agent, mut calls: mpsc::Receiver<IncomingCall>) -> String {
    let end = end(&mut alice.dial(to("bob.example", bob.local_addr()))).await;
    assert_eq!(end.cause, EndCause::Unreachable);
    assert!(calls.try_recv().is_err());
    end.reason
}

#[tokio::test]
async fn without_one_they_are_told_so() {
    let (bob, calls, of_servers, _) = strict().await;
    let alice = alice(of_servers.believer()).await;
    let why = refused(alice, bob, calls).await;
    let said = ": it wants a certificate of this side, which shows none";
    assert!(why.ends_with(said), "{why}");
}

#[tokio::test]
async fn with_one_of_another_authority_they_are_told_so() {
    let (bob, calls, of_servers, _) = strict().await;
    let stranger = Authority::new();
    let alice = alice(load(TlsFiles {
        ca_file: Some(of_servers.ca()),
        ..stranger.signs("alice.example")
    }))
    .await;
    let why = refused(alice, bob, calls).await;
    let said = ": it does not believe the certificate of this side (UnknownCA)";
    assert!(why.ends_with(said), "{why}");
}
