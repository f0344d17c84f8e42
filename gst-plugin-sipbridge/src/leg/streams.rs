// SPDX-License-Identifier: MPL-2.0
//! Which source is heard, where another may come in its place.

use crate::rtcp::reception::{Reception, Sequenced};

/// Which packets are of the stream that is heard, and where in it.
#[derive(Debug, Default)]
pub(super) struct Streams {
    current: Option<Reception>,
    /// SSRC and sequence of a packet that may begin another stream, if the next one agrees.
    intruder: Option<(u32, u16)>,
    lost_before: i64,
}

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// There; an extended sequence number.
    Fits(i64),
    /// There, in another stream, whose numbers have nothing to do with those before.
    Began(i64),
    /// It came before.
    Duplicate,
    /// Nowhere, unless the next one agrees with it.
    Nowhere,
}

impl Streams {
    pub(super) fn place(&mut self, ssrc: u32, sequence: u16) -> Placed {
        let changed = match &self.current {
            Some(reception) if reception.ssrc == ssrc => {
                self.intruder = None;
                false
            }
            // A stray packet must not end a stream: the second in a row counts.
            Some(_) => {
                if self.intruder != Some((ssrc, sequence.wrapping_sub(1))) {
                    self.intruder = Some((ssrc, sequence));
                    return Placed::Nowhere;
                }
                true
            }
            None => false,
        };
        let lost = self.current.as_ref().map_or(0, Reception::lost);
        if changed {
            self.ended(lost);
            self.current = None;
        }
        let reception = self
            .current
            .get_or_insert_with(|| Reception::new(ssrc, sequence));
        match reception.sequence(sequence) {
            Sequenced::Fits(extended) if changed => Placed::Began(extended),
            Sequenced::Fits(extended) => Placed::Fits(extended),
            Sequenced::Restarted(extended) => {
                self.ended(lost);
                Placed::Began(extended)
            }
            Sequenced::Duplicate => Placed::Duplicate,
            Sequenced::Implausible => Placed::Nowhere,
        }
    }

    fn ended(&mut self, lost: i64) {
        self.lost_before += lost;
        self.intruder = None;
    }

    /// The stream that is heard.
    pub(super) fn current(&self) -> Option<&Reception> {
        self.current.as_ref()
    }

    pub(super) fn current_mut(&mut self) -> Option<&mut Reception> {
        self.current.as_mut()
    }

    /// Packets that never came, of this stream and those before.
    pub(super) fn lost(&self) -> i64 {
        self.lost_before + self.current.as_ref().map_or(0, Reception::lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_is_believed_when_its_next_packet_agrees() {
        let mut streams = Streams::default();
        assert_eq!(streams.place(1, 100), Placed::Fits(65_636));
        assert_eq!(streams.place(1, 102), Placed::Fits(65_638));
        assert_eq!(streams.place(2, 7), Placed::Nowhere);
        assert_eq!(streams.place(1, 103), Placed::Fits(65_639));
        assert_eq!(streams.place(2, 8), Placed::Nowhere);
        assert_eq!(streams.place(2, 9), Placed::Began(65_545));
        assert_eq!(streams.lost(), 1, "that of the first stream");
    }
}
