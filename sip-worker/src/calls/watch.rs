// SPDX-License-Identifier: MPL-2.0
//! Notices that a phone has gone without a word: no packet for too long, where there should be some.

use std::time::{Duration, Instant};

/// Watches the packets of one call. Silence is no absence: comfort noise and a codec's own
/// discontinuous transmission still send now and then, and so does RTCP.
#[derive(Debug)]
pub struct MediaWatch {
    limit: Duration,
    /// Packets seen so far, and when that number last grew or the far end was on hold.
    seen: u64,
    alive: Instant,
}

impl MediaWatch {
    /// Begins at the answer.
    pub fn new(limit: Duration, now: Instant) -> MediaWatch {
        MediaWatch {
            limit,
            seen: 0,
            alive: now,
        }
    }

    /// Takes the counter of packets as it is now; `expected` is false while the far end is not to
    /// send at all. Says for how long nothing came, once that is too long.
    pub fn check(&mut self, packets: u64, expected: bool, now: Instant) -> Option<Duration> {
        if packets != self.seen || !expected {
            self.seen = packets;
            self.alive = now;
        }
        let silent = now.saturating_duration_since(self.alive);
        (silent >= self.limit).then_some(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_on_hold_may_be_silent_and_a_lost_one_may_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = MediaWatch::new(Duration::from_secs(30), start);
        assert_eq!(watch.check(500, true, at(10)), None);
        assert_eq!(watch.check(500, true, at(39)), None);
        assert_eq!(watch.check(501, true, at(40)), None);
        assert_eq!(watch.check(501, false, at(300)), None);
        assert_eq!(watch.check(501, true, at(329)), None);
        assert_eq!(
            watch.check(501, true, at(330)),
            Some(Duration::from_secs(30))
        );
    }
}
