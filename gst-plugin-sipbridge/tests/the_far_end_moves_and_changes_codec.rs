// SPDX-License-Identifier: MPL-2.0
//! A re-INVITE moves the far end's media to another port and changes the codec: both hear on.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use gst::prelude::*;
use kit::{Ear, Line, RATE_HZ, eventually, match_of, most_of, say, voice};
use sip_ua::agent::{Agent, AgentConfig, Call, CallEvent, OutgoingCall, Verdict};
use sip_ua::sdp::{self, Codec, LocalMedia, Negotiated};
use sipbridge_measure::steady::asserted_steadily;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The far end's media: a socket, its sender and its receiver, of stock elements.
struct Phone {
    line: Line,
    ear: Ear,
    addr: SocketAddr,
}

impl Phone {
    fn new(codec: &str, payload_type: u8) -> Phone {
        let line = Line::new(&format!(
            "appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved \
               ! audiobuffersplit output-buffer-duration=1/50 ! {codec}enc ! rtp{pay}pay min-ptime=20000000 max-ptime=20000000 \
               ! udpsink name=out sync=true async=false \
             udpsrc name=in address=127.0.0.1 port=0 caps=application/x-rtp,media=audio,clock-rate=8000,payload={payload_type},encoding-name={name} \
               ! rtpjitterbuffer ! rtp{pay}depay ! {codec}dec ! audio/x-raw,rate=8000 ! appsink name=ear sync=false",
            pay = if codec == "alaw" { "pcma" } else { "pcmu" },
            name = if codec == "alaw" { "PCMA" } else { "PCMU" },
        ));
        let (from, to) = (line.element("in"), line.element("out"));
        from.set_state(gst::State::Ready).unwrap();
        to.set_property_from_value("socket", &from.property_value("used-socket"));
        to.set_property("close-socket", false);
        let addr = SocketAddr::new(
            LOOPBACK,
            u16::try_from(from.property::<i32>("port")).unwrap(),
        );
        let ear = Ear::on(&line, "ear");
        Phone { line, ear, addr }
    }

    fn talk(&self, to: SocketAddr, samples: &[i16]) {
        let out = self.line.element("out");
        out.set_property("host", to.ip().to_string());
        out.set_property("port", i32::from(to.port()));
        self.line.play();
        say(&self.line, "mouth", samples, false);
    }
}

async fn answer_of(call: &mut Call, local: &LocalMedia, offer: &[u8]) -> Negotiated {
    loop {
        match call.events.recv().await {
            Some(
                CallEvent::Answered { sdp: Some(answer) }
                | CallEvent::ReofferAnswered { sdp: Some(answer) },
            ) => return sdp::accept_answer(local, offer, &answer).unwrap(),
            Some(CallEvent::Progress { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn and_both_hear_on() {
    asserted_steadily(|| {
        let ours = voice(3, 12.0);
        let (called, uri) = Line::answering(
            "sipbin name=s mode=listener auto-answer=true agent::address=127.0.0.1 agent::port=0 \
         appsrc name=mouth format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved ! s. \
         s. ! queue ! audio/x-raw,rate=8000 ! appsink name=ear sync=false",
        );
        let ear = Ear::on(&called, "ear");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (first, second) = (Phone::new("alaw", 8), Phone::new("mulaw", 0));
        let (words, more) = (voice(1, 2.0), voice(2, 2.0));

        let agent = runtime
            .block_on(Agent::bind(AgentConfig {
                screen: Arc::new(|_, _| Verdict::Silent),
                ..AgentConfig::default()
            }))
            .unwrap()
            .0;
        let mut local = LocalMedia::new(LOOPBACK, first.addr.port(), vec![Codec::Pcma]);
        let offer = sdp::offer(&local);
        let mut call = {
            let _within = runtime.enter();
            agent.dial(OutgoingCall {
                offer: Some(offer.clone()),
                ..OutgoingCall::new(uri.parse().unwrap(), "sip:phone@127.0.0.1".parse().unwrap())
            })
        };
        let agreed = runtime.block_on(answer_of(&mut call, &local, &offer));
        called.wait_state("answered");
        say(&called, "mouth", &ours, false);
        first.talk(agreed.remote_rtp, &words);
        eventually("the first words are heard", || {
            ear.samples().len() > 3 * RATE_HZ
        });

        local.session = local.session.next();
        local.rtp_port = second.addr.port();
        local.codecs = vec![Codec::Pcmu];
        let offer = sdp::reoffer(&local, &offer);
        call.handle.reoffer(offer.clone());
        let agreed = runtime.block_on(answer_of(&mut call, &local, &offer));
        assert_eq!(agreed.codec, Codec::Pcmu);
        let heard_before = ear.samples().len();
        second.talk(agreed.remote_rtp, &more);
        eventually("the words from elsewhere are heard", || {
            ear.samples().len() > heard_before + 3 * RATE_HZ
        });

        let heard = ear.samples();
        assert!(most_of(&words, &heard, 0) > 0.8);
        assert!(most_of(&more, &heard, 0) > 0.8);
        // What we say reached the one place, and then the other: each hears a part of it.
        let (at_first, at_second) = (first.ear.samples(), second.ear.samples());
        assert!(most_of(&ours, &at_first, RATE_HZ / 2) > 0.8);
        let later = (3..8).map(|at| match_of(&ours, &at_second, at * RATE_HZ));
        let later = later.fold(0.0, f64::max);
        assert!(later > 0.8, "{later}");
        let stats = called.element("s").property::<gst::Structure>("stats");
        assert_eq!(
            stats.get::<&str>("remote").unwrap(),
            second.addr.to_string()
        );
        assert_eq!(stats.get::<&str>("codec").unwrap(), "PCMU");
        call.handle.hangup(None);
        called.wait_state("ended");
        called.no_errors();
        runtime.block_on(agent.close(kit::PATIENCE));
    })
}
