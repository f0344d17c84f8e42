// SPDX-License-Identifier: MPL-2.0
//! A real SFU: Debian's Janus as a child process.

pub use sip_worker::demo::janus::{Janus, Options};
