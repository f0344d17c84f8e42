// SPDX-License-Identifier: MPL-2.0
//! An agent asks a name server on loopback and calls whom it names.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, CallEvent, IncomingCall, OutgoingCall, RegistrationConfig, Verdict,
};
use sip_ua::registrar;
use sip_ua::wire::{HeaderName, Message, Method, Request, read_datagram};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::name_server::NameServer;

const SOON: Duration = Duration::from_secs(10);
const DOMAIN: &str = "carrier.example";

async fn agent(names: &NameServer) -> (Agent, mpsc::Receiver<IncomingCall>) {
    let config = AgentConfig {
        screen: Arc::new(|_, _| Verdict::AllowUser("alice".to_owned())),
        nameservers: vec![names.addr()],
        registrar: Some(registrar::Config::default()),
        ..AgentConfig::default()
    };
    Agent::bind(config).await.unwrap()
}

/// The domain has two servers: one that swallows everything, and this one.
fn two_servers(names: &NameServer, alive: SocketAddr) -> UdpSocket {
    let dead = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = dead.local_addr().unwrap().port();
    names.naptr(DOMAIN, 10, "SIP+D2U", "_sip._udp.carrier.example");
    names.servers(DOMAIN, &[port, alive.port()]);
    dead
}

fn call() -> OutgoingCall {
    let to = format!("sip:bob@{DOMAIN}").parse().unwrap();
    let from = "sip:alice@example.org".parse().unwrap();
    OutgoingCall {
        offer: Some(b"v=0".to_vec()),
        ..OutgoingCall::new(to, from)
    }
}

async fn is_carried(alice: &Agent, calls: &mut mpsc::Receiver<IncomingCall>) {
    let mut ours = alice.dial(call());
    let theirs = timeout(SOON, calls.recv()).await.unwrap().unwrap();
    theirs.call.handle.accept(b"v=0 answer".to_vec());
    let event = timeout(SOON, ours.events.recv()).await.unwrap();
    assert!(
        matches!(event, Some(CallEvent::Answered { .. })),
        "{event:?}"
    );
    ours.handle.hangup(None);
}

#[tokio::test]
async fn the_second_server_takes_the_call_and_the_next_one_goes_straight_there() {
    let names = NameServer::start().unwrap();
    let (alice, _none) = agent(&names).await;
    let (bob, mut calls) = agent(&names).await;
    let dead = two_servers(&names, bob.local_addr());
    is_carried(&alice, &mut calls).await;
    is_carried(&alice, &mut calls).await;
    // What was found is remembered for as long as it may be.
    let asked = names.asked();
    assert_eq!(
        asked.iter().filter(|name| name.starts_with("_sip")).count(),
        1
    );
    let servers = alice.servers(&call().to);
    assert_eq!(servers.len(), 2);
    assert!(
        servers[0]
            .down
            .as_ref()
            .unwrap()
            .why
            .contains("does not answer")
    );
    assert_eq!(servers[1].hop.addr, bob.local_addr());
    assert_eq!(servers[1].down, None);
    // It got one INVITE, once.
    dead.set_nonblocking(true).unwrap();
    let mut packet = [0; 2048];
    let (length, _) = dead.recv_from(&mut packet).unwrap();
    assert!(packet[..length].starts_with(b"INVITE sip:bob@carrier.example SIP/2.0\r\n"));
    assert!(dead.recv_from(&mut packet).is_err());
}

#[tokio::test]
async fn the_second_server_registers() {
    let names = NameServer::start().unwrap();
    let (alice, _none) = agent(&names).await;
    let (bob, _calls) = agent(&names).await;
    let _dead = two_servers(&names, bob.local_addr());
    let registration = alice.register(RegistrationConfig {
        registrar: format!("sip:{DOMAIN}").parse().unwrap(),
        aor: format!("sip:alice@{DOMAIN}").parse().unwrap(),
        expires: Duration::from_secs(600),
        credentials: None,
        next_hop: None,
        route: Vec::new(),
    });
    let mut state = registration.watch();
    timeout(SOON, state.changed()).await.unwrap().unwrap();
    let hop = registration.registrar_hop().unwrap();
    assert_eq!(hop.addr, bob.local_addr(), "{:?}", registration.state());
}

