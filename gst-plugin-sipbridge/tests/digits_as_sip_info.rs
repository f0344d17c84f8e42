// SPDX-License-Identifier: MPL-2.0
//! Two ends that do not speak RFC 4733 press keys by SIP INFO, in both directions, in order, each told
//! once and with its length.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::net::UdpSocket;

use gst::prelude::*;
use kit::{Line, PATIENCE};
use sipbridge_measure::steady::asserted_steadily;

fn press(line: &Line, digits: &str, ms: u32) -> bool {
    line.element("s")
        .emit_by_name::<bool>("send-dtmf", &[&digits, &ms])
}

#[test]
fn both_ways() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true dtmf=info agent::address=127.0.0.1 agent::port=0 s. ! fakesink sync=false",
        );
        let calling = Line::new(&format!("sipbin name=s uri={uri} s. ! fakesink sync=false"));
        calling.play();
        calling.wait_state("answered");
        called.wait_state("answered");
        // The caller would take events, but the other side did not agree to any.
        assert!(press(&calling, "1a#", 50));
        assert!(press(&called, "09*", 70));
        let from_calling = called.wait_presses(3);
        let from_called = calling.wait_presses(3);
        let told = |number, ms| (number, ms, "info".to_owned());
        assert_eq!(from_calling, [told(1, 50), told(12, 50), told(11, 50)]);
        assert_eq!(from_called, [told(0, 70), told(9, 70), told(10, 70)]);
    })
}

#[test]
fn events_alone_are_not_replaced_by_anything() {
    asserted_steadily(|| {
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true dtmf=info agent::address=127.0.0.1 agent::port=0 s. ! fakesink sync=false",
        );
        let calling = Line::new(&format!(
            "sipbin name=s dtmf=rfc4733 uri={uri} s. ! fakesink sync=false"
        ));
        calling.play();
        calling.wait_state("answered");
        called.wait_state("answered");
        assert!(!press(&calling, "1", 50));
        // INFO is heard whatever is sent.
        assert!(press(&called, "5", 50));
        assert_eq!(calling.wait_presses(1), [(5, 50, "info".to_owned())]);
    })
}

/// A phone that is none of ours: what it sends is written by hand.
struct Foreign {
    socket: UdpSocket,
    /// Where it wants to be talked to; it does not listen.
    media: UdpSocket,
    /// The request target and To, once the call is up.
    dialog: (String, String),
    sent: u32,
}

impl Foreign {
    fn new(uri: &str) -> Foreign {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let (_, there) = uri.split_once('@').unwrap();
        socket.connect(there).unwrap();
        Foreign {
            socket,
            media: UdpSocket::bind("127.0.0.1:0").unwrap(),
            dialog: (uri.to_owned(), format!("<{uri}>")),
            sent: 0,
        }
    }

    fn send(&mut self, method: &str, number: u32, kind: &str, body: &str) {
        self.sent += 1;
        let (sent, here) = (self.sent, self.socket.local_addr().unwrap());
        let (target, to) = &self.dialog;
        let request = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKforeign{sent}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:foreign@{here}>;tag=foreign\r\nTo: {to}\r\n\
             Call-ID: foreign@{here}\r\nCSeq: {number} {method}\r\nContact: <sip:foreign@{here}>\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket.send(request.as_bytes()).unwrap();
    }

    /// The next final response to this.
    fn answer(&self, method: &str) -> String {
        let mut bytes = [0; 4_096];
        loop {
            let length = self.socket.recv(&mut bytes).unwrap();
            let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let cseq = answer.lines().find(|line| line.starts_with("CSeq: "));
            if !answer.starts_with("SIP/2.0 1") && cseq.is_some_and(|line| line.ends_with(method)) {
                return answer;
            }
        }
    }

    fn call(&mut self) {
        let port = self.media.local_addr().unwrap().port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\n"
        );
        self.send("INVITE", 1, "application/sdp", &sdp);
        let answer = self.answer("INVITE");
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        let header = |name: &str| {
            let value = answer.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap().to_owned()
        };
        let contact = header("Contact: ");
        let (_, contact) = contact.split_once('<').unwrap();
        let (target, _) = contact.split_once('>').unwrap();
        self.dialog = (target.to_owned(), header("To: "));
        self.send("ACK", 1, "application/sdp", "");
    }
}

#[test]
fn as_others_write_them() {
    let (called, uri) = Line::answering(
        "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 s. ! fakesink sync=false",
    );
    let mut phone = Foreign::new(&uri);
    phone.call();
    called.wait_state("answered");
    let keys = [
        ("application/dtmf-relay", "Signal= 5\r\nDuration= 250\r\n"),
        ("application/dtmf-relay", "Signal=*\nDuration=90"),
        ("application/dtmf", "#\r\n"),
        ("application/dtmf", "12"),
    ];
    for ((kind, body), number) in keys.into_iter().zip(2..) {
        phone.send("INFO", number, kind, body);
        let answer = phone.answer("INFO");
        assert!(answer.starts_with("SIP/2.0 200 "), "{body}: {answer}");
    }
    let told = |number, ms| (number, ms, "info".to_owned());
    assert_eq!(
        called.wait_presses(4),
        [told(5, 250), told(10, 90), told(11, 160), told(12, 160)]
    );
    phone.send("BYE", 6, "application/sdp", "");
    assert!(phone.answer("BYE").starts_with("SIP/2.0 200 "));
    called.no_errors();
}
