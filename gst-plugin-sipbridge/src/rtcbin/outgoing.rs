// SPDX-License-Identifier: MPL-2.0
//! What a sink pad brings, with the numbers the wire wants.

use std::time::Instant;

use rtp_types::RtpPacket;

use crate::rtc::Outgoing;

/// More than that is no loss upstream but another stream.
const JUMP: u16 = 3_000;

/// Numbers the packets of one line: whatever feeds it may change or restart, its stream goes on.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    numbers: Vec<(u8, u8)>,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    ssrc: u32,
    sequence: u16,
    sent: u64,
    /// What is added to timestamps.
    shift: u32,
    timestamp: u32,
    at: Instant,
}

impl Rewriter {
    /// Payload types as they come, and as they go.
    pub(super) fn translate(&mut self, numbers: Vec<(u8, u8)>) {
        self.numbers = numbers;
    }

    /// The packet as it goes out, with the level that is known of it (RFC 6464) and whether it is speech; `None` where
    /// it is none, or of a kind that was not agreed on.
    pub(super) fn rewrite<'a>(
        &mut self,
        now: Instant,
        bytes: &'a [u8],
        level: Option<(u8, bool)>,
    ) -> Option<Outgoing<'a>> {
        let packet = RtpPacket::parse(bytes).ok()?;
        let (_, pt) = self
            .numbers
            .iter()
            .find(|(comes, _)| *comes == packet.payload_type())?;
        let (ssrc, sequence) = (packet.ssrc(), packet.sequence_number());
        let timestamp = packet.timestamp();
        let last = self.last.get_or_insert(Last {
            ssrc,
            sequence: sequence.wrapping_sub(1),
            // Below 65536 to begin with: the far end takes the rollover counter for 0. And low, that
            // what was sent before the first it hears cannot have rolled over.
            sent: u64::from(rand::random_range(1..0x7fff_u16)),
            shift: 0,
            timestamp,
            at: now,
        });
        let step = sequence.wrapping_sub(last.sequence);
        let is_other = last.ssrc != ssrc || (JUMP..u16::MAX - JUMP).contains(&step);
        let sent = if is_other {
            // Its clock began elsewhere: what passed since is what passed on ours, in its own units
            // as far as they are known.
            let passed = now.duration_since(last.at).as_millis() as u32;
            let clock_khz = if *pt == 0 || *pt == 8 || *pt == 9 {
                8
            } else {
                48
            };
            let goes_on = last
                .timestamp
                .wrapping_add(passed.max(1).wrapping_mul(clock_khz));
            last.shift = goes_on.wrapping_sub(timestamp);
            last.sent + 1
        } else if step > u16::MAX - JUMP {
            // Late, but in its place.
            last.sent.checked_sub(u64::from(step.wrapping_neg()))?
        } else {
            last.sent + u64::from(step)
        };
        let start = packet.payload_offset();
        let out = Outgoing {
            pt: *pt,
            sequence: sent,
            timestamp: timestamp.wrapping_add(last.shift),
            marker: packet.marker_bit() || is_other,
            level,
            payload: bytes.get(start..start + packet.payload_len())?,
        };
        if sent >= last.sent {
            last.ssrc = ssrc;
            last.sequence = sequence;
            last.sent = sent;
            last.timestamp = out.timestamp;
            last.at = now;
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, 96];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(&ssrc.to_be_bytes());
        bytes.push(7);
        bytes
    }

    fn rewriter() -> Rewriter {
        let mut rewriter = Rewriter::default();
        rewriter.translate(vec![(96, 111)]);
        rewriter
    }

    fn sent(rewriter: &mut Rewriter, now: Instant, bytes: &[u8]) -> (u64, u32, bool) {
        let out = rewriter.rewrite(now, bytes, None).unwrap();
        assert_eq!((out.pt, out.payload), (111, &[7][..]));
        (out.sequence, out.timestamp, out.marker)
    }

    #[test]
    fn numbers_go_on_through_wraps_losses_and_swaps() {
        let (mut rewriter, now) = (rewriter(), Instant::now());
        let (first, ..) = sent(&mut rewriter, now, &packet(5, 65_534, 100));
        assert!(first < 65_536);
        assert_eq!(
            sent(&mut rewriter, now, &packet(5, 65_535, 1_060)).0,
            first + 1
        );
        assert_eq!(sent(&mut rewriter, now, &packet(5, 2, 3_940)).0, first + 4);
        assert_eq!(sent(&mut rewriter, now, &packet(5, 1, 2_980)).0, first + 3);
        assert_eq!(
            sent(&mut rewriter, now, &packet(5, 3, 4_900)),
            (first + 5, 4_900, false)
        );
    }

    #[test]
    fn another_source_continues_the_stream() {
        let (mut rewriter, now) = (rewriter(), Instant::now());
        let (first, ..) = sent(&mut rewriter, now, &packet(5, 10, 1_000));
        let later = now + Duration::from_millis(20);
        assert_eq!(
            sent(&mut rewriter, later, &packet(6, 4_000, 9_000_000)),
            (first + 1, 1_960, true)
        );
        assert_eq!(
            sent(&mut rewriter, later, &packet(6, 4_001, 9_000_960)),
            (first + 2, 2_920, false)
        );
    }

    #[test]
    fn what_was_not_agreed_on_stays_here() {
        let (mut rewriter, now) = (Rewriter::default(), Instant::now());
        assert!(rewriter.rewrite(now, &packet(5, 1, 1), None).is_none());
        assert!(rewriter.rewrite(now, &[0x80, 96, 1], None).is_none());
    }
}
