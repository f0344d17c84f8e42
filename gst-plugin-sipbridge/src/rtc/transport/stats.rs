// SPDX-License-Identifier: MPL-2.0
//! What a transport counts, and what the far end reports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::rtcp::Remote;

/// What a transport counts, and what the far end reports.
#[derive(Debug, Clone, Default)]
pub struct TransportStats {
    /// Bytes sent, all protocols.
    pub bytes_sent: u64,
    /// Bytes received, all protocols but STUN.
    pub bytes_received: u64,
    /// Datagrams that were nobody's.
    pub strange: u64,
    /// What is sent and received, by media line.
    pub lines: Vec<LineStats>,
    /// The way the connection takes: local and remote address.
    pub pair: Option<(SocketAddr, SocketAddr)>,
    /// The last connectivity check there and back.
    pub check_round_trip: Option<Duration>,
}

/// What the far end says that it sent from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The source.
    pub ssrc: u32,
    /// RTP packets, without those of 2^32 before.
    pub packets: u32,
    /// Their payload, counted in the same way.
    pub bytes: u32,
    /// Its wall clock then, in NTP's format (RFC 3550 section 6.4.1).
    pub ntp: u64,
}

/// What one media line counts.
#[derive(Debug, Clone, Default)]
pub struct LineStats {
    /// The media line.
    pub line: usize,
    /// Our source, once something was sent.
    pub ssrc: Option<u32>,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Their payload.
    pub bytes_sent: u64,
    /// Packets of ours that never came there, as the far end reports.
    pub remote_lost: Option<u64>,
    /// The share lost of late, as the far end reports.
    pub remote_loss: Option<f32>,
    /// Interarrival jitter in RTP clock units, as the far end reports.
    pub remote_jitter: Option<u32>,
    /// To the far end and back, from its reports.
    pub round_trip: Option<Duration>,
    /// The last packet's RTP timestamp, its payload type, and when it was sent.
    pub(super) last: Option<(u32, u8, Instant)>,
}

impl LineStats {
    /// The far end reported on our source.
    pub(super) fn reported(&mut self, remote: Remote) {
        self.remote_lost = remote.lost.map(u64::from);
        self.remote_loss = remote.loss_percent.map(|percent| (percent / 100.0) as f32);
        self.remote_jitter = remote.jitter_units;
        self.round_trip = remote.round_trip.or(self.round_trip);
    }
}

impl TransportStats {
    pub(super) fn line(&mut self, line: usize) -> &mut LineStats {
        let place = self.lines.iter().position(|known| known.line == line);
        let place = place.unwrap_or_else(|| {
            self.lines.push(LineStats {
                line,
                ..LineStats::default()
            });
            self.lines.len() - 1
        });
        &mut self.lines[place]
    }
}
