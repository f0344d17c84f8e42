// SPDX-License-Identifier: MPL-2.0
use gst::prelude::*;
use gst_webrtc::WebRTCStatsType;

use crate::app::{App, RTCBIN, introduce, negotiate};
use crate::kit::eventually;

/// The part of this kind.
fn part(stats: &gst::Structure, kind: WebRTCStatsType) -> Option<gst::Structure> {
    stats.iter().find_map(|(_, value)| {
        let part: gst::Structure = value.get().ok()?;
        (part.get::<WebRTCStatsType>("type") == Ok(kind)).then_some(part)
    })
}

#[test]
fn is_told_as_webrtcbin_tells_it() {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(RTCBIN));
    introduce(&a, &b);
    let said = a.say(0, 61);
    b.say(0, 62);
    a.play();
    b.play();
    assert!(part(&a.stats(), WebRTCStatsType::OutboundRtp).is_none());
    negotiate(&a, &b);
    b.wait_heard(&said);
    let sent = part(&a.stats(), WebRTCStatsType::OutboundRtp).unwrap();
    let packets = sent.get::<u64>("packets-sent").unwrap();
    assert!(packets > 50);
    assert!(sent.get::<u64>("bytes-sent").unwrap() > packets);
    let got = part(&b.stats(), WebRTCStatsType::InboundRtp).unwrap();
    assert_eq!(got.get::<u32>("ssrc"), sent.get::<u32>("ssrc"));
    assert!(got.get::<u64>("packets-received").unwrap() > 50);
    assert_eq!(got.get::<i64>("packets-lost"), Ok(0));
    assert!(got.get::<f64>("jitter").unwrap() < 0.05);
    // The far end reports every five seconds.
    eventually("a report of the far end", || {
        part(&a.stats(), WebRTCStatsType::RemoteInboundRtp)
            .is_some_and(|report| report.get::<i64>("packets-lost") == Ok(0))
    });
    let pads = a.rtc.src_pads();
    assert_eq!(pads.len(), 1);
}
