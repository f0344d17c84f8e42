// SPDX-License-Identifier: MPL-2.0
//! Packets of another length where both sides speak the same codec: the payloads of one that has the same number
//! of bytes for each sample are joined and cut anew, without being decoded.

use sip_ua::sdp::Codec;

/// Bytes for each unit of the RTP clock; `None`: a payload is a whole.
pub(super) fn bytes_a_unit(codec: Codec) -> Option<usize> {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => Some(1),
        Codec::L16 => Some(2),
        Codec::Opus => None,
    }
}

/// What waits for the rest of its packet.
#[derive(Debug, Default)]
pub(super) struct Joined {
    bytes: Vec<u8>,
    /// How much of it has left.
    taken: usize,
    unit: usize,
}

impl Joined {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.taken = 0;
    }

    /// Appends a payload with so many bytes for each unit.
    pub(super) fn push(&mut self, payload: &[u8], unit: usize) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.unit = unit;
        self.bytes.extend_from_slice(payload);
    }

    /// The next packet of this length, if it is whole.
    pub(super) fn packet(&mut self, samples: u32) -> Option<&[u8]> {
        let end = self.taken + samples as usize * self.unit;
        let packet = self.bytes.get(self.taken..end)?;
        self.taken = end;
        Some(packet)
    }

    /// The rest, and how long it is: nothing that belongs to it will come.
    pub(super) fn rest(&mut self) -> Option<(&[u8], u32)> {
        let rest = self.bytes.get(self.taken..)?;
        self.taken = self.bytes.len();
        let samples = rest.len().checked_div(self.unit)?;
        (samples > 0).then_some((rest, samples as u32))
    }
}
