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

/// Takes in which there has to be too much before a piece of speech is taken out, where neither is
/// it quiet nor does time press: nobody speaks for long without a pause, and most of what is too
/// much when a call begins is gone by then.
const PATIENCE: u32 = 100;

/// The longest piece that is taken out or put in at once: the longest period of a voice.
const PIECE_US: i64 = 15_000;

/// The shortest.
const PIECE_MIN_US: i64 = 2_500;

/// One step of playing.
const STEP_US: i64 = 20_000;

/// How far below its target the delay may be before audio is drawn out.
const SHORT_US: i64 = 10_000;

/// How little of a step may be missing at the target after a step was saved.
const SLACK_US: i64 = 5_000;

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

/// What is held at each take, lately.
#[derive(Debug, Default)]
pub(super) struct Steering {
    held_us: [i64; WINDOW],
    takes: usize,
    /// Takes in a row in which there was too much.
    too_much: u32,
}

impl Steering {
    /// Another stream or another tempo: what was held says nothing any more.
    pub(super) fn reset(&mut self) {
        self.takes = 0;
        self.too_much = 0;
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
        if let Some(place) = self.held_us.get_mut(self.takes % WINDOW) {
            *place = held_us;
        }
        self.takes += 1;
        let wanted = if quiet { WINDOW_QUIET } else { WINDOW };
        let known = self.held_us.get(..self.takes.min(WINDOW));
        let known = known.unwrap_or_default();
        let (Some(least), Some(most)) = (known.iter().min(), known.iter().max()) else {
            return Tempo::Keep;
        };
        let taken_us = delay_us - most;
        let urgent = taken_us > target_us + URGENT_US;
        if known.len() < wanted && !urgent {
            return Tempo::Keep;
        }
        let tempo = if taken_us < target_us - SHORT_US {
            Tempo::Lengthen
        } else if taken_us - STEP_US >= target_us - SLACK_US && next {
            Tempo::Shorten {
                most_us: PIECE_US as u32,
                urgent,
            }
        } else if *least >= PIECE_MIN_US {
            Tempo::Shorten {
                most_us: (*least).min(PIECE_US) as u32,
                urgent: false,
            }
        } else {
            Tempo::Keep
        };
        let shortens = matches!(tempo, Tempo::Shorten { .. });
        self.too_much = if shortens { self.too_much + 1 } else { 0 };
        if shortens && !quiet && !urgent && self.too_much < PATIENCE {
            return Tempo::Keep;
        }
        if tempo != Tempo::Keep {
            self.reset();
        }
        tempo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: i64 = 20_000;

    /// The first tempo that is not to keep on, within three seconds.
    fn judged(quiet: bool, delay_us: i64, held_us: &[i64]) -> Option<(usize, Tempo)> {
        let mut steering = Steering::default();
        let mut held = held_us.iter().cycle();
        (0..150)
            .map(|take| {
                let held_us = held.next().copied().unwrap_or_default();
                let tempo = steering.judge(delay_us, held_us, TARGET, quiet, true);
                (take, tempo)
            })
            .find(|(_, tempo)| *tempo != Tempo::Keep)
    }

    #[test]
    fn near_the_target_nothing_is_done() {
        for delay_us in [12_000, 20_000, 34_000] {
            assert_eq!(judged(false, delay_us, &[0]), None, "{delay_us}");
        }
    }

    #[test]
    fn a_step_too_much_goes_where_it_is_quiet_and_too_little_grows() {
        let shorten = |urgent| Tempo::Shorten {
            most_us: 15_000,
            urgent,
        };
        assert_eq!(judged(true, 36_000, &[0]), Some((3, shorten(false))));
        assert_eq!(judged(false, 150_000, &[0]), Some((0, shorten(true))));
        assert_eq!(judged(false, 9_000, &[0]), Some((7, Tempo::Lengthen)));
    }

    #[test]
    fn speech_is_left_alone_for_two_seconds() {
        let (take, tempo) = judged(false, 36_000, &[0]).unwrap();
        assert!((100..=110).contains(&take), "{take}");
        assert!(matches!(tempo, Tempo::Shorten { urgent: false, .. }));
    }

    #[test]
    fn what_is_held_for_nothing_is_shaved_off() {
        let shave = Tempo::Shorten {
            most_us: 8_000,
            urgent: false,
        };
        assert_eq!(judged(true, 36_000, &[8_000]), Some((3, shave)));
        // Packets of 30 ms leave something every other time.
        assert_eq!(judged(false, 34_000, &[0, 10_000]), None);
    }
}
