// SPDX-License-Identifier: MPL-2.0
//! What a packet carries, without being taken out of it.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// The payload of an RTP packet that arrived, together with its header. Cloned without a copy.
#[derive(Debug, Clone)]
pub struct Payload {
    packet: Arc<[u8]>,
    place: Range<usize>,
}

impl Payload {
    /// `None`: nothing of the packet is at that place.
    pub(super) fn new(packet: &[u8], place: Range<usize>) -> Option<Payload> {
        packet.get(place.clone())?;
        Some(Payload {
            packet: packet.into(),
            place,
        })
    }

    /// The RTP packet that carries it, with the header that the far end wrote.
    pub fn packet(&self) -> &Arc<[u8]> {
        &self.packet
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.packet.get(self.place.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
impl<const N: usize> From<[u8; N]> for Payload {
    fn from(bytes: [u8; N]) -> Payload {
        Payload {
            packet: bytes.into(),
            place: 0..N,
        }
    }
}
