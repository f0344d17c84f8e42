// SPDX-License-Identifier: MPL-2.0
//! A SIP user agent, sans-IO.
//!
//! From the wire up: [`wire`] reads and writes messages, [`digest`] authenticates, [`transaction`]
//! makes requests reliable, [`dialog`] remembers who talks to whom, [`endpoint`] puts calls together
//! out of them without touching a socket or a clock, and [`agent`] runs an endpoint on tokio.
//! [`registration`] stays registered somewhere, [`watch`] asks whether servers are there, [`registrar`] is where others register. [`sdp`]
//! negotiates media and knows none of the others. [`guard`] tells scanners from phones. [`resolve`] finds the servers behind a name. [`ladder`] keeps the messages of a call for people
//! to look at. [`memory`] gives back what a crowd of calls needed.

pub mod agent;
pub mod dialog;
pub mod digest;
pub mod endpoint;
mod fingerprint;
pub mod guard;
pub mod ladder;
pub mod memory;
pub mod registrar;
pub mod registration;
pub mod resolve;
pub mod sdp;
mod surplus;
pub mod transaction;
pub mod transport;
pub mod watch;
pub mod wire;
