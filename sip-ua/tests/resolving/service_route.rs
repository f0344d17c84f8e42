// SPDX-License-Identifier: MPL-2.0
//! A registrar names the proxies that the calls of whom it has registered are to pass (RFC 3608).

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, OutgoingCall, Registration, RegistrationConfig, RegistrationState,
};
use sip_ua::wire::{HeaderName, Message, Method, NameAddr, Request, Uri, read_datagram};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
const ALICE: &str = "sip:alice@carrier.example";

/// A carrier's server, every answer of which is the test's.
struct Server(UdpSocket);

impl Server {
    fn new() -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Server(socket)
    }

    fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn uri(&self) -> String {
        format!("<sip:{};lr>", self.addr())
    }

    fn request(&self) -> (Request, SocketAddr) {
        let mut packet = [0; 4096];
        let (length, from) = self.0.recv_from(&mut packet).unwrap();
        match read_datagram(&packet[..length]) {
            Ok(Message::Request(request)) => (request, from),
            other => panic!("{other:?}"),
        }
    }

    /// Registers whoever asks, with this Service-Route. Returns the Route that the REGISTER had.
    fn registers(&self, service_route: &[&str]) -> usize {
        let (request, from) = self.request();
        assert_eq!(request.method, Method::Register);
        let mut answer = request.response(200);
        for name in [HeaderName::Contact, HeaderName::Expires] {
            let value = request.headers.get(name.clone()).unwrap().to_vec();
            answer.headers.push(name, value);
        }
        for value in service_route {
            answer.headers.push(HeaderName::ServiceRoute, *value);
        }
        self.0.send_to(&answer.to_bytes(), from).unwrap();
        request.headers.count(HeaderName::Route)
    }

    /// The next INVITE that comes here, which is refused: whom it is for, and its Route.
    fn refuses_a_call(&self) -> (String, Vec<String>) {
        let (request, from) = self.request();
        assert_eq!(request.method, Method::Invite);
        let answer = request.response(486).to_bytes();
        self.0.send_to(&answer, from).unwrap();
        let (ack, _) = self.request();
        assert_eq!(ack.method, Method::Ack);
        let route = request.headers.list(HeaderName::Route);
        let route = route.map(|proxy| String::from_utf8(proxy.to_vec()).unwrap());
        (request.uri.to_string(), route.collect())
    }
}

async fn registered(registrar: &Server) -> (Agent, Registration) {
    let (agent, _calls) = Agent::bind(AgentConfig::default()).await.unwrap();
    let registration = agent.register(RegistrationConfig {
        registrar: format!("sip:{}", registrar.addr()).parse().unwrap(),
        aor: ALICE.parse().unwrap(),
        expires: Duration::from_secs(600),
        credentials: None,
        next_hop: None,
        route: Vec::new(),
    });
    (agent, registration)
}

async fn until_registered(registration: &Registration) {
    let mut state = registration.watch();
    let is = |state: &RegistrationState| matches!(state, RegistrationState::Registered { .. });
    timeout(SOON, state.wait_for(is)).await.unwrap().unwrap();
}

/// Registers with this Service-Route and calls somebody elsewhere: what comes to `proxy`.
async fn called(
    proxy: &Server,
    service_route: &[&str],
    call: impl FnOnce(OutgoingCall) -> OutgoingCall,
) -> (String, Vec<String>) {
    let registrar = Server::new();
    let (agent, registration) = registered(&registrar).await;
    assert_eq!(registrar.registers(service_route), 0);
    until_registered(&registration).await;
    let to: Uri = "sip:bob@192.0.2.9".parse().unwrap();
    let _ours = agent.dial(call(OutgoingCall::new(to, ALICE.parse().unwrap())));
    proxy.refuses_a_call()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_pass_the_proxies_that_the_registrar_named() {
    let proxy = Server::new();
    let far = "<sip:orig@home.example;lr>";
    let (uri, route) = called(&proxy, &[&proxy.uri(), far], |call| call).await;
    assert_eq!(uri, "sip:bob@192.0.2.9");
    assert_eq!(route, [proxy.uri(), far.to_owned()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_outbound_proxy_which_may_be_the_first_of_them() {
    let proxy = Server::new();
    let through = |call: OutgoingCall| OutgoingCall {
        route: vec![NameAddr::parse(proxy.uri().as_bytes()).unwrap()],
        ..call
    };
    let far = "<sip:orig@home.example;lr>";
    for service_route in [vec![far], vec![&proxy.uri(), far]] {
        let (_, route) = called(&proxy, &service_route, through).await;
        assert_eq!(route, [proxy.uri(), far.to_owned()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_calls_by_its_numbers() {
    let proxy = Server::new();
    let number = |call: OutgoingCall| OutgoingCall {
        from: "sip:+15550100@carrier.example".parse().unwrap(),
        ..call
    };
    let (_, route) = called(&proxy, &[&proxy.uri()], number).await;
    assert_eq!(route, [proxy.uri()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_elses_calls_do_nor_those_whose_way_is_known() {
    let (proxy, callee) = (Server::new(), Server::new());
    let other = |call: OutgoingCall| OutgoingCall {
        from: "sip:alice@elsewhere.example".parse().unwrap(),
        to: format!("sip:bob@{}", callee.addr()).parse().unwrap(),
        ..call
    };
    let (_, route) = called(&callee, &[&proxy.uri()], other).await;
    assert!(route.is_empty(), "{route:?}");
    let known = |call: OutgoingCall| OutgoingCall {
        next_hops: vec![callee.addr().into()],
        ..call
    };
    let (_, route) = called(&callee, &[&proxy.uri()], known).await;
    assert!(route.is_empty(), "{route:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_read_is_none() {
    let callee = Server::new();
    let direct = |call: OutgoingCall| OutgoingCall {
        to: format!("sip:bob@{}", callee.addr()).parse().unwrap(),
        ..call
    };
    let (_, route) = called(&callee, &["<mailto:a@b>"], direct).await;
    assert!(route.is_empty(), "{route:?}");
}
