// SPDX-License-Identifier: MPL-2.0
//! What an `rtpbin` counts of its one session.

use gst::glib;
use gst::prelude::*;

use crate::webrtc::LinkStats;

const CLOCK_HZ: f64 = 48_000.0;
/// The unit of round trips: seconds in 16.16 (RFC 3550 section 4).
const SHORT: f64 = 65_536.0;

pub(super) fn read(rtpbin: &gst::Element) -> Option<LinkStats> {
    let session = rtpbin.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&0u32])?;
    let stats = session.property::<gst::Structure>("stats");
    let sources = stats.get::<glib::ValueArray>("source-stats").ok()?;
    let mut link = LinkStats::default();
    for source in sources
        .iter()
        .filter_map(|value| value.get::<gst::Structure>().ok())
    {
        add(&mut link, &source);
    }
    Some(link)
}

fn add(link: &mut LinkStats, source: &gst::StructureRef) {
    let yes = |name: &str| source.get::<bool>(name).unwrap_or(false);
    let count = |name: &str| source.get::<u64>(name).unwrap_or(0);
    let number = |name: &str| source.get::<u32>(name).map(f64::from).unwrap_or(0.0);
    let signed = |name: &str| source.get::<i32>(name).map(i64::from).unwrap_or(0);
    if yes("internal") {
        link.packets_sent += count("packets-sent");
        link.bytes_sent += count("octets-sent");
        return;
    }
    link.packets_received += count("packets-received");
    link.bytes_received += count("octets-received");
    // Below zero it is not known.
    link.lost += signed("packets-lost").max(0);
    link.jitter_ms = link.jitter_ms.max(number("jitter") * 1000.0 / CLOCK_HZ);
    if yes("have-rb") {
        link.remote_lost = Some(signed("rb-packetslost"));
        link.remote_loss_percent = Some(number("rb-fractionlost") * 100.0 / 256.0);
        link.remote_jitter_ms = Some(number("rb-jitter") * 1000.0 / CLOCK_HZ);
        let round_trip = number("rb-round-trip");
        link.round_trip_ms = (round_trip > 0.0).then_some(round_trip * 1000.0 / SHORT);
    }
}
