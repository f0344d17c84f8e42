// SPDX-License-Identifier: MPL-2.0
//! Packets out, and what comes of everything.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::media::Pt;
use str0m::net::Transmit;
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::stats::{MediaEgressStats, PeerStats};
use str0m::{Event, IceConnectionState, Input, Output};

use super::{
    Action, IceState, Outgoing, Packet, RETURN_MAX, Transport, TransportEvent, TransportState,
    apply,
};

/// More than fits into a packet of Ethernet's with all headers; str0m takes no more than 2000 bytes.
const PAYLOAD_MAX: usize = 1_400;

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
}

impl TransportStats {
    fn line(&mut self, line: usize) -> Option<&mut LineStats> {
        if !self.lines.iter().any(|known| known.line == line) {
            self.lines.push(LineStats {
                line,
                ..LineStats::default()
            });
        }
        self.lines.iter_mut().find(|known| known.line == line)
    }
}

impl Transport {
    /// Sends a packet of a media line. `false`: it is not connected, the line does not send, or the
    /// packet is too long for a network.
    pub fn send(&mut self, now: Instant, line: usize, packet: &Outgoing<'_>) -> bool {
        if self.state != TransportState::Connected || packet.payload.len() > PAYLOAD_MAX {
            return false;
        }
        let (Some(rtc), Some(plan)) = (&mut self.rtc, &self.plan) else {
            return false;
        };
        let Some(media) = plan.media.iter().find(|media| media.line == line) else {
            return false;
        };
        let Some(send) = &media.send else {
            return false;
        };
        self.now = Some(now);
        let mut direct = rtc.direct_api();
        let Some(stream) = direct.stream_tx(&send.ssrc.into()) else {
            return false;
        };
        let mut write = RtpWrite::new(
            Pt::new_with_value(packet.pt),
            packet.sequence.into(),
            packet.timestamp,
            now,
            packet.payload,
        )
        .marker(packet.marker);
        if let Some((level, voice)) = packet.level {
            write = write.ext_vals(ExtensionValues {
                audio_level: Some(-(level.min(127) as i8)),
                voice_activity: Some(voice),
                ..ExtensionValues::default()
            });
        }
        stream.write_rtp(write);
        // What is written is queued when time next moves, and not before.
        if let Err(error) = rtc.handle_input(Input::Timeout(now)) {
            tracing::debug!(%error, "a packet was not sent");
        }
        self.drained = false;
        if let Some(stats) = self.stats.line(line) {
            stats.ssrc = Some(send.ssrc);
            stats.packets_sent += 1;
            stats.bytes_sent += packet.payload.len() as u64;
        }
        true
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Action {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Action::Event(event);
            }
            if self.drained {
                return Action::Wait(earliest(self.wake, self.deadline));
            }
            let Some(rtc) = &mut self.rtc else {
                self.drained = true;
                continue;
            };
            match rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => return self.transmit(transmit),
                Ok(Output::Event(event)) => {
                    if let Some(packet) = self.event(event) {
                        return Action::Packet(packet);
                    }
                }
                Ok(Output::Timeout(at)) => {
                    self.drained = true;
                    self.wake = Some(at);
                    if self.is_over() {
                        // Goodbye is said.
                        self.rtc = None;
                        self.wake = None;
                    }
                }
                Err(error) => {
                    self.drained = true;
                    let alive = rtc.is_alive();
                    if !alive || self.state == TransportState::Connecting {
                        self.fail(format!("the far end could not be authenticated: {error}"));
                    } else {
                        tracing::debug!(%error, "the connection has a moment's trouble");
                    }
                }
            }
        }
    }

    fn transmit(&mut self, transmit: Transmit) -> Action {
        self.stats.bytes_sent += transmit.contents.len() as u64;
        Action::Send {
            from: transmit.source,
            to: transmit.destination,
            bytes: transmit.contents,
        }
    }

    fn event(&mut self, event: Event) -> Option<Packet> {
        match event {
            Event::RtpPacket(packet) => return self.packet(packet),
            Event::IceConnectionStateChange(state) => self.ice_changed(state),
            Event::Connected => self.connected(),
            Event::Closed => self.enter(TransportState::Closed, None),
            Event::PeerStats(stats) => self.peer_stats(&stats),
            Event::MediaEgressStats(stats) => self.egress(&stats),
            _ => {}
        }
        None
    }

    fn packet(&mut self, packet: RtpPacket) -> Option<Packet> {
        let ssrc = *packet.header.ssrc;
        let line = match self.streams.line(ssrc) {
            Some(line) => line,
            // Its own header extension named the line.
            None => {
                let direct = self.rtc.as_mut()?;
                let mid = direct.direct_api().stream_rx(&ssrc.into())?.mid();
                let media = &self.plan.as_ref()?.media;
                let line = media.iter().find(|m| apply::mid(&m.mid) == mid)?.line;
                self.streams.named(ssrc, line);
                line
            }
        };
        self.streams.proven(ssrc);
        if self.state != TransportState::Connected {
            return None;
        }
        let values = &packet.header.ext_vals;
        Some(Packet {
            line,
            ssrc,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            pt: *packet.header.payload_type,
            level: values
                .audio_level
                .map(|level| (level.unsigned_abs(), values.voice_activity.unwrap_or(false))),
            payload: packet.payload,
            at: packet.timestamp,
        })
    }

    fn ice_changed(&mut self, state: IceConnectionState) {
        let state = match state {
            IceConnectionState::New => IceState::New,
            IceConnectionState::Checking => IceState::Checking,
            IceConnectionState::Connected => IceState::Connected,
            IceConnectionState::Completed => IceState::Completed,
            IceConnectionState::Disconnected => IceState::Disconnected,
        };
        if self.is_over() || state == self.ice {
            return;
        }
        self.ice = state;
        self.events.push_back(TransportEvent::Ice(state));
        match (state, self.state) {
            (IceState::Disconnected, TransportState::Connected) => {
                self.deadline = self.now.map(|now| now + RETURN_MAX);
                self.enter(TransportState::Disconnected, None);
            }
            (IceState::Connected | IceState::Completed, TransportState::Disconnected) => {
                self.connected();
            }
            _ => {}
        }
    }

    fn connected(&mut self) {
        self.deadline = None;
        self.enter(TransportState::Connected, None);
    }

    fn peer_stats(&mut self, stats: &PeerStats) {
        self.stats.bytes_received = stats.peer_bytes_rx;
        if let Some(pair) = &stats.selected_candidate_pair {
            self.stats.pair = Some((pair.local.addr, pair.remote.addr));
            self.stats.check_round_trip = pair.current_round_trip_time;
        }
    }

    fn egress(&mut self, stats: &MediaEgressStats) {
        let Some(plan) = &self.plan else {
            return;
        };
        let media = plan.media.iter().find(|m| apply::mid(&m.mid) == stats.mid);
        let Some(line) = media.map(|media| media.line) else {
            return;
        };
        if let Some(own) = self.stats.line(line) {
            own.round_trip = stats.rtt.or(own.round_trip);
            own.remote_loss = stats.loss.or(own.remote_loss);
            if let Some(remote) = &stats.remote {
                own.remote_lost = Some(remote.packets_lost);
                own.remote_jitter = Some(remote.jitter);
            }
        }
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
