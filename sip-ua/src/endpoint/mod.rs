// SPDX-License-Identifier: MPL-2.0
//! The user agent without its sockets: datagrams and instants in, datagrams and events out.

mod call;
mod event;
mod screen;

use std::time::Duration;

pub use call::CallId;
pub use event::{CallEvent, End, EndCause, EndedBy, Reason};
pub use screen::{Limits, Screen, Verdict};

use crate::digest::Credentials;
use crate::wire::{NameAddr, Uri};

/// A call to make.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub to: Uri,
    pub from: NameAddr,
    pub headers: Vec<(String, Vec<u8>)>,
    pub offer: Option<Vec<u8>>,
    pub credentials: Option<Credentials>,
    pub ring_timeout: Duration,
    /// The Call-ID.
    pub sip_call_id: String,
}
