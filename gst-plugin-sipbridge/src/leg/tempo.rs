// SPDX-License-Identifier: MPL-2.0
//! How fast to play so that the delay stays near its target: a little shorter or longer here and
//! there, in place of packets left out and holes filled.
//!
//! Whoever plays takes audio in steps of its own, so a packet is often taken while some of the one
//! before still waits. What counts against jitter is the delay when a packet is *taken*; what waits
//! already decoded (*held*) only adds to what is heard. So held audio is always worth shaving off, a
//! whole packet of it only where the line leaves room.

/// Takes that are looked at before the tempo changes: packets of 30 ms in steps of 20 ms leave
/// something over every other time, which is no delay to shave.
const WINDOW: usize = 8;
const WINDOW_QUIET: usize = 4;

/// Takes for which it must have been too much or too little before speech is stretched: what passes by
/// itself is left to do so.
const STANDING: usize = 100;

/// The same for too little: soon a packet would be missing, which is heard more.
const STANDING_SHORT: usize = 25;

/// The same for a little too much, which goes where it is quiet.
const STANDING_LITTLE: usize = 500;

/// In the first takes of a stream a little too much goes at once where it is quiet: a sender finds its
/// own pace then.
const YOUNG: usize = 100;

/// The longest piece that is taken out or put in at once: the longest period of a voice.
const PIECE_US: i64 = 15_000;

/// The shortest.
const PIECE_MIN_US: i64 = 2_500;

/// One step of playing.
const STEP_US: i64 = 20_000;

/// Between these a delay is left as it is. The first packet of a talkspurt is played up to a step
/// later than at the target, and a media thread that sleeps for 5 ms sees packets and ticks as much
/// later: on a clean line nothing is ever stretched.
const SHORT_US: i64 = 12_000;
const LONG_US: i64 = 2 * STEP_US + 5_000;

/// A little too much: a step can be saved, and some is left for the thread's sleep.
const LONGISH_US: i64 = STEP_US + 5_000;

/// Held audio that is left alone: a resampler's filter lives on it.
const RESERVE_US: i64 = 5_000;

/// Delay above the target that is taken out without waiting for a good place: more than the few
/// packets that a source often lacks when it begins.
const URGENT_US: i64 = 120_000;

/// What to do with a packet's audio before it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tempo {
    /// Play it as it is.
    #[default]
    Keep,
    /// Take a piece out.
    Shorten {
        /// No longer than this, in microseconds.
        most_us: u32,
        /// Also where it may be heard.
        urgent: bool,
    },
    /// Repeat a piece.
    Lengthen,
}

/// What is held at each take, lately, and for how long it has been too much or too little.
#[derive(Debug, Default)]
pub(super) struct Steering {
    held_us: [i64; WINDOW],
    known: usize,
    /// Takes since the stream began.
    age: usize,
    wanted: Wanted,
    /// For how many takes that has been wanted.
    standing: usize,
}

/// What a delay asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Wanted {
    #[default]
    Nothing,
    More,
    Less,
    /// Where it costs nothing.
    LittleLess,
    /// At once.
    MuchLess,
}

impl Steering {
    /// Another stream, or the far end paused.
    pub(super) fn reset(&mut self) {
        *self = Steering::default();
    }

