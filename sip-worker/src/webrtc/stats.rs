// SPDX-License-Identifier: MPL-2.0
//! What a webrtcbin counts of its streams.

use gst_webrtc::WebRTCStatsType;

/// The streams of one connection, added up. Each of ours carries one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinkStats {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Their payload.
    pub bytes_sent: u64,
    /// RTP packets taken from the far end.
    pub packets_received: u64,
    /// Their payload.
    pub bytes_received: u64,
    /// Packets that never came.
    pub lost: i64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Interarrival jitter of what comes in.
    pub jitter_ms: f64,
    /// Packets of ours that never came there, as the far end reports.
    pub remote_lost: Option<i64>,
    /// Lost of late, as the far end reports.
    pub remote_loss_percent: Option<f64>,
    /// Interarrival jitter, as the far end reports.
    pub remote_jitter_ms: Option<f64>,
    /// To the far end and back, from its reports.
    pub round_trip_ms: Option<f64>,
}

/// Reads the reply to `get-stats`: a structure of structures, one a stream and direction.
pub(super) fn read(reply: &gst::StructureRef) -> LinkStats {
    let mut link = LinkStats::default();
    for (_, value) in reply.iter() {
        let Ok(part) = value.get::<gst::Structure>() else {
            continue;
        };
        let Ok(kind) = part.get::<WebRTCStatsType>("type") else {
            continue;
        };
        let whole = |name: &str| number(&part, name).map(|number| number as i64);
        let count = |name: &str| whole(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let ms = |name: &str| number(&part, name).map(|seconds| seconds * 1000.0);
        match kind {
            WebRTCStatsType::InboundRtp => {
                link.packets_received += count("packets-received");
                link.bytes_received += count("bytes-received");
                link.lost += whole("packets-lost").unwrap_or(0);
                link.jitter_ms = link.jitter_ms.max(ms("jitter").unwrap_or(0.0));
                if let Ok(buffer) = part.get::<gst::Structure>("gst-rtpjitterbuffer-stats") {
                    let late = number(&buffer, "num-late").unwrap_or(0.0);
                    link.late += late as u64;
                }
            }
            WebRTCStatsType::OutboundRtp => {
                link.packets_sent += count("packets-sent");
                link.bytes_sent += count("bytes-sent");
            }
            WebRTCStatsType::RemoteInboundRtp => {
                link.remote_lost = whole("packets-lost");
                link.remote_loss_percent = number(&part, "fraction-lost").map(|part| part * 100.0);
                link.remote_jitter_ms = ms("jitter");
                // Zero before the first report.
                link.round_trip_ms = ms("round-trip-time").filter(|time| *time > 0.0);
            }
            _ => {}
        }
    }
    link
}

/// A number of whatever type this version of webrtcbin gives it.
fn number(part: &gst::StructureRef, name: &str) -> Option<f64> {
    let value = part.value(name).ok()?;
    value
        .get::<f64>()
        .ok()
        .or_else(|| value.get::<u64>().ok().map(|number| number as f64))
        .or_else(|| value.get::<i64>().ok().map(|number| number as f64))
        .or_else(|| value.get::<u32>().ok().map(f64::from))
        .or_else(|| value.get::<i32>().ok().map(f64::from))
        .filter(|number| number.is_finite())
}
