// SPDX-License-Identifier: MPL-2.0
//! What the endpoint remembers of a call.

use std::sync::atomic::{AtomicU64, Ordering};

/// A call of this process. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u64);

impl CallId {
    pub fn unique() -> CallId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        CallId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
