// SPDX-License-Identifier: MPL-2.0
//! Where the far end is and which keys it has, where neither is in its description: connectivity checks
//! and a handshake (DTLS-SRTP, RFC 5764) find that out, and whoever has them tells the leg.

use std::net::SocketAddr;
use std::time::Instant;

use sip_ua::sdp::{Negotiated, SrtpKeys};

use super::Leg;
use super::doubt::Doubt;

impl Leg {
    /// The keys that a handshake came to; `None`: there are none yet, or no more. Without keys nothing is
    /// sent and nothing is taken.
    pub fn take_keys(&mut self, now: Instant, keys: Option<&SrtpKeys>) {
        let before = self.sending();
        self.agree_on_keys(keys);
        self.send_after(now, before);
    }

    /// Where the far end was found; `None`: nowhere yet, or not any more.
    pub fn lead_to(&mut self, now: Instant, to: Option<SocketAddr>) {
        let before = self.sending();
        self.source.lead(to);
        self.send_after(now, before);
    }

    /// Whether a handshake was agreed on that has not come to keys.
    pub(super) fn waits_for_keys(&self) -> bool {
        let agreed = self.negotiated.as_ref();
        self.srtp.is_none() && agreed.is_some_and(|agreed| agreed.dtls.is_some())
    }

    /// An agreement: keys and addresses of the descriptions, or those that a handshake finds. The handshake
    /// that there is goes on.
    pub(super) fn agree_on_way(&mut self, negotiated: &Negotiated) {
        let shakes = |agreed: &Negotiated| agreed.dtls.is_some();
        let shook = self.negotiated.as_ref().is_some_and(shakes);
        let key = |agreed: &Negotiated| agreed.srtp.as_ref().map(|keys| keys.receive.clone());
        if self.negotiated.as_ref().and_then(key) != key(negotiated) {
            self.doubt = Doubt::default();
        }
        if !shakes(negotiated) {
            self.source.unlead();
            self.agree_on_keys(negotiated.srtp.as_ref());
        } else if !shook {
            self.source.lead(None);
            self.agree_on_keys(None);
        }
    }
}
