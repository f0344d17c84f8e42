// SPDX-License-Identifier: MPL-2.0
//! Spoiled input for everything that reads what others send.
//!
//! A [`Target`] reads bytes and says what it made of them ([`Traits`]). A [`Campaign`] spoils known
//! inputs, keeps those of which a target makes something new, and goes on from there; what it draws
//! comes from a seed, so that a run can be repeated. A target that panics, goes on for ever, or takes
//! more memory than its input is worth is a [`Finding`]. No special compiler is needed, and a short run
//! is part of the tests (`tests/short.rs`); `./dev fuzz` runs for as long as one likes.
//!
//! An input that led to a finding is kept in `kept/TARGET/`, where the tests try it ever after.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a target that panics is what is looked for"
)]

mod campaign;
mod damage;
mod memory;
mod script;
mod targets;
mod traits;

pub use campaign::{Campaign, Finding, kept};
pub use targets::TARGETS;
pub use traits::Traits;

/// Something that reads what others send.
pub struct Target {
    pub name: &'static str,
    /// What it is given, for people.
    pub about: &'static str,
    /// Inputs as they should be, and known bad ones.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that mean something to it.
    pub words: &'static [&'static str],
    /// How many inputs the ordinary tests try.
    pub short: u32,
    pub run: fn(&[u8], &mut Traits),
}

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
