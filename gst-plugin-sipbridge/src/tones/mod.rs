// SPDX-License-Identifier: MPL-2.0
//! The tones of telephone keys (ITU-T Q.23, Q.24), sans-IO: made, and found in what is heard.
//!
//! `dtmfdetect` tells a key when it goes down and not how long it is held, and wants a bus; so tones
//! are found here, and the same code says which part of the audio they take up.

mod listen;
mod sing;

#[cfg(test)]
mod tests;

pub use listen::{Listener, Press};
pub use sing::Singer;

/// The rows and columns of the key pad, in Hz.
const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

const PAD: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// The power of 0 dBm0 in samples of 16 bits: a full sine is 3.14 dBm0 (ITU-T G.711).
const MILLIWATT: f64 = 32_767.0 * 32_767.0 / 2.0 / 2.060_6;

/// Low and high frequency of a key.
fn pair(key: char) -> Option<(f64, f64)> {
    PAD.iter().zip(LOW).find_map(|(keys, low)| {
        let (_, high) = keys.iter().zip(HIGH).find(|(other, _)| **other == key)?;
        Some((low, high))
    })
}
