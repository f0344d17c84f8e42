// SPDX-License-Identifier: MPL-2.0
//! SRTP between the sockets and the leg, with the keys that offer and answer agreed on, or a handshake.

use std::net::SocketAddr;
use std::time::Instant;

use sip_ua::sdp::SrtpKeys;

use super::{Leg, LegEvent};
use crate::srtp::{Refused, Srtp, is_rtcp};

impl Leg {
    /// Puts the keys agreed on into force.
    pub(super) fn agree_on_keys(&mut self, keys: Option<&SrtpKeys>) {
        let other = match (&mut self.srtp, keys) {
            (_, None) => {
                self.srtp = None;
                return;
            }
            (Some(srtp), Some(keys)) => srtp.agree(keys),
            (srtp, Some(keys)) => {
                *srtp = Some(Box::new(Srtp::new(keys)));
                true
            }
        };
        // Whether roll-over counters go on or begin anew with another key, people differ about; with
        // another SSRC it is one and the same. And no key ever meets the same counter twice.
        if other && self.sender.packets() > 0 {
            self.reports.rename(self.sender.begin_stream());
        }
    }

    /// One datagram from the RTP socket.
    pub fn receive_rtp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        // What comes before the handshake is over cannot be told from anybody's.
        if self.waits_for_keys() {
            return;
        }
        let Some(srtp) = &mut self.srtp else {
            return self.take_rtp(now, from, bytes);
        };
        if is_rtcp(bytes) {
            return self.receive_rtcp(now, from, bytes);
        }
        let mut packet = std::mem::take(&mut self.opened);
        packet.clear();
        packet.extend_from_slice(bytes);
        match srtp.unprotect_rtp(&mut packet) {
            Ok(_) => {
                self.doubt.resolve();
                self.take_rtp(now, from, &packet);
            }
            Err(refused) => self.refuse(now, from, refused),
        }
        self.opened = packet;
    }

    /// One datagram from the RTCP socket.
    pub fn receive_rtcp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        if self.waits_for_keys() {
            return;
        }
        let Some(srtp) = &mut self.srtp else {
            return self.take_rtcp(now, from, bytes);
        };
        let mut packet = std::mem::take(&mut self.opened);
        packet.clear();
        packet.extend_from_slice(bytes);
        match srtp.unprotect_rtcp(&mut packet) {
            Ok(()) => self.take_rtcp(now, from, &packet),
            Err(refused) => self.refuse(now, from, refused),
        }
        self.opened = packet;
    }

    fn refuse(&mut self, now: Instant, from: SocketAddr, refused: Refused) {
        match refused {
            Refused::Malformed => self.stats.malformed += 1,
            Refused::Forged => {
                self.stats.forged += 1;
                // Anybody can send packets; whose they are, a handshake has shown already.
                if self.has_described_keys() && self.source.is_at(from) && self.doubt.refuse(now) {
                    self.events.push_back(LegEvent::WrongKey(from));
                }
            }
            Refused::Replayed => self.stats.replayed += 1,
        }
    }

    fn has_described_keys(&self) -> bool {
        let agreed = self.negotiated.as_ref();
        agreed.is_some_and(|agreed| agreed.srtp.is_some())
    }
}
