// SPDX-License-Identifier: MPL-2.0
//! RTCP: sender and receiver reports, both ways (RFC 3550 section 6).

use std::time::Instant;

use rtcp_types::prelude::*;
use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock, Sdes, SdesChunk, SdesItem, SenderReport,
};

use crate::rtcp::reception::Reception;
use crate::rtcp::{Clock, Pace, Remote, report_block};

/// What our sender has to tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// The RTP timestamp that belongs to now.
    pub(super) rtp_now: u32,
}

#[derive(Debug)]
pub(super) struct Reports {
    ssrc: u32,
    cname: String,
    clock: Clock,
    due: Option<Instant>,
    pace: Pace,
    /// Middle 32 bits of the far end's last sender report, and when it came.
    last_sender_report: Option<(u32, Instant)>,
    pub(super) remote: Remote,
    buffer: Vec<u8>,
}

impl Reports {
    pub(super) fn new(ssrc: u32, cname: String, ntp_epoch: u64, epoch: Instant) -> Reports {
        Reports {
            ssrc,
            cname,
            clock: Clock::new(ntp_epoch, epoch),
            due: None,
            pace: Pace::new(ssrc),
            last_sender_report: None,
            remote: Remote::default(),
            buffer: Vec::new(),
        }
    }

    /// Reports begin; the first comes early, so that the round trip is known early.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.due.is_none() {
            self.due = Some(now + self.pace.interval() / 4);
        }
    }

    /// We send with another SSRC. What the far end reported of the one before does not hold for it.
    pub(super) fn rename(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
        self.remote = Remote::default();
    }

    /// Another source: what its predecessor reported does not hold for it.
    pub(super) fn forget_source(&mut self) {
        self.last_sender_report = None;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next compound packet, if its time has come, or at once with a BYE.
    pub(super) fn write(
        &mut self,
        now: Instant,
        sent: Sent,
        reception: Option<&mut Reception>,
        bye: bool,
    ) -> Option<&[u8]> {
        if !bye {
            self.due.filter(|due| *due <= now)?;
        }
        self.due = Some(now + self.pace.interval());
        let last = self.last_sender_report;
        let block = reception.map(|reception| report_block(reception, last, now));
        let mut compound = Compound::builder();
        if sent.packets > 0 {
            let mut report = SenderReport::builder(self.ssrc)
                .ntp_timestamp(self.clock.ntp(now))
                .rtp_timestamp(sent.rtp_now)
                .packet_count(sent.packets as u32)
                .octet_count(sent.bytes as u32);
            if let Some(block) = block {
                report = report.add_report_block(block);
            }
            compound = compound.add_packet(report);
        } else {
            let mut report = ReceiverReport::builder(self.ssrc);
            if let Some(block) = block {
                report = report.add_report_block(block);
            }
            compound = compound.add_packet(report);
        }
        compound = compound.add_packet(Sdes::builder().add_chunk(
            SdesChunk::builder(self.ssrc).add_item(SdesItem::builder(SdesItem::CNAME, &self.cname)),
        ));
        if bye {
            compound = compound.add_packet(Bye::builder().add_source(self.ssrc));
        }
        self.buffer.resize(512, 0);
        match compound.write_into(&mut self.buffer) {
            Ok(length) => self.buffer.get(..length),
            // A name longer than RTCP can carry is the caller's configuration; without reports the
            // call still works.
            Err(error) => {
                tracing::warn!(%error, "cannot write an RTCP report");
                None
            }
        }
    }

    /// Reads a compound packet. `false`: it is none.
    pub(super) fn receive(&mut self, now: Instant, packet: &[u8], source: Option<u32>) -> bool {
        let Ok(compound) = Compound::parse(packet) else {
            return false;
        };
        for packet in compound {
            match packet {
                Ok(Packet::Sr(report)) => {
                    if source.is_none_or(|ssrc| ssrc == report.ssrc()) {
                        let middle = (report.ntp_timestamp() >> 16) as u32;
                        self.last_sender_report = Some((middle, now));
                    }
                    self.reported(now, report.report_blocks());
                }
                Ok(Packet::Rr(report)) => {
                    self.reported(now, report.report_blocks());
                }
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn reported<'a>(&mut self, now: Instant, blocks: impl Iterator<Item = ReportBlock<'a>>) {
        for block in blocks.filter(|block| block.ssrc() == self.ssrc) {
            self.remote.reported(self.clock.ntp(now), &block);
        }
    }
}
