// SPDX-License-Identifier: MPL-2.0
//! The calls of this worker: a task each, a table of all.
//!
//! - [`table`]: what is known of every call, running and lately ended, and the events of each change
//! - [`limits`]: how many calls a trunk may hold and how fast they may come

pub mod limits;
pub mod table;

pub use table::{CallInfo, CallTable, Control, Direction, Event, State};
