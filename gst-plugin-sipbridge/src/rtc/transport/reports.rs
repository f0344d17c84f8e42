// SPDX-License-Identifier: MPL-2.0
//! RTCP: sender and receiver reports on all streams of the transport, both ways.

use std::time::Instant;

use rtcp_types::prelude::*;
use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock, ReportBlockBuilder, Sdes, SdesChunk,
    SdesItem, SenderReport,
};

use super::sources::{Source, Sources};
use super::stats::{LineStats, Told};
use super::{Action, CLOCK_UNKNOWN_HZ, Transport};
use crate::rtc::plan::Plan;
use crate::rtcp::{Clock, Pace, Remote, ntp_now, report_block};

/// Sources in one compound packet: with all the rest it still fits into one datagram. The others come
/// with the next.
const BLOCKS_MAX: usize = 24;

/// Our own streams in one compound packet.
const SENDERS_MAX: usize = 8;

/// No compound packet of ours is longer.
const LENGTH_MAX: usize = 1_200;

pub(super) struct Reports {
    /// Who reports where nothing is sent.
    listener: u32,
    clock: Option<Clock>,
    due: Option<Instant>,
    pace: Pace,
    buffer: Vec<u8>,
}

impl Reports {
    pub(super) fn new() -> Reports {
        let listener = rand::random();
        Reports {
            listener,
            clock: None,
            due: None,
            pace: Pace::new(listener),
            buffer: Vec::new(),
        }
    }

    /// Reports begin; the first comes early, so that the round trip is known early.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.due.is_none() {
            self.clock = Some(Clock::new(ntp_now(), now));
            self.due = Some(now + self.pace.interval() / 4);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next compound packet.
    fn write(
        &mut self,
        now: Instant,
        plan: &Plan,
        lines: &[LineStats],
        sources: &mut Sources,
        bye: bool,
    ) -> Option<&[u8]> {
        let ntp = self.clock?.ntp(now);
        self.due = Some(now + self.pace.interval());
        let sending = |line: &&LineStats| {
            let media = plan.media.iter().find(|media| media.line == line.line);
            let sends = media.and_then(|media| media.send.as_ref());
            line.packets_sent > 0 && sends.map(|send| send.ssrc) == line.ssrc
        };
        let senders: Vec<_> = lines.iter().filter(sending).take(SENDERS_MAX).collect();
        let fresh = sources.iter_mut().filter(|source| source.is_news);
        let mut blocks = fresh
            .take(BLOCKS_MAX)
            .filter_map(|source| block(source, now));
        let mut compound = Compound::builder();
        let own: Vec<u32> = senders.iter().filter_map(|line| line.ssrc).collect();
        for (line, ssrc) in senders.iter().zip(&own) {
            let report = SenderReport::builder(*ssrc)
                .ntp_timestamp(ntp)
                .rtp_timestamp(rtp_now(line, plan, now))
                .packet_count(line.packets_sent as u32)
                .octet_count(line.bytes_sent as u32);
            // All of them with the first.
            compound = compound.add_packet(
                blocks
                    .by_ref()
                    .fold(report, |report, block| report.add_report_block(block)),
            );
        }
        if own.is_empty() {
            let report = ReceiverReport::builder(self.listener);
            compound = compound
                .add_packet(blocks.fold(report, |report, block| report.add_report_block(block)));
        }
        let own = match own.is_empty() {
            true => vec![self.listener],
            false => own,
        };
        let mut names = Sdes::builder();
        for ssrc in &own {
            let name = SdesItem::builder(SdesItem::CNAME, &plan.cname);
            names = names.add_chunk(SdesChunk::builder(*ssrc).add_item(name));
        }
        compound = compound.add_packet(names);
        if bye {
            let gone = own
                .iter()
                .fold(Bye::builder(), |bye, ssrc| bye.add_source(*ssrc));
            compound = compound.add_packet(gone);
        }
        self.buffer.resize(LENGTH_MAX, 0);
        match compound.write_into(&mut self.buffer) {
            Ok(length) => self.buffer.get(..length),
            Err(error) => {
                tracing::debug!(%error, "cannot write an RTCP report");
                None
            }
        }
    }

    /// Reads a compound packet. `false`: it is none.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        packet: &[u8],
        sources: &mut Sources,
        lines: &mut [LineStats],
    ) -> bool {
        let Ok(compound) = Compound::parse(packet) else {
            return false;
        };
        for packet in compound {
            match packet {
                Ok(Packet::Sr(report)) => {
                    if let Some(source) = sources.of(report.ssrc()) {
                        let ntp = report.ntp_timestamp();
                        source.last_report = Some(((ntp >> 16) as u32, now));
                        source.told = Some(Told {
                            ssrc: source.ssrc,
                            packets: report.packet_count(),
                            bytes: report.octet_count(),
                            ntp,
                        });
                    }
                    self.reported(now, report.report_blocks(), lines);
                }
                Ok(Packet::Rr(report)) => self.reported(now, report.report_blocks(), lines),
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn reported<'a>(
        &self,
        now: Instant,
        blocks: impl Iterator<Item = ReportBlock<'a>>,
        lines: &mut [LineStats],
    ) {
        let Some(clock) = self.clock else {
            return;
        };
        for block in blocks {
            let mut lines = lines.iter_mut();
            if let Some(line) = lines.find(|line| line.ssrc == Some(block.ssrc())) {
                let mut remote = Remote::default();
                remote.reported(clock.ntp(now), &block);
                line.reported(remote);
            }
        }
    }
}

fn block(source: &mut Source, now: Instant) -> Option<ReportBlockBuilder> {
    source.is_news = false;
    let last = source.last_report;
    let reception = source.reception.as_mut()?;
    Some(report_block(reception, last, now))
}

/// The RTP timestamp that belongs to now.
fn rtp_now(line: &LineStats, plan: &Plan, now: Instant) -> u32 {
    let Some((timestamp, pt, at)) = line.last else {
        return 0;
    };
    let format = plan.formats.iter().find(|format| format.pt == pt);
    let clock_hz = format.map_or(CLOCK_UNKNOWN_HZ, |format| format.clock_hz);
    let passed = now.saturating_duration_since(at).as_secs_f64() * f64::from(clock_hz);
    timestamp.wrapping_add(passed as u64 as u32)
}

impl Transport {
    /// Sends a report if one is due, or at once with a BYE.
    pub(super) fn report(&mut self, now: Instant, bye: bool) {
        let due = self.reports.due().is_some_and(|due| due <= now);
        let (Some(link), Some(plan), true) = (&mut self.link, &self.plan, due || bye) else {
            return;
        };
        let (Some(srtp), Some((from, to))) = (&mut link.srtp, link.path.pair()) else {
            return;
        };
        let (lines, sources) = (&self.stats.lines, &mut self.sources);
        let written = self.reports.write(now, plan, lines, sources, bye);
        let Some(bytes) = written.and_then(|packet| srtp.protect_rtcp(packet)) else {
            return;
        };
        self.stats.bytes_sent += bytes.len() as u64;
        let bytes = bytes.to_vec();
        self.actions.push_back(Action::Send { from, to, bytes });
    }
}
