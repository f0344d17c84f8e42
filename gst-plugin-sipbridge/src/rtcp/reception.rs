// SPDX-License-Identifier: MPL-2.0
//! Sequence numbers, loss and jitter of one source (RFC 3550 appendix A).

use std::time::Instant;

/// A jump ahead by more than this, or back by more than [`MAX_MISORDER`], is another sequence.
const MAX_DROPOUT: i64 = 3_000;
const MAX_MISORDER: i64 = 100;

/// What a sequence number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequenced {
    /// Its extended form.
    Fits(i64),
    /// The far end began a new sequence; this is its second packet in a row.
    Restarted(i64),
    /// It came before.
    Duplicate,
    /// Too far off to be true, unless the next one agrees.
    Implausible,
}

/// What one source's packets say.
#[derive(Debug, Clone)]
pub(crate) struct Reception {
    pub(crate) ssrc: u32,
    first: i64,
    highest: i64,
    received: i64,
    /// Which of the 64 numbers up to the highest came.
    seen: u64,
    expected_prior: i64,
    received_prior: i64,
    /// The number that would confirm a restart.
    restart: Option<u16>,
    /// Arrival and timestamp of the packet before, for the jitter.
    before: Option<(Instant, u32, u32)>,
    jitter: f64,
    clock_hz: u32,
}

impl Reception {
    pub(crate) fn new(ssrc: u32, sequence: u16) -> Reception {
        let first = extended_first(sequence);
        Reception {
            ssrc,
            first,
            highest: first - 1,
            received: 0,
            seen: 0,
            expected_prior: 0,
            received_prior: 0,
            restart: None,
            before: None,
            jitter: 0.0,
            clock_hz: 8_000,
        }
    }

    /// Judges a sequence number and counts the packet where it fits.
    pub(crate) fn sequence(&mut self, sequence: u16) -> Sequenced {
        let step = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        if (-MAX_MISORDER..=MAX_DROPOUT).contains(&step) {
            let extended = self.highest + step;
            self.received += 1;
            self.restart = None;
            if step > 0 {
                self.highest = extended;
                self.seen = self.seen.checked_shl(step as u32).unwrap_or(0) | 1;
            } else if step > -64 {
                let bit = 1u64 << -step;
                if self.seen & bit != 0 {
                    return Sequenced::Duplicate;
                }
                self.seen |= bit;
            }
            return Sequenced::Fits(extended);
        }
        if self.restart == Some(sequence) {
            let fresh = Reception::new(self.ssrc, sequence);
            *self = Reception {
                highest: fresh.first,
                received: 1,
                seen: 1,
                jitter: self.jitter,
                clock_hz: self.clock_hz,
                ..fresh
            };
            return Sequenced::Restarted(self.highest);
        }
        self.restart = Some(sequence.wrapping_add(1));
        Sequenced::Implausible
    }

    /// Interarrival jitter (RFC 3550 section 6.4.1). A packet of audio only: digits repeat their
    /// timestamp.
    pub(crate) fn arrived(&mut self, now: Instant, timestamp: u32, clock_hz: u32) {
        self.clock_hz = clock_hz;
        if let Some((at, earlier, hz)) = self.before
            && hz == clock_hz
        {
            let elapsed = now.saturating_duration_since(at).as_secs_f64() * f64::from(clock_hz);
            let stamped = f64::from(timestamp.wrapping_sub(earlier) as i32);
            let difference = (elapsed - stamped).abs();
            // A pause or a jump is no jitter.
            if difference < f64::from(clock_hz) {
                self.jitter += (difference - self.jitter) / 16.0;
            }
        }
        self.before = Some((now, timestamp, clock_hz));
    }

    pub(crate) fn jitter_units(&self) -> u32 {
        self.jitter as u32
    }

    pub(crate) fn jitter_ms(&self) -> f64 {
        self.jitter * 1000.0 / f64::from(self.clock_hz)
    }

    pub(crate) fn highest(&self) -> u32 {
        self.highest as u32
    }

    fn expected(&self) -> i64 {
        self.highest - self.first + 1
    }

    /// Packets that never came; negative where some came twice.
    pub(crate) fn lost(&self) -> i64 {
        self.expected() - self.received
    }

    /// The share lost since the last call, in 256ths (RFC 3550 appendix A.3).
    pub(crate) fn take_fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.expected_prior;
        let received = self.received - self.received_prior;
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost = expected - received;
        if expected <= 0 || lost <= 0 {
            return 0;
        }
        (lost * 256 / expected).min(255) as u8
    }
}

/// One cycle up, so that what was sent before the first packet has a number too.
fn extended_first(sequence: u16) -> i64 {
    i64::from(sequence) + (1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn wraps_and_counts_loss() {
        let mut reception = Reception::new(1, 65_530);
        for step in 0..20u16 {
            if step % 5 != 4 {
                let sequence = 65_530u16.wrapping_add(step);
                let expected = Sequenced::Fits(65_536 + 65_530 + i64::from(step));
                assert_eq!(reception.sequence(sequence), expected);
            }
        }
        // The last of four lost was the last sent: nobody can know of it yet.
        assert_eq!(reception.lost(), 3);
        assert_eq!(reception.take_fraction_lost(), (3 * 256 / 19) as u8);
        assert_eq!(reception.take_fraction_lost(), 0);
    }

    #[test]
    fn a_jump_is_believed_when_the_next_packet_agrees() {
        let mut reception = Reception::new(1, 100);
        assert_eq!(reception.sequence(100), Sequenced::Fits(65_636));
        assert_eq!(reception.sequence(30_000), Sequenced::Implausible);
        assert_eq!(reception.sequence(101), Sequenced::Fits(65_637));
        assert_eq!(reception.sequence(30_000), Sequenced::Implausible);
        assert_eq!(
            reception.sequence(30_001),
            Sequenced::Restarted(65_536 + 30_001)
        );
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn even_packets_have_no_jitter() {
        let mut reception = Reception::new(1, 0);
        let start = Instant::now();
        for step in 0..50 {
            reception.arrived(start + Duration::from_millis(20) * step, step * 160, 8_000);
        }
        assert_eq!(reception.jitter_units(), 0);
        for step in 50..300 {
            let late = Duration::from_millis(if step % 2 == 0 { 10 } else { 0 });
            let at = start + Duration::from_millis(20) * step + late;
            reception.arrived(at, step * 160, 8_000);
        }
        assert!((9.0..=10.1).contains(&reception.jitter_ms()));
    }
}
