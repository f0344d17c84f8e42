// SPDX-License-Identifier: MPL-2.0
use gst::prelude::*;
use gst_webrtc::WebRTCStatsType;

use crate::app::{App, RTCBIN, WEBRTCBIN, introduce, negotiate};
use crate::kit::eventually;

/// The part of this kind.
pub fn part(stats: &gst::Structure, kind: WebRTCStatsType) -> Option<gst::Structure> {
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
    eventually("a report of the far end, and how long the way is", || {
        let report = part(&a.stats(), WebRTCStatsType::RemoteInboundRtp);
        report.is_some_and(|report| {
            let there_and_back = report.get::<f64>("round-trip-time").unwrap();
            report.get::<i64>("packets-lost") == Ok(0)
                && there_and_back > 0.0
                && there_and_back < 0.5
        })
    });
    let transport = part(&a.stats(), WebRTCStatsType::Transport).unwrap();
    let check: f64 = transport.get("current-round-trip-time").unwrap();
    assert!(check > 0.0 && check < 0.5, "{check}");
    let told = part(&b.stats(), WebRTCStatsType::RemoteOutboundRtp).unwrap();
    assert_eq!(told.get::<u32>("ssrc"), sent.get::<u32>("ssrc"));
    let told = u64::from(told.get::<u32>("packets-sent").unwrap());
    let sent = part(&a.stats(), WebRTCStatsType::OutboundRtp).unwrap();
    let packets = sent.get::<u64>("packets-sent").unwrap();
    assert!((1..=packets).contains(&told), "{told} of {packets}");
    let pads = a.rtc.src_pads();
    assert_eq!(pads.len(), 1);
}

/// What of webrtcbin's figures an application may look for.
const FIGURES: [(WebRTCStatsType, &[&str]); 4] = [
    (
        WebRTCStatsType::InboundRtp,
        &[
            "ssrc",
            "packets-received",
            "bytes-received",
            "packets-lost",
            "jitter",
            "transport-id",
        ],
    ),
    (
        WebRTCStatsType::OutboundRtp,
        &["ssrc", "packets-sent", "bytes-sent", "transport-id"],
    ),
    (
        WebRTCStatsType::RemoteInboundRtp,
        &[
            "ssrc",
            "packets-lost",
            "jitter",
            "fraction-lost",
            "round-trip-time",
            "local-id",
        ],
    ),
    (
        WebRTCStatsType::RemoteOutboundRtp,
        &[
            "ssrc",
            "packets-sent",
            "bytes-sent",
            "remote-timestamp",
            "local-id",
        ],
    ),
];

#[test]
fn is_told_in_the_types_of_a_webrtcbin() {
    let (a, b) = (App::speaking(RTCBIN), App::speaking(WEBRTCBIN));
    introduce(&a, &b);
    let (of_a, of_b) = (a.say(0, 63), b.say(0, 64));
    a.play();
    b.play();
    negotiate(&a, &b);
    b.wait_heard(&of_a);
    a.wait_heard(&of_b);
    for (kind, figures) in FIGURES {
        eventually("figures of both", || {
            part(&a.stats(), kind).is_some() && part(&b.stats(), kind).is_some()
        });
        let (ours, theirs) = (
            part(&a.stats(), kind).unwrap(),
            part(&b.stats(), kind).unwrap(),
        );
        let mut common = 0;
        for figure in figures {
            let of_ours = ours.value(*figure).unwrap().type_();
            // What webrtcbin tells depends on its version; of what it tells the type does not.
            if let Ok(theirs) = theirs.value(*figure) {
                assert_eq!(of_ours, theirs.type_(), "{kind:?}: {figure}");
                common += 1;
            }
        }
        assert!(common >= 3, "{kind:?}: {theirs}");
    }
    // Both tell of the same stream.
    let (sent, got) = (
        part(&a.stats(), WebRTCStatsType::OutboundRtp).unwrap(),
        part(&b.stats(), WebRTCStatsType::InboundRtp).unwrap(),
    );
    assert_eq!(sent.get::<u32>("ssrc"), got.get::<u32>("ssrc"));
}
