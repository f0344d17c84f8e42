// SPDX-License-Identifier: MPL-2.0
//! An m-line without a direction is `sendrecv` (RFC 8866), though webrtcbin 1.22 would reject it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gst::prelude::*;
use sip_worker::webrtc::{Peer, PeerConfig, PeerEvent};
use tokio::sync::mpsc;

const SPEAKER: &str = "audiotestsrc is-live=true ! opusenc ! rtpopuspay pt=111 \
    ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! webrtcbin name=peer";
const LISTENER: &str = "webrtcbin name=peer ! rtpopusdepay ! fakesink";

type Driven = (gst::Pipeline, Peer, mpsc::UnboundedReceiver<PeerEvent>);

fn peer(description: &str) -> Result<Driven, Box<dyn std::error::Error>> {
    let pipeline = gst::parse::launch(description)?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "no pipeline")?;
    let config = PeerConfig {
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ..PeerConfig::default()
    };
    let (peer, events) = Peer::new(&pipeline.by_name("peer").ok_or("no peer")?, config)?;
    pipeline.set_state(gst::State::Playing)?;
    Ok((pipeline, peer, events))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_without_a_direction_is_answered_and_connects() {
    gst::init().unwrap();
    let (speaking, speaker, mut speaker_events) = peer(SPEAKER).unwrap();
    let (listening, listener, mut listener_events) = peer(LISTENER).unwrap();

    let offer = speaker.create_offer().await.unwrap();
    assert!(offer.contains("\r\na=sendonly\r\n"), "{offer}");
    assert!(
        offer.contains(" 127.0.0.1 ") && offer.contains("a=ssrc:"),
        "{offer}"
    );
    let bare = offer.replace("a=sendonly\r\n", "");
    let answer = listener.answer(&bare).await.unwrap();
    let audio = answer.lines().find(|l| l.starts_with("m=audio")).unwrap();
    assert!(!audio.starts_with("m=audio 0"), "rejected: {answer}");
    speaker.accept_answer(&answer).await.unwrap();

    for events in [&mut speaker_events, &mut listener_events] {
        let connected = async {
            while let Some(event) = events.recv().await {
                match event {
                    PeerEvent::Connected => return,
                    PeerEvent::Candidate(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            panic!("no more events");
        };
        tokio::time::timeout(Duration::from_secs(10), connected)
            .await
            .unwrap();
    }
    assert!(speaker.is_verified() && listener.is_verified());
    for pipeline in [speaking, listening] {
        tokio::task::spawn_blocking(move || pipeline.set_state(gst::State::Null))
            .await
            .unwrap()
            .unwrap();
    }
}
