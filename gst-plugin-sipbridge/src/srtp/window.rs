// SPDX-License-Identifier: MPL-2.0
//! Which packet a sequence number means, and which came already (RFC 3711 section 3.3).

/// Packets behind the newest that may still come.
const WIDTH: u64 = 128;

/// Half the range of sequence numbers.
const HALF: u16 = 1 << 15;

/// What came of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    highest: Option<u64>,
    /// Bit n: the packet n before the highest came.
    seen: u128,
}

impl Window {
    /// One that goes on from the same place, in which nothing came yet.
    pub(super) fn emptied(self) -> Window {
        Window {
            highest: self.highest,
            seen: 0,
        }
    }

    /// Roll-over counter and sequence number of the packet that most likely has this number. A stream
    /// begins with the counter at 0.
    pub(super) fn index(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            return u64::from(sequence);
        };
        let (counter, last) = (highest >> 16, highest as u16);
        let counter = if last < HALF && sequence > last && sequence - last > HALF {
            // Before the first wrap there is nothing.
            counter.saturating_sub(1)
        } else if last >= HALF && last - HALF > sequence {
            counter + 1
        } else {
            counter
        };
        (counter & 0xffff_ffff) << 16 | u64::from(sequence)
    }

    /// Whether the packet can be one that has not come before.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.highest {
            Some(highest) if index <= highest => {
                let behind = highest - index;
                behind < WIDTH && self.seen >> behind & 1 == 0
            }
            _ => true,
        }
    }

    /// An authentic packet came.
    pub(super) fn came(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {
                let behind = highest - index;
                if behind < WIDTH {
                    self.seen |= 1 << behind;
                }
            }
            highest => {
                let ahead = highest.map_or(WIDTH, |highest| index - highest);
                self.seen = if ahead < WIDTH {
                    self.seen << ahead | 1
                } else {
                    1
                };
                self.highest = Some(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(highest: u64) -> Window {
        let mut window = Window::default();
        window.came(highest);
        window
    }

    #[test]
    fn numbers_wrap_forwards_and_backwards() {
        for (highest, sequence, index) in [
            (65_535, 0, 0x1_0000),
            (0x1_0000, 65_535, 65_535),
            (0x1_0002, 1, 0x1_0001),
            (0x2_8000, 0x7fff, 0x2_7fff),
            (0x2_8001, 0, 0x3_0000),
            // Nothing was before the first.
            (5, 65_000, 65_000),
        ] {
            assert_eq!(
                at(highest).index(sequence),
                index,
                "{highest:x} {sequence:x}"
            );
        }
        assert_eq!(Window::default().index(40_000), 40_000);
    }

    #[test]
    fn nothing_is_new_twice() {
        let mut window = at(1_000);
        assert!(!window.is_new(1_000));
        assert!(window.is_new(999));
        window.came(999);
        assert!(!window.is_new(999));
        assert!(window.is_new(1_000 - 127));
        assert!(
            !window.is_new(1_000 - 128),
            "too old to be told from a replay"
        );
        window.came(1_003);
        assert!(window.is_new(1_001));
        for old in [999, 1_000, 1_003] {
            assert!(!window.is_new(old), "{old}");
        }
        window.came(5_000);
        assert!(!window.is_new(1_003));
        assert!(window.is_new(4_999));
    }

    #[test]
    fn an_emptied_window_knows_where_it_was() {
        let window = at(0x3_0005).emptied();
        assert_eq!(window.index(6), 0x3_0006);
        assert!(window.is_new(0x3_0005));
    }
}
