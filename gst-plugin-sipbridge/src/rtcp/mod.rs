// SPDX-License-Identifier: MPL-2.0
//! RTCP (RFC 3550 section 6): what the reports of a phone's leg and of a WebRTC transport are made of.

pub(crate) mod reception;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rtcp_types::{ReportBlock, ReportBlockBuilder};

use reception::Reception;

/// The usual time between reports (RFC 3550 section 6.2: the recommended minimum).
const INTERVAL: Duration = Duration::from_secs(5);

/// Seconds from 1900, where NTP's time begins, to 1970.
pub(crate) const NTP_UNIX: u64 = 2_208_988_800;

/// The time of day as NTP writes it: seconds and 2⁻³² seconds since 1900.
pub(crate) fn ntp_now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs() + NTP_UNIX) << 32) + fraction
}

/// Tells the time of day of any moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// The time of day of `epoch`, as NTP writes it.
    ntp_epoch: u64,
    epoch: Instant,
}

impl Clock {
    pub(crate) fn new(ntp_epoch: u64, epoch: Instant) -> Clock {
        Clock { ntp_epoch, epoch }
    }

    pub(crate) fn ntp(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        self.ntp_epoch
            .wrapping_add((elapsed.as_secs() << 32) + fraction)
    }
}

/// Moves reports of many calls apart (RFC 3550 section 6.3.5), by one linear congruential step a report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    spread: u32,
}

impl Pace {
    pub(crate) fn new(seed: u32) -> Pace {
        Pace { spread: seed }
    }

    /// The time to the next report.
    pub(crate) fn interval(&mut self) -> Duration {
        self.spread = self
            .spread
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        INTERVAL / 2 + INTERVAL.mul_f64(f64::from(self.spread) / f64::from(u32::MAX))
    }
}

/// What the far end told of us.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Remote {
    pub(crate) lost: Option<u32>,
    pub(crate) loss_percent: Option<f64>,
    pub(crate) jitter_units: Option<u32>,
    pub(crate) round_trip: Option<Duration>,
}

impl Remote {
    /// A block on a source of ours came.
    pub(crate) fn reported(&mut self, ntp_now: u64, block: &ReportBlock<'_>) {
        // 24 bits, signed: negative where some came twice (RFC 3550 section 6.4.1).
        let lost = block.cumulative_lost() & 0xff_ffff;
        self.lost = Some(if lost > 0x7f_ffff { 0 } else { lost });
        self.loss_percent = Some(f64::from(block.fraction_lost()) * 100.0 / 256.0);
        self.jitter_units = Some(block.interarrival_jitter());
        let last = block.last_sender_report_timestamp();
        if last == 0 {
            return;
        }
        let middle = (ntp_now >> 16) as u32;
        let units = middle
            .wrapping_sub(last)
            .wrapping_sub(block.delay_since_last_sender_report_timestamp());
        // A far end that miscounts can make it negative, which reads as hours.
        if units < 65_536 * 60 {
            self.round_trip = Some(Duration::from_secs_f64(f64::from(units) / 65_536.0));
        }
    }
}

/// What we tell of a source. `last_sender_report`: the middle 32 bits of its time, and when it came.
pub(crate) fn report_block(
    reception: &mut Reception,
    last_sender_report: Option<(u32, Instant)>,
    now: Instant,
) -> ReportBlockBuilder {
    let (last, delay) = last_sender_report.map_or((0, 0), |(last, at)| {
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
}