#[tokio::test]
async fn a_host_with_a_port_is_itself_and_who_is_not_there_is_told() {
    let names = NameServer::start().unwrap();
    let (alice, _none) = agent(&names).await;
    names.address(DOMAIN, Ipv4Addr::LOCALHOST);
    let uri = format!("sip:bob@{DOMAIN}:5066").parse().unwrap();
    let found = alice.resolve(&uri).await.unwrap();
    assert_eq!(found[0].addr, SocketAddr::from(([127, 0, 0, 1], 5066)));
    assert_eq!(found.len(), 1);
    let nobody = "sip:nobody.example".parse().unwrap();
    let error = alice.resolve(&nobody).await.unwrap_err();
    assert_eq!(
        error,
        "the host nobody.example was not found: it has no address"
    );
}

#[tokio::test]
async fn names_of_this_machine_need_no_name_server() {
    let names = NameServer::start().unwrap();
    let (alice, _none) = agent(&names).await;
    let found = alice.resolve(&"sip:localhost".parse().unwrap()).await;
    assert!(found.unwrap().iter().all(|hop| hop.addr.ip().is_loopback()));
    assert!(names.asked().is_empty());
}

/// The next request to a server of the domain, and who sent it.
fn request(server: &UdpSocket) -> (Request, SocketAddr) {
    server.set_read_timeout(Some(SOON)).unwrap();
    let mut packet = [0; 4096];
    let (length, caller) = server.recv_from(&mut packet).unwrap();
    match read_datagram(&packet[..length]) {
        Ok(Message::Request(request)) => (request, caller),
        other => panic!("{other:?}"),
    }
}

/// Carries a call as a proxy of the domain that stays in its way, and then serves nobody.
fn carry_and_give_up(server: &UdpSocket) {
    loop {
        let (request, caller) = request(server);
        let mut answer = request.response(match request.method {
            Method::Invite => 200,
            Method::Ack => continue,
            _ => 503,
        });
        if request.method == Method::Invite {
            let to = request.headers.get(HeaderName::To).unwrap();
            let headers = &mut answer.headers;
            headers.set(HeaderName::To, [to, b";tag=bob"].concat());
            headers.push(HeaderName::RecordRoute, format!("<sip:{DOMAIN};lr>"));
            headers.push(HeaderName::Contact, "<sip:bob@198.51.100.9>");
            headers.push(HeaderName::ContentType, "application/sdp");
            answer.body = b"v=0 answer".to_vec();
        }
        server.send_to(&answer.to_bytes(), caller).unwrap();
        if answer.status == 503 {
            return;
        }
    }
}

#[tokio::test]
async fn the_second_server_takes_what_the_first_refuses_within_a_call() {
    let names = NameServer::start().unwrap();
    let (alice, _none) = agent(&names).await;
    let second = UdpSocket::bind("127.0.0.1:0").unwrap();
    let first = two_servers(&names, second.local_addr().unwrap());
    let mut ours = alice.dial(call());
    let bye = tokio::task::spawn_blocking(move || {
        carry_and_give_up(&first);
        let (bye, caller) = request(&second);
        let ok = bye.response(200).to_bytes();
        second.send_to(&ok, caller).unwrap();
        bye
    });
    let event = timeout(SOON, ours.events.recv()).await.unwrap();
    assert!(matches!(event, Some(CallEvent::Answered { .. })));
    ours.handle.hangup(None);
    let bye = timeout(SOON, bye).await.unwrap().unwrap();
    assert_eq!(bye.method, Method::Bye);
    // Nobody else is sent there first.
    let down = async {
        while alice.servers(&call().to)[0].down.is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, down).await.unwrap();
}
