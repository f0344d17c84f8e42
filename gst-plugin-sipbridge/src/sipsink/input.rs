// SPDX-License-Identifier: MPL-2.0
//! Cutting what comes in into pieces, and giving each its time.

use sip_ua::sdp::Codec;

use crate::media::Format;

/// The pieces a buffer is pushed in: as much as a packet takes, so that no burst fills the call's
/// input.
const PIECE: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// Bytes in one piece; `None` for formats whose buffers cannot be cut.
fn piece_bytes(format: Format) -> Option<usize> {
    match format {
        Format::Raw { rate_hz } => usize::try_from(rate_hz / 50 * 2).ok(),
        Format::Encoded(Codec::Pcmu | Codec::Pcma | Codec::G722) => Some(160),
        Format::Encoded(Codec::L16) => Some(640),
        Format::Encoded(Codec::Opus) | Format::Rtp { .. } => None,
    }
}

/// A buffer cut into pieces, each with how much later than the buffer it begins.
pub(super) fn pieces(format: Format, buffer: gst::Buffer) -> Vec<(gst::ClockTime, gst::Buffer)> {
    let Some(bytes) = piece_bytes(format).filter(|bytes| buffer.size() > *bytes) else {
        return vec![(gst::ClockTime::ZERO, buffer)];
    };
    let mut at = gst::ClockTime::ZERO;
    let mut pieces = Vec::with_capacity(buffer.size().div_ceil(bytes));
    for from in (0..buffer.size()).step_by(bytes) {
        let to = (from + bytes).min(buffer.size());
        if let Ok(piece) = buffer.copy_region(gst::BufferCopyFlags::MEMORY, from..to) {
            pieces.push((at, piece));
        }
        at += PIECE;
    }
    pieces
}

/// How long a buffer lasts.
pub(super) fn duration(format: Format, buffer: &gst::BufferRef) -> gst::ClockTime {
    let by_size = piece_bytes(format).filter(|bytes| *bytes > 0).map(|bytes| {
        gst::ClockTime::from_nseconds(
            PIECE.nseconds() * u64::try_from(buffer.size()).unwrap_or(0)
                / u64::try_from(bytes).unwrap_or(1),
        )
    });
    by_size.or(buffer.duration()).unwrap_or(PIECE)
}

/// The running times of a stream, and where they stand on the clock.
#[derive(Default)]
pub(super) struct Timing {
    pub(super) segment: gst::FormattedSegment<gst::ClockTime>,
    /// Where the next buffer without a timestamp begins.
    next: Option<gst::ClockTime>,
    /// For a source that is not live: the first buffer plays when the call is there, and this much
    /// later than its running time says.
    shift: Option<gst::ClockTime>,
    /// Whether upstream is live; asked once a stream.
    pub(super) live: Option<bool>,
}

impl Timing {
    pub(super) fn running_time(
        &mut self,
        buffer: &gst::BufferRef,
        duration: gst::ClockTime,
    ) -> gst::ClockTime {
        let time = buffer
            .pts()
            .and_then(|pts| self.segment.to_running_time(pts))
            .or(self.next)
            .unwrap_or(gst::ClockTime::ZERO);
        self.next = Some(time + duration);
        time
    }

    /// When the stream ends.
    pub(super) fn end(&self) -> Option<gst::ClockTime> {
        self.next.map(|end| end + self.shift.unwrap_or_default())
    }

    /// The time at which audio of this running time is to be sent, `now` being the time at which the
    /// call takes it. A file that comes while it rings is not late: it begins with the call.
    pub(super) fn shifted(
        &mut self,
        running_time: gst::ClockTime,
        now: Option<gst::ClockTime>,
    ) -> gst::ClockTime {
        let shift = *self
            .shift
            .get_or_insert_with(|| now.unwrap_or_default().saturating_sub(running_time));
        running_time + shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_ua::sdp::Codec;

    fn buffer(size: usize) -> gst::Buffer {
        gst::init().unwrap();
        gst::Buffer::with_size(size).unwrap()
    }

    #[test]
    fn long_buffers_are_cut_into_packets() {
        let raw = Format::Raw { rate_hz: 8_000 };
        let cut = pieces(raw, buffer(800));
        let sizes: Vec<usize> = cut.iter().map(|(_, piece)| piece.size()).collect();
        assert_eq!(sizes, [320, 320, 160]);
        assert_eq!(cut[2].0, gst::ClockTime::from_mseconds(40));
        assert_eq!(
            duration(raw, &buffer(800)),
            gst::ClockTime::from_mseconds(50)
        );
    }

    #[test]
    fn opus_is_not_cut() {
        assert_eq!(pieces(Format::Encoded(Codec::Opus), buffer(1_000)).len(), 1);
    }

    #[test]
    fn a_file_begins_when_the_call_does() {
        let mut timing = Timing::default();
        let ms = gst::ClockTime::from_mseconds;
        assert_eq!(timing.shifted(ms(0), Some(ms(5_000))), ms(5_000));
        assert_eq!(timing.shifted(ms(20), Some(ms(5_003))), ms(5_020));
    }
}
