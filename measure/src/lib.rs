// SPDX-License-Identifier: MPL-2.0
//! Did the speech that went in come out, and how well?
//!
//! [`compare`] takes what was said and what was recorded at the far end, finds the delay between
//! them (also where it drifts, or steps as a jitter buffer adapts), and states the correlation of the two,
//! the difference in level and every gap. [`Marker`] is a sound that exists only in this run, so
//! that nothing recorded earlier can be taken for success. [`picture`] draws both directions.
//!
//! Everything is compared in the telephone's band, 300 to 3400 Hz, at 16 kHz, whatever the rates of the two
//! recordings are. Levels are dBFS of the root mean square, 0 dBFS being a full-scale square wave.

mod align;
mod band;
mod level;
mod marker;
mod matching;
pub mod memory;
mod picture;
pub mod sheet;
pub mod steady;
mod wave;

pub use level::{FLOOR_DBFS, Gap};
pub use marker::{Found, Marker};
pub use matching::{Fault, Match, Thresholds, compare};
pub use picture::{Heard, picture};
pub use wave::{Wave, WaveError};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// The telephone's voice: about nine seconds at 16 kHz, as a WAV file.
pub const PHONE_SPEECH: &[u8] = include_bytes!("../speech/phone.wav");
/// The room's voice, another one with another text.
pub const ROOM_SPEECH: &[u8] = include_bytes!("../speech/room.wav");
