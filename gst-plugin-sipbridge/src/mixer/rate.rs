// SPDX-License-Identifier: MPL-2.0
//! The sample rates of telephony.

/// Samples a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// G.711.
    Hz8000,
    /// G.722.
    Hz16000,
    /// Opus at its widest.
    Hz48000,
}

impl Rate {
    /// All of them, lowest first.
    pub const ALL: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

    /// The rate of so many samples a second.
    pub fn from_hz(hz: u32) -> Option<Rate> {
        Rate::ALL.into_iter().find(|rate| rate.hz() == hz)
    }

    /// In samples a second.
    pub fn hz(self) -> u32 {
        match self {
            Rate::Hz8000 => 8_000,
            Rate::Hz16000 => 16_000,
            Rate::Hz48000 => 48_000,
        }
    }

    /// Samples in the 20 ms of a tick.
    pub fn frame(self) -> usize {
        self.hz() as usize / 50
    }
}

/// One of something for each rate.
#[derive(Debug, Clone, Default)]
pub(super) struct PerRate<T>([T; 3]);

impl<T> PerRate<T> {
    pub(super) fn new(make: impl FnMut(Rate) -> T) -> PerRate<T> {
        PerRate(Rate::ALL.map(make))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Rate, &mut T)> {
        Rate::ALL.into_iter().zip(&mut self.0)
    }
}

impl<T> std::ops::Index<Rate> for PerRate<T> {
    type Output = T;

    fn index(&self, rate: Rate) -> &T {
        let [low, middle, high] = &self.0;
        match rate {
            Rate::Hz8000 => low,
            Rate::Hz16000 => middle,
            Rate::Hz48000 => high,
        }
    }
}

impl<T> std::ops::IndexMut<Rate> for PerRate<T> {
    fn index_mut(&mut self, rate: Rate) -> &mut T {
        let [low, middle, high] = &mut self.0;
        match rate {
            Rate::Hz8000 => low,
            Rate::Hz16000 => middle,
            Rate::Hz48000 => high,
        }
    }
}
