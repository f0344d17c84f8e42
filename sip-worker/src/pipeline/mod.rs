// SPDX-License-Identifier: MPL-2.0
//! Media graphs from files: `pipelines/*.toml`.
//!
//! A file holds launch texts (`[room]`: once a room of this worker, `[call]`: once a call, `[track]`: once a
//! track that is heard), names the elements the worker takes hold of (`[ports]`) and what an operator may change (`[params]`). Values
//! of a call never enter a text: that would let a caller's name start a `filesink`. Everything is
//! checked at load, so that a call never meets a broken file; [`PipelineSet`] is swapped whole.

mod allow;
mod file;
mod launch;
mod loops;
mod params;
mod part;
mod set;

pub use file::looks_like_one;
pub use part::{Graph, Part, PartError, PartInstance};
pub use set::{DEFAULT, PLAIN, PipelineError, PipelineSet};

#[cfg(test)]
mod tests;
