// SPDX-License-Identifier: MPL-2.0
//! Somebody comes straight from a network: the mixer brings their packets into order and time itself.

use super::*;
use kit::{Ear, eventually, match_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

/// A participant who says what is pushed as RTP, a packet every 20 ms.
fn remote(number: u32, codec: &str) -> String {
    format!(
        "appsrc name=mouth{number} format=time is-live=false caps=audio/x-raw,format=S16LE,layout=interleaved,rate=8000,channels=1 \
         ! {codec} ! clocksync ! m.sink_{number} "
    )
}

fn heard_by_a_phone(codec: &str, at_least: f64) {
    asserted_steadily(|| {
        let line = Line::new(&format!(
            "sipmixer name=m {} {}",
            remote(0, codec),
            person(1, 8_000)
        ));
        let said = voice(11, 4.0);
        let ear = Ear::on(&line, "ear1");
        line.play();
        say(&line, "mouth0", &said, false);
        eventually("audio", || ear.samples().len() > 34_000);
        let heard = ear.samples();
        let best = (2..6)
            .map(|half| match_of(&said, &heard, half * 4_000))
            .fold(0.0_f64, f64::max);
        assert!(best >= at_least, "{codec}: {best}");
        let pad = line.element("m").static_pad("sink_0").unwrap();
        let stats = pad.property::<gst::Structure>("stats");
        assert!(stats.get::<u64>("packets").unwrap() >= 190, "{stats}");
        assert_eq!(stats.get::<u64>("malformed"), Ok(0), "{stats}");
        line.no_errors();
    })
}

#[test]
fn g711_as_the_network_brings_it() {
    heard_by_a_phone(
        "mulawenc ! rtppcmupay min-ptime=20000000 max-ptime=20000000",
        0.95,
    );
}

#[test]
fn opus_as_the_network_brings_it() {
    heard_by_a_phone("opusenc bitrate=64000 ! rtpopuspay pt=111", 0.9);
}

/// Who came as RTP may come as samples later, and the other way round.
#[test]
fn a_pad_changes_between_samples_and_packets() {
    let line = Line::new(&format!("sipmixer name=m {}", person(1, 8_000)));
    line.play();
    let pad = line.element("m").request_pad_simple("sink_0").unwrap();
    let stats = || pad.property::<Option<gst::Structure>>("stats");
    assert!(stats().is_none());
    pad.send_event(gst::event::StreamStart::new("test"));
    let rtp = gst::Caps::builder("application/x-rtp")
        .field("media", "audio")
        .field("encoding-name", "PCMU")
        .field("clock-rate", 8_000)
        .field("payload", 0)
        .build();
    let raw = gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", 16_000)
        .field("channels", 1)
        .build();
    assert!(pad.send_event(gst::event::Caps::new(&rtp)));
    assert!(stats().is_some());
    assert!(pad.send_event(gst::event::Caps::new(&raw)));
    assert!(stats().is_none());
    assert!(pad.send_event(gst::event::Caps::new(&rtp)));
    assert!(stats().is_some());
    line.no_errors();
}
