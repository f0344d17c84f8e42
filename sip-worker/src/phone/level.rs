// SPDX-License-Identifier: MPL-2.0
//! How loud it is, for the live line.

use std::sync::{Mutex, PoisonError};

use crate::measure::FLOOR_DBFS;

/// Gathers audio until it is read.
#[derive(Default)]
pub struct Meter {
    gathered: Mutex<(f64, usize)>,
}

impl Meter {
    /// Adds audio.
    pub fn take(&self, samples: &[i16]) {
        let energy: f64 = samples
            .iter()
            .map(|s| (f64::from(*s) / 32_768.0).powi(2))
            .sum();
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.0 += energy;
        gathered.1 += samples.len();
    }

    /// The level in dBFS since the last reading, to a tenth; the floor where there was nothing.
    pub fn read(&self) -> f64 {
        let (energy, count) = {
            let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *gathered)
        };
        if count == 0 || energy <= 0.0 {
            return f64::from(FLOOR_DBFS);
        }
        let level = (10.0 * (energy / count as f64).log10()).max(f64::from(FLOOR_DBFS));
        (level * 10.0).round() / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_wave_is_zero_and_each_reading_begins_anew() {
        let meter = Meter::default();
        assert_eq!(meter.read(), f64::from(FLOOR_DBFS));
        meter.take(&[i16::MIN; 100]);
        assert_eq!(meter.read(), 0.0);
        meter.take(&[16_384; 100]);
        assert_eq!(meter.read(), -6.0);
        meter.take(&[0; 100]);
        assert_eq!(meter.read(), f64::from(FLOOR_DBFS));
    }
}
