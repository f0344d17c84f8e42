// SPDX-License-Identifier: MPL-2.0
//! A telephone call: a SIP dialog and its media leg under one name.

mod notice;

pub use notice::{CallEnd, CallNotice, CallState, EndedBy, Timeline};
