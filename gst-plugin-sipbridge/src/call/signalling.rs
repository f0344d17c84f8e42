// SPDX-License-Identifier: MPL-2.0
//! What passed between the user agents, for people to look at.

use std::fmt;
use std::sync::{Arc, OnceLock};

use sip_ua::agent::CallHandle;
use sip_ua::ladder::LadderStep;

/// The SIP messages of one call. Keeps neither the call nor its media.
#[derive(Clone, Default)]
pub struct Signalling {
    handle: Arc<OnceLock<CallHandle>>,
}

impl Signalling {
    pub(super) fn begin(&self, handle: &CallHandle) {
        // A call has one dialog: the first handle is the only one.
        let _ = self.handle.set(handle.clone());
    }

    /// The messages so far, secrets masked; none before the INVITE.
    pub fn ladder(&self) -> Vec<LadderStep> {
        self.handle
            .get()
            .map(CallHandle::ladder)
            .unwrap_or_default()
    }
}

impl From<&CallHandle> for Signalling {
    fn from(handle: &CallHandle) -> Signalling {
        let signalling = Signalling::default();
        signalling.begin(handle);
        signalling
    }
}

impl fmt::Debug for Signalling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signalling")
            .field(&self.handle.get())
            .finish()
    }
}
