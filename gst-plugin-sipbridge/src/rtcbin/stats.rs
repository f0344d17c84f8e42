// SPDX-License-Identifier: MPL-2.0
//! What `get-stats` replies: structures named and filled as webrtcbin's.

use std::time::{SystemTime, UNIX_EPOCH};

use gst_webrtc::WebRTCStatsType;

use super::task::Snapshot;
use crate::rtc::Told;
use crate::rtcp::NTP_UNIX;

/// The whole reply, or the part of one media line. `clock_hz` says the RTP clock of a line.
pub(super) fn reply(
    snapshot: &Snapshot,
    line: Option<usize>,
    clock_hz: impl Fn(usize) -> u32,
) -> gst::Structure {
    let wanted = |candidate: usize| line.is_none_or(|line| line == candidate);
    let mut reply = gst::Structure::new_empty("application/x-webrtc-stats");
    let transport = transport(snapshot);
    for (line, received) in snapshot.received.iter().filter(|(line, _)| wanted(*line)) {
        let Some(ssrc) = received.ssrc else {
            continue;
        };
        let id = format!("rtp-inbound-stream-stats_{ssrc}");
        let mut part = part(&id, WebRTCStatsType::InboundRtp);
        part.set("ssrc", ssrc);
        part.set("mline", *line as u32);
        part.set("transport-id", transport.name().as_str());
        part.set("packets-received", received.packets);
        part.set("bytes-received", received.bytes);
        part.set("packets-lost", received.lost as i64);
        part.set("jitter", received.jitter);
        let buffer = gst::Structure::builder("application/x-rtp-jitterbuffer-stats")
            .field("num-pushed", received.packets.saturating_sub(received.late))
            .field("num-lost", received.lost)
            .field("num-late", received.late)
            .build();
        part.set("gst-rtpjitterbuffer-stats", buffer);
        // Said only once the far end has reported.
        if let Some(told) = snapshot.told.iter().find(|told| told.ssrc == ssrc) {
            let remote_id = format!("rtp-remote-outbound-stream-stats_{ssrc}");
            part.set("remote-id", remote_id.as_str());
            reply.set(remote_id.as_str(), sender(&remote_id, &id, told));
        }
        reply.set(id, part);
    }
    for sent in snapshot.transport.lines.iter().filter(|s| wanted(s.line)) {
        let Some(ssrc) = sent.ssrc else {
            continue;
        };
        let id = format!("rtp-outbound-stream-stats_{ssrc}");
        let remote_id = format!("rtp-remote-inbound-stream-stats_{ssrc}");
        let mut part = part(&id, WebRTCStatsType::OutboundRtp);
        part.set("ssrc", ssrc);
        part.set("mline", sent.line as u32);
        part.set("transport-id", transport.name().as_str());
        part.set("remote-id", remote_id.as_str());
        part.set("packets-sent", sent.packets_sent);
        part.set("bytes-sent", sent.bytes_sent);
        reply.set(id.as_str(), part);
        // Said only once the far end has reported.
        if let Some(lost) = sent.remote_lost {
            let mut part = self::part(&remote_id, WebRTCStatsType::RemoteInboundRtp);
            part.set("ssrc", ssrc);
            part.set("local-id", id.as_str());
            part.set("packets-lost", lost as i64);
            part.set("fraction-lost", f64::from(sent.remote_loss.unwrap_or(0.0)));
            let jitter = f64::from(sent.remote_jitter.unwrap_or(0));
            part.set("jitter", jitter / f64::from(clock_hz(sent.line).max(1)));
            let round_trip = sent.round_trip.unwrap_or_default();
            part.set("round-trip-time", round_trip.as_secs_f64());
            reply.set(remote_id, part);
        }
    }
    reply.set(transport.name().as_str().to_owned(), transport);
    reply
}

/// What the far end says that it sent, under the name of what was received of that.
fn sender(id: &str, local_id: &str, told: &Told) -> gst::Structure {
    let mut part = part(id, WebRTCStatsType::RemoteOutboundRtp);
    part.set("ssrc", told.ssrc);
    part.set("local-id", local_id);
    // As wide as in the report, and so in webrtcbin.
    part.set("packets-sent", told.packets);
    part.set("bytes-sent", told.bytes);
    let seconds = told.ntp as f64 / 2f64.powi(32) - NTP_UNIX as f64;
    part.set("remote-timestamp", seconds * 1000.0);
    part
}

fn transport(snapshot: &Snapshot) -> gst::Structure {
    let stats = &snapshot.transport;
    let mut part = part("transport-stats", WebRTCStatsType::Transport);
    part.set("bytes-sent", stats.bytes_sent);
    part.set("bytes-received", stats.bytes_received);
    part.set("packets-discarded", stats.strange);
    if let Some((local, remote)) = stats.pair {
        part.set("local-address", local.to_string());
        part.set("remote-address", remote.to_string());
    }
    if let Some(time) = stats.check_round_trip {
        part.set("current-round-trip-time", time.as_secs_f64());
    }
    part
}

fn part(id: &str, kind: WebRTCStatsType) -> gst::Structure {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    gst::Structure::builder(id)
        .field("type", kind)
        .field(
            "timestamp",
            since.unwrap_or_default().as_secs_f64() * 1000.0,
        )
        .field("id", id)
        .build()
}
