// SPDX-License-Identifier: MPL-2.0
//! Behind an address translator the one way to a connection is the address that a STUN server saw.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription, WebRTCStatsType};

use crate::app::{App, RTCBIN, WEBRTCBIN, described, text};
use crate::stun::{asks, sees};
use crate::what_it_counts::part;

/// It looks so often whether it is still needed.
const BEAT: Duration = Duration::from_millis(50);

/// A STUN server and a translator in one: what one side sends to the address that the server told goes on to
/// the other, and each sees nothing but that address.
struct Nat {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    works: Option<JoinHandle<()>>,
}

impl Nat {
    fn open() -> Nat {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(BEAT)).unwrap();
        let address = socket.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let works = std::thread::spawn(move || {
            let (mut inside, mut outside) = (None, None);
            let mut bytes = [0; 2048];
            while !ends.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut bytes) else {
                    continue;
                };
                let packet = &bytes[..length];
                if asks(packet) {
                    inside = Some(from);
                    socket.send_to(&sees(packet, address), from).unwrap();
                    continue;
                }
                let to = match inside == Some(from) {
                    true => outside,
                    false => {
                        outside = Some(from);
                        inside
                    }
                };
                if let Some(to) = to {
                    // Who has gone hears nothing more.
                    let _ = socket.send_to(packet, to);
                }
            }
        });
        Nat {
            address,
            over,
            works: Some(works),
        }
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.works.take().map(JoinHandle::join);
    }
}

/// Without any candidate but of this kind.
fn with_only(kind: &str, description: &str) -> String {
    let stays = |line: &&str| !line.starts_with("a=candidate:") || line.contains(kind);
    let lines = description.lines().filter(stays);
    lines.map(|line| format!("{line}\r\n")).collect()
}

/// Offers and answers; of `a` the far end learns what the server saw, and `a` of the far end nothing.
fn negotiate(a: &App, b: &App) {
    let take = |app: &App, kind, text: &str| {
        let description = described(kind, text);
        assert_eq!(app.apply("set-remote-description", &description), None);
    };
    let make = |app: &App, kind| -> WebRTCSessionDescription {
        let made = app.create(kind);
        assert_eq!(app.apply("set-local-description", &made), None);
        app.gathered()
    };
    let offer = text(&make(a, WebRTCSDPType::Offer));
    assert!(offer.contains("typ srflx"), "{offer}");
    take(b, WebRTCSDPType::Offer, &with_only("typ srflx", &offer));
    let answer = text(&make(b, WebRTCSDPType::Answer));
    take(a, WebRTCSDPType::Answer, &with_only("none", &answer));
}

fn call(answers: &str) {
    let nat = Nat::open();
    let (a, b) = (App::speaking(RTCBIN), App::speaking(answers));
    a.rtc
        .set_property("stun-server", format!("stun://{}", nat.address));
    let (of_a, of_b) = (a.say(0, 71), b.say(0, 72));
    a.play();
    b.play();
    a.wait_described("sink_0");
    negotiate(&a, &b);
    b.wait_heard(&of_a);
    a.wait_heard(&of_b);
    let transport = part(&a.stats(), WebRTCStatsType::Transport).unwrap();
    let far: String = transport.get("remote-address").unwrap();
    assert_eq!(far, nat.address.to_string());
}

#[test]
fn an_rtcbin_is_reached_by_another() {
    call(RTCBIN);
}

#[test]
fn an_rtcbin_is_reached_by_a_webrtcbin() {
    call(WEBRTCBIN);
}
