// SPDX-License-Identifier: MPL-2.0
//! libopus's decoder in memory of ours, for it is to be copied: what is concealed in place of a packet
//! that was never lost must leave no trace in how the next one is decoded.
//!
//! Concealment changes what a decoder expects: after it, libopus takes the edge off the next packet's
//! filter, in the belief that something was lost. Where nothing was, decoder and encoder then differ, and
//! in a tone they do so for as long as it lasts, up to full scale.

use std::ffi::c_int;

use opusic_c::{ErrorCode, sys};

/// Aligned for anything that libopus keeps.
type Block = Box<[u128]>;

/// What a decoder was.
pub(super) type Saved = Block;

/// A mono decoder.
pub(super) struct State {
    memory: Block,
    rate_hz: u32,
}

impl State {
    /// A decoder that gives samples at this rate.
    pub(super) fn new(rate_hz: u32) -> Result<State, ErrorCode> {
        // SAFETY: a number in and a number out.
        let bytes = unsafe { sys::opus_decoder_get_size(1) };
        let blocks = usize::try_from(bytes)
            .unwrap_or_default()
            .div_ceil(size_of::<u128>());
        if blocks == 0 {
            return Err(ErrorCode::Internal);
        }
        let mut state = State {
            memory: vec![0; blocks].into_boxed_slice(),
            rate_hz,
        };
        state.reset().map(|()| state)
    }

    /// Forgets the past.
    pub(super) fn reset(&mut self) -> Result<(), ErrorCode> {
        let rate_hz = self.rate_hz as i32;
        // SAFETY: the memory is as large as libopus asked for, and nobody else's.
        let result = unsafe { sys::opus_decoder_init(self.as_mut_ptr(), rate_hz, 1) };
        count(result).map(|_| ())
    }

    /// Decodes a packet, or the copy of the one before it that it carries (`fec`), or without a packet
    /// makes something up. Returns how many samples that are.
    pub(super) fn decode(
        &mut self,
        packet: Option<&[u8]>,
        pcm: &mut [i16],
        fec: bool,
    ) -> Result<usize, ErrorCode> {
        let (bytes, length) = match packet {
            Some(packet) => (packet.as_ptr(), packet.len()),
            None => (std::ptr::null(), 0),
        };
        let length = c_int::try_from(length).map_err(|_| ErrorCode::InvalidPacket)?;
        let room = c_int::try_from(pcm.len()).unwrap_or(c_int::MAX);
        let (state, samples) = (self.as_mut_ptr(), pcm.as_mut_ptr());
        // SAFETY: the decoder was set up by `new`; packet and samples are as long as is said.
        let result = unsafe { sys::opus_decode(state, bytes, length, samples, room, fec.into()) };
        count(result)
    }

    /// Keeps what it is now in `saved`, which is made when first needed.
    pub(super) fn save(&self, saved: &mut Option<Saved>) {
        match saved {
            // A decoder's state is one block of memory without pointers into itself: the documentation
            // of libopus says that it may be copied so.
            Some(saved) => saved.copy_from_slice(&self.memory),
            None => *saved = Some(self.memory.clone()),
        }
    }

    /// Is again what it was when that was saved.
    pub(super) fn restore(&mut self, saved: &Saved) {
        self.memory.copy_from_slice(saved);
    }

    fn as_mut_ptr(&mut self) -> *mut sys::OpusDecoder {
        self.memory.as_mut_ptr().cast()
    }
}

/// libopus's numbers: a count, or below zero an error.
fn count(result: c_int) -> Result<usize, ErrorCode> {
    usize::try_from(result).map_err(|_| match result {
        sys::OPUS_BAD_ARG => ErrorCode::BadArg,
        sys::OPUS_BUFFER_TOO_SMALL => ErrorCode::BufferTooSmall,
        sys::OPUS_INVALID_PACKET => ErrorCode::InvalidPacket,
        sys::OPUS_UNIMPLEMENTED => ErrorCode::Unimplemented,
        sys::OPUS_INVALID_STATE => ErrorCode::InvalidState,
        sys::OPUS_ALLOC_FAIL => ErrorCode::AllocFail,
        _ => ErrorCode::Internal,
    })
}
