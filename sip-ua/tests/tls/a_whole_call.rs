// SPDX-License-Identifier: MPL-2.0

use sip_ua::agent::{AgentStats, EndCause, EndedBy};

use super::*;

fn header(call: &IncomingCall, name: &str) -> String {
    String::from_utf8(call.request.headers.get(name).unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn both_sides_speak_over_the_connection_of_the_caller() {
    let authority = Authority::new();
    let (bob, mut calls) = bob(load(authority.signs("bob.example"))).await;
    let alice = alice(authority.believer()).await;
    let call = to("bob.example", bob.local_addr());
    let (mut ours, mut theirs) = up(&alice, call, &mut calls).await;
    assert_eq!(theirs.transport, Transport::Tls);
    assert!(header(&theirs, "Via").starts_with("SIP/2.0/TLS "));
    let contact = header(&theirs, "Contact");
    assert!(contact.ends_with(";transport=tls>"), "{contact}");
    // A second call, and requests of the callee, take the connection that is there.
    let second = to("bob.example", bob.local_addr());
    let (_second, _theirs) = up(&alice, second, &mut calls).await;
    theirs.call.handle.reoffer(b"v=0 again".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Reoffer { .. }));
    ours.handle.answer_reoffer(Ok(b"v=0 fine".to_vec()));
    assert!(matches!(
        next(&mut theirs.call).await,
        CallEvent::ReofferAnswered { .. }
    ));
    assert_eq!((alice.stats().connections, bob.stats().connections), (1, 1));
    theirs.call.handle.hangup(None);
    let end = end(&mut ours).await;
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::HungUp));
    alice.close(SECOND).await;
    bob.close(SECOND).await;
    assert_eq!(alice.stats(), AgentStats::default());
    assert_eq!(bob.stats(), AgentStats::default());
}

#[tokio::test]
async fn whoever_was_called_calls_back() {
    let authority = Authority::new();
    let other = Authority::new();
    let with = |mut files: sip_ua::agent::TlsFiles, authority: &Authority| {
        files.ca_file = Some(authority.ca());
        load(files)
    };
    let (bob, mut at_bob) = bob(with(authority.signs("bob.example"), &other)).await;
    let (alice, mut at_alice) = agent(
        Transport::Tls,
        with(other.signs("alice.example"), &authority),
    )
    .await;
    let call = to("bob.example", bob.local_addr());
    let (_ours, _theirs) = up(&alice, call, &mut at_bob).await;
    let call = to("alice.example", alice.local_addr());
    let (_back, _theirs) = up(&bob, call, &mut at_alice).await;
    // Whoever connected to us has proved nothing by that: there are two connections.
    assert_eq!((alice.stats().connections, bob.stats().connections), (2, 2));
}

#[tokio::test]
async fn a_sips_uri_is_answered_with_a_sips_contact() {
    let authority = Authority::new();
    let (bob, mut calls) = bob(load(authority.signs("bob.example"))).await;
    let alice = alice(authority.believer()).await;
    let call = OutgoingCall {
        to: "sips:bob@bob.example".parse().unwrap(),
        ..to("bob.example", bob.local_addr())
    };
    let (mut ours, mut theirs) = up(&alice, call, &mut calls).await;
    assert!(header(&theirs, "Contact").starts_with("<sips:"));
    let steps = ours.handle.ladder();
    let answer = steps.iter().map(|step| step.message.as_str());
    let answer = answer.clone().find(|text| text.starts_with("SIP/2.0 200"));
    assert!(answer.unwrap().contains("Contact: <sips:"), "{answer:?}");
    theirs.call.handle.hangup(None);
    assert_eq!(end(&mut ours).await.cause, EndCause::HungUp);
    assert_eq!(end(&mut theirs.call).await.cause, EndCause::HungUp);
}

#[tokio::test]
async fn an_address_is_believed_where_the_certificate_has_it() {
    let authority = Authority::new();
    let (bob, mut calls) = bob(load(authority.signs("127.0.0.1"))).await;
    let alice = alice(authority.believer()).await;
    let uri = format!("sips:bob@{}", bob.local_addr());
    let call = OutgoingCall {
        to: uri.parse().unwrap(),
        next_hops: Vec::new(),
        ..to("unused.example", bob.local_addr())
    };
    up(&alice, call, &mut calls).await;
}

#[tokio::test]
async fn a_sips_uri_never_goes_over_anything_else() {
    let alice = alice(Tls::default()).await;
    let call = OutgoingCall {
        to: "sips:bob@bob.example".parse().unwrap(),
        next_hops: vec!["127.0.0.1:9".parse::<SocketAddr>().unwrap().into()],
        ..to("bob.example", "127.0.0.1:9".parse().unwrap())
    };
    let end = end(&mut alice.dial(call)).await;
    assert_eq!(end.cause, EndCause::Invalid);
    assert_eq!(
        end.reason,
        "sips:bob@bob.example may be called over TLS only"
    );
}
