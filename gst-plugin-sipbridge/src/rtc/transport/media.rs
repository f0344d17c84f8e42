// SPDX-License-Identifier: MPL-2.0
//! RTP out and in.

use std::net::SocketAddr;
use std::time::Instant;

use rtp_types::RtpPacket;

use super::header::{self, Extensions};
use super::{Action, Outgoing, Packet, Payload, Transport, TransportState};
use crate::rtcp::reception::Reception;
use crate::srtp::is_rtcp;

/// Packets that may wait to be filled again.
const SPARE_MAX: usize = 16;

/// More than fits into a packet of Ethernet's with all headers.
const PAYLOAD_MAX: usize = 1_400;

impl Transport {
    /// Sends a packet of a media line. `false`: it is not connected, the line does not send, or the
    /// packet is too long for a network.
    pub fn send(&mut self, now: Instant, line: usize, packet: &Outgoing<'_>) -> bool {
        if self.state != TransportState::Connected || packet.payload.len() > PAYLOAD_MAX {
            return false;
        }
        let (Some(link), Some(plan)) = (&self.link, &self.plan) else {
            return false;
        };
        let (Some(srtp), Some((from, to))) = (&link.srtp, link.path.pair()) else {
            return false;
        };
        let Some(media) = plan.media.iter().find(|media| media.line == line) else {
            return false;
        };
        let Some(send) = &media.send else {
            return false;
        };
        let spare = self.spare.pop().unwrap_or_default();
        let written = header::write(send.ssrc, &media.mid, packet, &plan.extensions, spare);
        let Some(mut bytes) = written else {
            return false;
        };
        if srtp.protect_rtp_at(&mut bytes, packet.sequence).is_none() {
            return false;
        }
        let stats = self.stats.line(line);
        stats.ssrc = Some(send.ssrc);
        stats.packets_sent += 1;
        stats.bytes_sent += packet.payload.len() as u64;
        stats.last = Some((packet.timestamp, packet.pt, now));
        self.stats.bytes_sent += bytes.len() as u64;
        self.actions.push_back(Action::Send { from, to, bytes });
        true
    }

    /// What was sent, to be filled again.
    pub fn give_back(&mut self, bytes: Vec<u8>) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(bytes);
        }
    }

    /// What shares the transport with checks and handshakes: RTP and RTCP (RFC 5761).
    pub(super) fn take_media(&mut self, at: Instant, from: SocketAddr, bytes: &[u8]) -> bool {
        let (Some(link), Some(plan)) = (&mut self.link, &self.plan) else {
            return false;
        };
        if !link.path.knows(from) {
            return false;
        }
        self.stats.bytes_received += bytes.len() as u64;
        let Some(srtp) = &mut link.srtp else {
            return false;
        };
        link.opened.clear();
        link.opened.extend_from_slice(bytes);
        if is_rtcp(bytes) {
            let opened = srtp.unprotect_rtcp(&mut link.opened);
            return opened.is_ok()
                && self.reports.receive(
                    at,
                    &link.opened,
                    &mut self.sources,
                    &mut self.stats.lines,
                );
        }
        let Ok(sequence) = srtp.unprotect_rtp(&mut link.opened) else {
            return false;
        };
        let Ok(packet) = RtpPacket::parse(&link.opened) else {
            return false;
        };
        let (ssrc, pt) = (packet.ssrc(), packet.payload_type());
        let extensions = Extensions::read(&packet, &plan.extensions);
        let Some(source) = self.sources.place(plan, ssrc, pt, extensions.mid) else {
            return false;
        };
        let reception = source
            .reception
            .get_or_insert_with(|| Reception::new(ssrc, packet.sequence_number()));
        // What the cipher let pass is in its place, whatever its number.
        reception.sequence(packet.sequence_number());
        let format = plan.formats.iter().find(|format| format.pt == pt);
        let clock_hz = format.map_or(super::CLOCK_UNKNOWN_HZ, |format| format.clock_hz.max(1));
        reception.arrived(at, packet.timestamp(), clock_hz);
        source.is_news = true;
        if self.state == TransportState::Connected {
            let start = packet.payload_offset();
            let place = start..start + packet.payload_len();
            let Some(payload) = Payload::new(&link.opened, place) else {
                return false;
            };
            let packet = Packet {
                line: source.line,
                ssrc,
                sequence,
                timestamp: packet.timestamp(),
                marker: packet.marker_bit(),
                pt,
                level: extensions.level,
                payload,
                at,
            };
            self.actions.push_back(Action::Packet(packet));
        }
        true
    }
}
