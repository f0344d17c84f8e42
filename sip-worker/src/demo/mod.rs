// SPDX-License-Identifier: MPL-2.0
//! A first call on loopback, measured and drawn.

pub mod janus;
