// SPDX-License-Identifier: MPL-2.0

use super::*;

#[tokio::test]
async fn for_connections_to_come_and_the_others_stay() {
    let authority = Authority::new();
    let tls = load(authority.signs("old.example"));
    let (bob, mut calls) = bob(tls.clone()).await;
    let alice = alice(authority.believer()).await;
    let addr = bob.local_addr();
    let (mut ours, theirs) = up(&alice, to("old.example", addr), &mut calls).await;
    let early = end(&mut alice.dial(to("new.example", addr))).await;
    assert!(early.reason.ends_with("of old.example, not of new.example"));

    authority.signs("new.example");
    tls.reload().unwrap();
    up(&alice, to("new.example", addr), &mut calls).await;

    // The call that was up never noticed.
    theirs.call.handle.reoffer(b"v=0 again".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Reoffer { .. }));
}

#[tokio::test]
async fn and_one_that_cannot_be_used_changes_nothing() {
    let authority = Authority::new();
    let tls = load(authority.signs("bob.example"));
    let (bob, mut calls) = bob(tls.clone()).await;
    let alice = alice(authority.believer()).await;
    std::fs::write(authority.cert(), "half a certif").unwrap();
    let error = tls.reload().unwrap_err();
    assert_eq!(error.file(), Some(authority.cert().as_path()));
    up(&alice, to("bob.example", bob.local_addr()), &mut calls).await;
}
