// SPDX-License-Identifier: MPL-2.0
//! Who talks, by what senders say of their packets (RFC 6464). No I/O here.

use std::time::{Duration, Instant};

/// Speech is louder than this many dB below full scale, a quiet room is not.
const LOUD_DB: u8 = 45;
/// A packet of a pause, where the sender says nothing of loudness: Opus needs no more for a frame that
/// holds nothing but noise (RFC 6716 section 2.1.9).
const PAUSE_BYTES: usize = 12;
/// So many loud packets in [`BEGINS_WITHIN`] are talk; a click is fewer.
const BEGINS_AFTER: u32 = 3;
const BEGINS_WITHIN: Duration = Duration::from_millis(200);
/// Between words there is less silence than this.
const ENDS_AFTER: Duration = Duration::from_millis(600);

/// One track's voice.
#[derive(Debug, Default)]
pub(super) struct Voice {
    talking: bool,
    /// Loud packets, and since when they were counted.
    loud: u32,
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Voice {
    /// Takes note of a packet: its level in dB below full scale where it says so, and its size. Returns
    /// what changed.
    pub(super) fn packet(&mut self, now: Instant, level: Option<u8>, bytes: usize) -> Option<bool> {
        let loud = level.map_or(bytes > PAUSE_BYTES, |level| level <= LOUD_DB);
        if !loud {
            return self.lapse(now);
        }
        self.last = Some(now);
        if self.talking {
            return None;
        }
        let fresh = self.since.is_some_and(|since| now < since + BEGINS_WITHIN);
        if !fresh {
            (self.since, self.loud) = (Some(now), 0);
        }
        self.loud += 1;
        self.talking = self.loud >= BEGINS_AFTER;
        self.talking.then_some(true)
    }

    /// Time has passed. Returns what changed.
    pub(super) fn lapse(&mut self, now: Instant) -> Option<bool> {
        if self.due().is_none_or(|due| now < due) {
            return None;
        }
        *self = Voice::default();
        Some(false)
    }

    /// It is quiet from now on, whatever comes. Returns what changed.
    pub(super) fn hush(&mut self) -> Option<bool> {
        let talked = self.talking;
        *self = Voice::default();
        talked.then_some(false)
    }

    /// When [`Voice::lapse`] may have something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.last
            .filter(|_| self.talking)
            .map(|last| last + ENDS_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talk_begins_with_a_few_loud_packets_and_ends_with_a_pause() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut voice = Voice::default();
        assert_eq!(voice.packet(at(0), Some(20), 60), None);
        assert_eq!(voice.packet(at(20), Some(20), 60), None);
        assert_eq!(voice.packet(at(40), Some(20), 60), Some(true));
        assert_eq!(voice.packet(at(60), Some(20), 60), None);
        assert_eq!(voice.packet(at(300), Some(90), 60), None, "between words");
        assert_eq!(voice.lapse(at(659)), None);
        assert_eq!(voice.lapse(at(660)), Some(false));
        assert_eq!(voice.lapse(at(900)), None);
    }

    #[test]
    fn clicks_far_apart_are_no_talk() {
        let start = Instant::now();
        let mut voice = Voice::default();
        for click in 0..10 {
            let at = start + Duration::from_millis(250) * click;
            assert_eq!(voice.packet(at, Some(3), 60), None);
        }
    }

    #[test]
    fn who_tells_no_level_talks_by_what_packets_hold() {
        let now = Instant::now();
        let mut voice = Voice::default();
        for _ in 0..5 {
            assert_eq!(voice.packet(now, None, 3), None);
        }
        let changes: Vec<_> = (0..3).filter_map(|_| voice.packet(now, None, 40)).collect();
        assert_eq!(changes, [true]);
        assert_eq!(voice.hush(), Some(false));
        assert_eq!(voice.hush(), None);
    }
}
