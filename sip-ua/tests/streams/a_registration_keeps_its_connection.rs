// SPDX-License-Identifier: MPL-2.0
//! RFC 5626: calls come in over the connection that was registered over, for as long as it lives.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::far_end::FarEnd;
use super::registering::{registering, registrar, until_registered};
use super::*;

fn over_tcp() -> Vec<Listen> {
    vec![listen(Transport::Tcp, "127.0.0.1:0")]
}

#[tokio::test]
async fn a_call_comes_in_over_it_and_a_call_goes_out_over_it() {
    let (alice, mut hers) = agent(over_tcp()).await;
    let (bob, mut his) = registrar(over_tcp()).await;
    let at = format!("sip:{};transport=tcp", bob.local_addr());
    let registration = registering(&alice, at, Vec::new());
    until_registered(&registration).await;
    assert_eq!(alice.stats().connections, 1);
    let binding = bob.bindings("alice").remove(0);
    // Her end of the connection, and not where she listens.
    assert_ne!(binding.hop.addr, alice.local_addr());
    let mut ours = bob.dial(OutgoingCall {
        next_hops: vec![binding.hop],
        offer: Some(b"v=0 offer".to_vec()),
        ..OutgoingCall::new(binding.contact, "sip:bob@example.org".parse().unwrap())
    });
    let theirs = taken(&mut hers).await;
    theirs.call.handle.accept(b"v=0 answer".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Answered { .. }));
    let mut ours = alice.dial(to(bob.local_addr()));
    let theirs = taken(&mut his).await;
    let contact = theirs.request.headers.get("Contact").unwrap();
    assert!(String::from_utf8_lossy(contact).contains(";ob"));
    theirs.call.handle.accept(b"v=0 answer".to_vec());
    assert!(matches!(next(&mut ours).await, CallEvent::Answered { .. }));
    assert_eq!(alice.stats().connections, 1);
    assert_eq!(bob.stats().connections, 1);
}

#[tokio::test]
async fn a_binding_ends_with_its_connection() {
    let (bob, _calls) = registrar(over_tcp()).await;
    let mut bindings = bob.watch_bindings();
    let at = bob.local_addr();
    let mut phone = FarEnd::connect(at).await;
    let contact = format!(
        "Contact: <sip:alice@{};transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"",
        phone.addr()
    );
    let more = [
        "CSeq: 1 REGISTER",
        "To: <sip:alice@example.org>",
        "Supported: path, outbound",
        &contact,
    ];
    let register = phone.compose("REGISTER", at, "in", &more, "");
    // One Contact is enough.
    let register: String = register
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Contact: <sip:carol"))
        .collect();
    phone.write(register).await;
    let answer = phone.response().await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers.lists("Require", "outbound"));
    assert_eq!(bob.bindings("alice").len(), 1);
    phone.finish().await;
    let gone = bindings.wait_for(|bindings| bindings.is_empty());
    timeout(SOON, gone).await.expect("in time").unwrap();
}

#[tokio::test]
async fn it_is_kept_alive_as_often_as_the_registrar_wants() {
    let (alice, _none) = agent(over_tcp()).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let registrar = format!("sip:{at};transport=tcp");
    let registration = registering(&alice, registrar, Vec::new());
    let mut far = FarEnd::accept(&listener).await;
    let register = far.request().await;
    let mut ok = register.response(200);
    ok.headers.push("Expires", "600");
    ok.headers.push("Require", "outbound");
    ok.headers.push("Flow-Timer", "5");
    far.write(ok.to_bytes()).await;
    until_registered(&registration).await;
    assert_eq!(far.octets().await, b"\r\n\r\n");
    far.write("\r\n").await;
    assert_eq!(far.octets().await, b"\r\n\r\n");
}
