// SPDX-License-Identifier: MPL-2.0
//! A STUN server tells how it sees the connection's socket.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCSDPType};

use crate::app::{App, RTCBIN};
use crate::kit::eventually;
use crate::stun::{asks, sees};

/// Answers one question with an address that is not the asker's: as behind a NAT.
fn server() -> (u16, std::thread::JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        let mut request = [0; 200];
        let (length, from) = socket.recv_from(&mut request).unwrap();
        assert!(asks(&request[..length]));
        let outside = SocketAddr::from(([203, 0, 113, 7], 40_000));
        let reply = sees(&request[..length], outside);
        socket.send_to(&reply, from).unwrap();
    });
    (port, answering)
}

#[test]
fn and_it_becomes_a_candidate() {
    let (port, answering) = server();
    let app = App::speaking(RTCBIN);
    app.rtc
        .set_property("stun-server", format!("stun://127.0.0.1:{port}"));
    let candidates: Arc<Mutex<Vec<String>>> = Arc::default();
    let found = candidates.clone();
    app.rtc.connect("on-ice-candidate", false, move |values| {
        found.lock().unwrap().push(values[2].get().unwrap());
        None
    });
    app.play();
    let offer = app.create(WebRTCSDPType::Offer);
    assert_eq!(app.apply("set-local-description", &offer), None);
    eventually("both candidates", || {
        let candidates = candidates.lock().unwrap();
        candidates
            .iter()
            .any(|c| c.contains("127.0.0.1") && c.contains("typ host"))
            && candidates
                .iter()
                .any(|c| c.contains("203.0.113.7 40000 typ srflx"))
    });
    eventually("the end of it", || {
        let state: WebRTCICEGatheringState = app.rtc.property("ice-gathering-state");
        state == WebRTCICEGatheringState::Complete
    });
    answering.join().unwrap();
}
