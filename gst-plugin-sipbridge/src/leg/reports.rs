// SPDX-License-Identifier: MPL-2.0
//! RTCP: sender and receiver reports, both ways (RFC 3550 section 6).

use std::time::{Duration, Instant};

use rtcp_types::prelude::*;
use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock, Sdes, SdesChunk, SdesItem, SenderReport,
};

use super::reception::Reception;

/// The usual time between reports (RFC 3550 section 6.2: the recommended minimum).
const INTERVAL: Duration = Duration::from_secs(5);

/// What our sender has to tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// The RTP timestamp that belongs to now.
    pub(super) rtp_now: u32,
}

/// What the far end told of us.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Remote {
    pub(super) lost: Option<u32>,
    pub(super) loss_percent: Option<f64>,
    pub(super) jitter_units: Option<u32>,
    pub(super) round_trip: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Reports {
    ssrc: u32,
    cname: String,
    /// Wall-clock time of `epoch` as NTP writes it: seconds and 2⁻³² seconds since 1900.
    ntp_epoch: u64,
    epoch: Instant,
    due: Option<Instant>,
    /// Moves reports of many calls apart (RFC 3550 section 6.3.5), by one linear congruential step
    /// a report.
    spread: u32,
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
            ntp_epoch,
            epoch,
            due: None,
            spread: ssrc,
            last_sender_report: None,
            remote: Remote::default(),
            buffer: Vec::new(),
        }
    }

    /// Reports begin; the first comes early, so that the round trip is known early.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.due.is_none() {
            self.due = Some(now + self.interval() / 4);
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

    fn interval(&mut self) -> Duration {
        self.spread = self
            .spread
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        INTERVAL / 2 + INTERVAL.mul_f64(f64::from(self.spread) / f64::from(u32::MAX))
    }

    fn ntp(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        self.ntp_epoch
            .wrapping_add((elapsed.as_secs() << 32) + fraction)
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
        self.due = Some(now + self.interval());
        let block = reception.map(|reception| {
            let (last, delay) = self.last_sender_report.map_or((0, 0), |(last, at)| {
                let delay = now.saturating_duration_since(at).as_secs_f64();
                (last, (delay * 65_536.0) as u32)
            });
            ReportBlock::builder(reception.ssrc)
                .fraction_lost(reception.take_fraction_lost())
                // 24 bits, signed (RFC 3550 section 6.4.1); the writer takes none that do not fit.
                .cumulative_lost(reception.lost().clamp(0, 0x7f_ffff) as u32)
                .extended_sequence_number(reception.highest())
                .interarrival_jitter(reception.jitter_units())
                .last_sender_report_timestamp(last)
                .delay_since_last_sender_report_timestamp(delay)
        });
        let mut compound = Compound::builder();
        if sent.packets > 0 {
            let mut report = SenderReport::builder(self.ssrc)
                .ntp_timestamp(self.ntp(now))
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
                    for block in report.report_blocks() {
                        self.reported(now, &block);
                    }
                }
                Ok(Packet::Rr(report)) => {
                    for block in report.report_blocks() {
                        self.reported(now, &block);
                    }
                }
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn reported(&mut self, now: Instant, block: &ReportBlock<'_>) {
        if block.ssrc() != self.ssrc {
            return;
        }
        // 24 bits, signed: negative where some came twice (RFC 3550 section 6.4.1).
        let lost = block.cumulative_lost() & 0xff_ffff;
        self.remote.lost = Some(if lost > 0x7f_ffff { 0 } else { lost });
        self.remote.loss_percent = Some(f64::from(block.fraction_lost()) * 100.0 / 256.0);
        self.remote.jitter_units = Some(block.interarrival_jitter());
        let last = block.last_sender_report_timestamp();
        if last == 0 {
            return;
        }
        let middle = (self.ntp(now) >> 16) as u32;
        let units = middle
            .wrapping_sub(last)
            .wrapping_sub(block.delay_since_last_sender_report_timestamp());
        // A far end that miscounts can make it negative, which reads as hours.
        if units < 65_536 * 60 {
            self.remote.round_trip = Some(Duration::from_secs_f64(f64::from(units) / 65_536.0));
        }
    }
}
