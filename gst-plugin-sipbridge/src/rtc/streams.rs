// SPDX-License-Identifier: MPL-2.0
//! Which media line an RTP source belongs to (RFC 8843 section 9.2).

use std::collections::VecDeque;

use super::plan::Plan;

/// Sources taken on trust until a packet of theirs proves authentic. An attacker who fills this displaces
/// nobody who has.
const UNPROVEN_MAX: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    line: usize,
}

/// The sources of one transport.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: Vec<Source>,
    /// Those of `known` that nothing authentic came from yet and no description named.
    unproven: VecDeque<u32>,
}

/// What to do about a source that nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Newcomer {
    /// Expect it on this line, and forget the other.
    Expect {
        line: usize,
        instead_of: Option<u32>,
    },
    /// The packet's own header extension may tell.
    Unclear,
}

impl Streams {
    /// The line of a known source.
    pub(super) fn line(&self, ssrc: u32) -> Option<usize> {
        self.known
            .iter()
            .find(|source| source.ssrc == ssrc)
            .map(|source| source.line)
    }

    /// A description named it.
    pub(super) fn named(&mut self, ssrc: u32, line: usize) {
        self.unproven.retain(|other| *other != ssrc);
        match self.known.iter_mut().find(|source| source.ssrc == ssrc) {
            Some(source) => source.line = line,
            None => self.known.push(Source { ssrc, line }),
        }
    }

    /// A packet of it was authentic.
    pub(super) fn proven(&mut self, ssrc: u32) {
        if !self.unproven.is_empty() {
            self.unproven.retain(|other| *other != ssrc);
        }
    }

    /// The sources of a line that is no more.
    pub(super) fn forget_line(&mut self, line: usize) -> Vec<u32> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.known.drain(..).partition(|source| source.line == line);
        self.known = kept;
        let gone: Vec<u32> = gone.into_iter().map(|source| source.ssrc).collect();
        self.unproven.retain(|ssrc| !gone.contains(ssrc));
        gone
    }

    /// A packet of a source that nobody named: the payload type says whose it is, where only one line
    /// has that type.
    pub(super) fn newcomer(&mut self, plan: &Plan, ssrc: u32, pt: u8) -> Newcomer {
        let mut lines = plan.media.iter().filter(|media| {
            let receive = media.receive.as_ref();
            receive.is_some_and(|receive| receive.formats.iter().any(|format| format.pt == pt))
        });
        let line = match (lines.next(), lines.next()) {
            (Some(only), None) => only.line,
            _ => return Newcomer::Unclear,
        };
        let instead_of = if self.unproven.len() == UNPROVEN_MAX {
            self.unproven.pop_front()
        } else {
            None
        };
        if let Some(displaced) = instead_of {
            self.known.retain(|source| source.ssrc != displaced);
        }
        self.known.push(Source { ssrc, line });
        self.unproven.push_back(ssrc);
        Newcomer::Expect { line, instead_of }
    }
}

/// The source and payload type of an RTP packet; `None` for all else that shares the transport
/// (RFC 7983, RFC 5761).
pub(super) fn rtp_source(datagram: &[u8]) -> Option<(u32, u8)> {
    let [first, second, _, _, _, _, _, _, a, b, c, d, ..] = *datagram else {
        return None;
    };
    let pt = second & 0x7f;
    let is_rtp = (128..192).contains(&first) && !(64..96).contains(&pt);
    is_rtp.then_some((u32::from_be_bytes([a, b, c, d]), pt))
}
