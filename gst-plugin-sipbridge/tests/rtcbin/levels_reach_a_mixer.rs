// SPDX-License-Identifier: MPL-2.0
//! What the far end tells of its level (RFC 6464) reaches a mixer that takes the packets as they come: who
//! says that they are silent is not heard, however loud they are. So are the tracks of a room connected.

use std::sync::atomic::Ordering;

use gst::prelude::*;

use crate::app::{App, RTCBIN, WEBRTCBIN, introduce, negotiate};
use crate::kit::{Ear, RATE_HZ, eventually, say_at, tell_levels, voice};

#[test]
fn and_count_there() {
    let speaker = App::new(
        WEBRTCBIN,
        "webrtcbin name=rtc bundle-policy=max-bundle latency=40 \
         appsrc name=mouth0 format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved \
         ! audioresample ! audio/x-raw,rate=48000 ! opusenc ! clocksync ! queue \
         ! rtpopuspay name=pay pt=96 ! capsfilter name=extmap ! rtc.sink_0",
    );
    let told = tell_levels(&speaker.line);
    let room = App::mixing(
        RTCBIN,
        "rtcbin name=rtc local-addresses=127.0.0.1 sipmixer name=mix \
         audiotestsrc is-live=true wave=silence ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! mix.sink_0 \
         mix.minus_0 ! audio/x-raw,rate=8000 ! appsink name=ear sync=false",
    );
    let ear = Ear::on(&room.line, "ear");
    introduce(&speaker, &room);
    let now = speaker.line.pipeline.current_running_time();
    say_at(
        &speaker.line,
        "mouth0",
        &voice(71, 20.0),
        now.unwrap_or_default(),
    );
    speaker.play();
    room.play();
    speaker.wait_described("sink_0");
    negotiate(&speaker, &room);
    let mixer = room.line.element("mix");
    // The pad, once there is one, and how many packets came.
    let track = || {
        let pad = mixer.static_pad("sink_1")?;
        let stats = pad.property::<Option<gst::Structure>>("stats")?;
        Some((pad, stats.get::<u64>("packets").unwrap()))
    };
    eventually("a second of packets", || {
        track().is_some_and(|(_, packets)| packets > 50)
    });
    // Of the same second, and of all before it.
    let heard = ear.samples().len() + RATE_HZ;
    eventually("a second of the room", || ear.samples().len() >= heard);
    assert!(ear.samples().iter().all(|sample| *sample == 0));
    let (pad, _) = track().unwrap();
    assert!(!pad.property::<bool>("speaking"));
    told.store(20, Ordering::Relaxed);
    eventually("the level that was told", || {
        (pad.property::<f64>("level") + 20.0).abs() < 0.1
    });
    assert!(pad.property::<bool>("speaking"));
    let is_loud = |sample: &i16| sample.unsigned_abs() > 1_000;
    eventually("a voice", || ear.samples().iter().any(is_loud));
    speaker.line.no_errors();
    room.line.no_errors();
}
