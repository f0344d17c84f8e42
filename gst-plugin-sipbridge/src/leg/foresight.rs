// SPDX-License-Identifier: MPL-2.0
//! Whether it pays to wait for the packet after the one that is due.
//!
//! Opus packets may carry a coarse copy of the one before (RFC 6716 section 2.1.7). To use it where
//! a packet is lost, the next one must be at hand when the lost one is due: a packet time more of
//! delay, worth it on a line that loses some, from a far end that sends copies.

/// What share of its weight an observation loses with each one after it.
const FORGET: f32 = 0.99;

/// Loss from which on the delay is worth it; it ceases to be at half of that.
const LOSS: f32 = 0.01;

/// How many of the packets must carry a copy.
const COPIES: f32 = 0.3;

#[derive(Debug, Default)]
pub(super) struct Foresight {
    loss: f32,
    copies: f32,
    pays: bool,
}

impl Foresight {
    /// A packet came, with a copy of the one before or without.
    pub(super) fn came(&mut self, copy: bool) {
        self.copies = self.copies * FORGET + if copy { 1.0 - FORGET } else { 0.0 };
    }

    /// A packet was played, or was missing when it was due.
    pub(super) fn due(&mut self, missing: bool) {
        self.loss = self.loss * FORGET + if missing { 1.0 - FORGET } else { 0.0 };
        let wanted = if self.pays { LOSS / 2.0 } else { LOSS };
        self.pays = self.loss >= wanted && self.copies >= COPIES;
    }

    pub(super) fn pays(&self) -> bool {
        self.pays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(loss_every: u32, copies: bool) -> bool {
        let mut foresight = Foresight::default();
        for packet in 1..=1_000 {
            foresight.came(copies);
            foresight.due(packet % loss_every == 0);
        }
        foresight.pays()
    }

    #[test]
    fn it_pays_where_packets_are_lost_and_copies_come() {
        assert!(after(20, true));
        assert!(!after(20, false));
        assert!(!after(10_000, true));
    }
}
