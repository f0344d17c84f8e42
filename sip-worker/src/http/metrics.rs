// SPDX-License-Identifier: MPL-2.0
//! `GET /metrics`. Labels are words of ours only; nothing a caller says becomes one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::calls;
use crate::calls::opinions::BOUNDS;
use crate::calls::table::Stream;
use crate::exposition::Exposition;
use crate::worker::Worker;

/// `GET /metrics`
pub async fn metrics(State(worker): State<Arc<Worker>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        text(&worker),
    )
}

fn text(worker: &Worker) -> String {
    let mut out = Exposition::default();
    let calls = worker.calls.list();
    out.metric(
        "sipbridge_calls",
        "gauge",
        "Calls by state, without those that ended.",
    );
    for state in calls::State::ALL
        .into_iter()
        .filter(|state| *state != calls::State::Ended)
    {
        let count = calls.iter().filter(|call| call.state == state).count();
        out.sample("sipbridge_calls", &[("state", state.as_str())], count);
    }
    let totals = worker.calls.totals();
    out.metric(
        "sipbridge_calls_begun_total",
        "counter",
        "Calls since the start, by direction.",
    );
    out.sample(
        "sipbridge_calls_begun_total",
        &[("direction", "in")],
        totals.incoming,
    );
    out.sample(
        "sipbridge_calls_begun_total",
        &[("direction", "out")],
        totals.outgoing,
    );
    out.metric(
        "sipbridge_calls_answered_total",
        "counter",
        "Calls that were answered.",
    );
    out.sample("sipbridge_calls_answered_total", &[], totals.answered);
    out.metric(
        "sipbridge_calls_ended_total",
        "counter",
        "Calls that are over.",
    );
    out.sample("sipbridge_calls_ended_total", &[], totals.ended);
    out.metric(
        "sipbridge_calls_refused_total",
        "counter",
        "Calls in that were refused before they were anything else.",
    );
    out.sample("sipbridge_calls_refused_total", &[], totals.refused);
    media(worker, &mut out);
    opinions(worker, &mut out);
    worker.expose(&mut out);
    out.finish()
}

/// RTP, as the calls' figures have it.
fn media(worker: &Worker, out: &mut Exposition) {
    let totals = worker.calls.media_totals();
    let streams = [
        ("phone", "received", totals.phone_received),
        ("phone", "sent", totals.phone_sent),
        ("room", "received", totals.room_received),
        ("room", "sent", totals.room_sent),
    ];
    type Reading = fn(&Stream) -> u64;
    let counters: [(&str, &str, Reading); 4] = [
        (
            "sipbridge_rtp_packets_total",
            "RTP packets, by side and direction.",
            |stream| stream.packets,
        ),
        (
            "sipbridge_rtp_lost_packets_total",
            "RTP packets that never came; of those sent, as far ends report.",
            |stream| stream.lost,
        ),
        (
            "sipbridge_rtp_late_packets_total",
            "RTP packets that came too late to be played.",
            |stream| stream.late,
        ),
        (
            "sipbridge_rtp_concealed_frames_total",
            "Packet times that were concealed.",
            |stream| stream.concealed,
        ),
    ];
    for (name, help, reading) in counters {
        out.metric(name, "counter", help);
        for (side, direction, stream) in &streams {
            let labels = [("side", *side), ("direction", *direction)];
            out.sample(name, &labels, reading(stream));
        }
    }
}

/// How calls sounded.
fn opinions(worker: &Worker, out: &mut Exposition) {
    let name = "sipbridge_call_mos";
    out.metric(
        name,
        "histogram",
        "How calls sounded at their end, on the phone's side, from 1 to 4.4 (E-model, ITU-T G.107).",
    );
    let both = worker.calls.opinions();
    for (direction, opinions) in [("received", both.received), ("sent", both.sent)] {
        out.histogram(
            name,
            ("direction", direction),
            BOUNDS.into_iter().zip(opinions.classes),
            (opinions.sum, opinions.count),
        );
    }
}
