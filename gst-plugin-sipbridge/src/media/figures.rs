// SPDX-License-Identifier: MPL-2.0
//! What a leg counts, as elements show it.

use sip_ua::sdp::Codec;

use super::LegStats;
use crate::context::Context;

/// Puts the media thread into a structure that somebody's figures are in who runs there.
pub(crate) fn put_context(
    stats: gst::structure::Builder,
    context: &Context,
) -> gst::structure::Builder {
    let figures = context.stats();
    stats
        .field("context", context.name())
        .field("context-load", f64::from(figures.load_permille) / 1_000.0)
        .field("context-late", figures.late_max_us as f64 / 1_000.0)
        .field("context-overruns", figures.overruns)
}

/// Puts it into a structure.
pub(crate) fn put(stats: gst::structure::Builder, leg: &LegStats) -> gst::structure::Builder {
    let name = |codec: Option<Codec>| codec.map_or("", |codec| codec.name());
    let round_trip_ms = leg
        .round_trip
        .map_or(0.0, |time| time.as_secs_f64() * 1_000.0);
    let remote = leg.remote.map(|remote| remote.to_string());
    stats
        .field("codec", name(leg.send_codec))
        .field("codec-received", name(leg.receive_codec))
        .field("remote", remote.unwrap_or_default())
        .field("packets-sent", leg.packets_sent)
        .field("packets-received", leg.packets_received)
        .field("bytes-sent", leg.bytes_sent)
        .field("bytes-received", leg.bytes_received)
        .field("packets-lost", leg.lost)
        .field("packets-late", leg.late)
        .field("packets-foreign", leg.foreign)
        .field("packets-forged", leg.forged)
        .field_if_some("srtp-suite", leg.srtp_suite.map(|suite| suite.name()))
        .field("jitter", leg.jitter_ms)
        .field("depth", leg.depth_ms)
        .field("concealed", leg.concealed_ms)
        .field("frames-concealed", leg.concealed_frames)
        .field("remote-lost", leg.remote_lost.unwrap_or(0))
        .field("round-trip", round_trip_ms)
        .field("mos", leg.mos.unwrap_or(0.0))
        .field("remote-mos", leg.remote_mos.unwrap_or(0.0))
}
