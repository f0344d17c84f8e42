// SPDX-License-Identifier: MPL-2.0
//! A TURN server loses an address of ours in the middle of a call. When ICE begins anew, by whichever side, the
//! server is asked for another one.

use gst::prelude::*;
use gst_webrtc::WebRTCSessionDescription;

use crate::app::{App, RTCBIN, introduce, negotiate, negotiate_with, text};
use crate::kit::eventually;
use crate::turn::Turn;

/// The addresses at relays that the far end is told of.
fn relayed(described: &WebRTCSessionDescription) -> Vec<String> {
    let described = text(described);
    let relayed = described
        .lines()
        .filter(|line| line.contains("typ relay"))
        .map(|line| {
            line.split(' ')
                .skip(4)
                .take(2)
                .collect::<Vec<_>>()
                .join(":")
        });
    relayed.collect()
}

/// Two of them; the first has addresses of this server.
fn two(turn: &Turn) -> [App; 2] {
    let apps = [(); 2].map(|()| App::speaking(RTCBIN));
    apps[0].rtc.set_property("turn-server", turn.url());
    for app in &apps {
        app.say(0, 90);
        app.play();
        app.wait_described("sink_0");
    }
    apps
}

/// Waits until it is told that an address is lost.
fn wait_lost(app: &App) {
    let bus = app.line.pipeline.bus().unwrap();
    let is_told = |message: &gst::Message| match message.view() {
        gst::MessageView::Warning(warning) => {
            let said = warning.error().to_string();
            said.contains("No address at the TURN server") && said.contains("taken its address")
        }
        _ => false,
    };
    eventually("the loss", || {
        bus.pop().is_some_and(|message| is_told(&message))
    });
}

#[test]
fn what_a_server_says_it_forgot_is_asked_for_again() {
    let turn = Turn::start();
    // More time is asked for after a second.
    turn.gives(2, true);
    let [a, b] = two(&turn);
    introduce(&a, &b);
    negotiate(&a, &b);
    a.wait_connected();
    assert_eq!(relayed(&a.gathered()), ["192.0.2.1:50001"]);
    for (restarts, other, lifetime_s, next) in [
        (&a, &b, 2, "192.0.2.1:50002"),
        (&b, &a, 600, "192.0.2.1:50003"),
    ] {
        wait_lost(&a);
        turn.gives(lifetime_s, true);
        let offer = restarts.create_restart();
        negotiate_with(restarts, other, &offer);
        let gathered = a.gathered();
        assert_eq!(relayed(&gathered), [next]);
        assert!(text(&gathered).contains("a=end-of-candidates"));
    }
    assert_eq!(turn.given_back(), 0);
    let said = b.say(0, 91);
    a.wait_heard(&said);
}

/// Where no way was found, or there is none any more, that may be why; what is there still is given back.
#[test]
fn without_a_way_to_the_far_end_all_are_asked_for_anew() {
    let turn = Turn::start();
    let [a, b] = two(&turn);
    // Neither is told where the other is.
    negotiate(&a, &b);
    assert_eq!(relayed(&a.gathered()), ["192.0.2.1:50001"]);
    let offer = a.create_restart();
    negotiate_with(&a, &b, &offer);
    assert_eq!(relayed(&a.gathered()), ["192.0.2.1:50002"]);
    eventually("the first is given back", || turn.given_back() == 1);
}

#[test]
fn what_is_there_still_is_kept() {
    let turn = Turn::start();
    let [a, b] = two(&turn);
    introduce(&a, &b);
    negotiate(&a, &b);
    a.wait_connected();
    assert_eq!(relayed(&a.gathered()), ["192.0.2.1:50001"]);
    let offer = a.create_restart();
    negotiate_with(&a, &b, &offer);
    assert_eq!(relayed(&a.gathered()), ["192.0.2.1:50001"]);
    assert_eq!(turn.given_back(), 0);
}
