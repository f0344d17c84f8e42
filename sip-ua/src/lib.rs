// SPDX-License-Identifier: MPL-2.0
//! A SIP user agent, sans-IO.

pub mod digest;
pub mod sdp;
pub mod wire;