    /// The tempo of a packet played `delay_us` after it could have been there, taken while `held_us`
    /// wait. `next`: the packet after it is there too.
    pub(super) fn judge(
        &mut self,
        delay_us: i64,
        held_us: i64,
        target_us: i64,
        quiet: bool,
        next: bool,
    ) -> Tempo {
        if let Some(place) = self.held_us.get_mut(self.age % WINDOW) {
            *place = held_us;
        }
        self.age = self.age.saturating_add(1);
        self.known = (self.known + 1).min(WINDOW);
        let lately = (1..=self.known).filter_map(|back| {
            let at = (self.age + WINDOW - back) % WINDOW;
            self.held_us.get(at).copied()
        });
        let (least, most) = lately.fold((i64::MAX, 0), |(least, most), held| {
            (held.min(least), held.max(most))
        });
        let taken_us = delay_us - most;
        let shaved_us = least - RESERVE_US;
        let wanted = if taken_us < target_us - SHORT_US {
            Wanted::More
        } else if taken_us > target_us + URGENT_US {
            Wanted::MuchLess
        } else if taken_us >= target_us + LONG_US || shaved_us >= PIECE_MIN_US {
            Wanted::Less
        } else if taken_us >= target_us + LONGISH_US {
            Wanted::LittleLess
        } else {
            Wanted::Nothing
        };
        self.standing = if wanted == self.wanted {
            self.standing + 1
        } else {
            1
        };
        self.wanted = wanted;
        let window = if quiet { WINDOW_QUIET } else { WINDOW };
        let stood = match wanted {
            Wanted::Nothing => false,
            Wanted::MuchLess => true,
            Wanted::More => quiet || self.standing >= STANDING_SHORT,
            Wanted::Less => quiet || self.standing >= STANDING,
            Wanted::LittleLess => quiet && (self.age <= YOUNG || self.standing >= STANDING_LITTLE),
        };
        if !stood || self.known < window && wanted != Wanted::MuchLess {
            return Tempo::Keep;
        }
        let tempo = match wanted {
            Wanted::Nothing => Tempo::Keep,
            Wanted::More => Tempo::Lengthen,
            _ if taken_us >= target_us + LONGISH_US && next => Tempo::Shorten {
                most_us: PIECE_US as u32,
                urgent: wanted == Wanted::MuchLess,
            },
            _ if shaved_us >= PIECE_MIN_US => Tempo::Shorten {
                most_us: shaved_us.min(PIECE_US) as u32,
                urgent: false,
            },
            _ => Tempo::Keep,
        };
        if tempo != Tempo::Keep {
            // What was held is not what will be.
            self.known = 0;
        }
        tempo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: i64 = 20_000;

    /// The first tempo that is not to keep on, and after how many packets, within twenty seconds.
    fn judged(delay_us: i64, held_us: &[i64], quiet: bool) -> Option<(usize, Tempo)> {
        let mut steering = Steering::default();
        let mut held = held_us.iter().cycle();
        (0..1_000)
            .map(|take| {
                let held_us = held.next().copied().unwrap_or_default();
                let tempo = steering.judge(delay_us, held_us, TARGET, quiet, true);
                (take, tempo)
            })
            .find(|(_, tempo)| *tempo != Tempo::Keep)
    }

    fn shorten(most_us: u32, urgent: bool) -> Tempo {
        Tempo::Shorten { most_us, urgent }
    }

    #[test]
    fn near_the_target_nothing_is_done() {
        for delay_us in [9_000, 20_000, 44_000] {
            assert_eq!(judged(delay_us, &[0], false), None, "{delay_us}");
            assert_eq!(judged(delay_us, &[0], true), None, "{delay_us}");
        }
        // In speech neither where it is a little too much.
        assert_eq!(judged(60_000, &[0], false), None);
    }

    #[test]
    fn too_much_and_too_little_are_mended_after_a_while_or_where_it_is_quiet() {
        assert_eq!(
            judged(66_000, &[0], false),
            Some((99, shorten(15_000, false)))
        );
        assert_eq!(
            judged(66_000, &[0], true),
            Some((3, shorten(15_000, false)))
        );
        assert_eq!(
            judged(46_000, &[0], true),
            Some((3, shorten(15_000, false)))
        );
        assert_eq!(
            judged(150_000, &[0], false),
            Some((0, shorten(15_000, true)))
        );
        assert_eq!(judged(4_000, &[0], false), Some((24, Tempo::Lengthen)));
    }

    #[test]
    fn a_little_too_much_later_on_stands_for_long() {
        let mut steering = Steering::default();
        for _ in 0..200 {
            assert_eq!(steering.judge(30_000, 0, TARGET, true, true), Tempo::Keep);
        }
        let kept = (0..1_000)
            .take_while(|_| steering.judge(50_000, 0, TARGET, true, true) == Tempo::Keep)
            .count();
        assert_eq!(kept, STANDING_LITTLE - 1);
    }

    #[test]
    fn what_is_held_for_nothing_is_shaved_off() {
        assert_eq!(
            judged(36_000, &[12_000], true),
            Some((3, shorten(7_000, false)))
        );
        assert_eq!(judged(36_000, &[7_000], true), None);
        // Packets of 30 ms leave something every other time.
        assert_eq!(judged(34_000, &[0, 10_000], true), None);
    }
}
