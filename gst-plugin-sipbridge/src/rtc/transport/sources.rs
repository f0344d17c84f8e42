// SPDX-License-Identifier: MPL-2.0
//! Which media line an RTP source belongs to (RFC 8843 section 9.2), and what came of it.

use std::time::Instant;

use super::stats::Told;
use crate::rtc::plan::Plan;
use crate::rtcp::reception::Reception;

/// Sources nobody named that are remembered. The far end alone can fill this: each proved authentic.
const UNNAMED_MAX: usize = 512;

/// A source of the far end.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) ssrc: u32,
    pub(super) line: usize,
    /// A description named it.
    named: bool,
    /// Once something came.
    pub(super) reception: Option<Reception>,
    /// Something came since the last report of it.
    pub(super) is_news: bool,
    /// The middle 32 bits of its last sender report's time, and when that came.
    pub(super) last_report: Option<(u32, Instant)>,
    /// What that said.
    pub(super) told: Option<Told>,
}

/// The sources of one transport.
#[derive(Debug, Default)]
pub(super) struct Sources {
    known: Vec<Source>,
}

impl Sources {
    pub(super) fn of(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.known.iter_mut().find(|source| source.ssrc == ssrc)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.known.iter_mut()
    }

    /// What the far end says of those that sent.
    pub(super) fn told(&self) -> impl Iterator<Item = Told> {
        self.known.iter().filter_map(|source| source.told)
    }

    /// A description named it.
    pub(super) fn named(&mut self, ssrc: u32, line: usize) {
        match self.of(ssrc) {
            Some(source) => {
                source.line = line;
                source.named = true;
            }
            None => self.add(ssrc, line, true),
        }
    }

    fn add(&mut self, ssrc: u32, line: usize, named: bool) {
        let unnamed = self.known.iter().filter(|source| !source.named).count();
        if unnamed >= UNNAMED_MAX
            && let Some(oldest) = self.known.iter().position(|source| !source.named)
        {
            self.known.remove(oldest);
        }
        self.known.push(Source {
            ssrc,
            line,
            named,
            reception: None,
            is_news: false,
            last_report: None,
            told: None,
        });
    }

    /// The sources of a line that is no more.
    pub(super) fn forget_line(&mut self, line: usize) {
        self.known.retain(|source| source.line != line);
    }

    /// Whose an authentic packet is: the name in its header says so, or who sent it before, or the
    /// payload type, where only one line has that type.
    pub(super) fn place(
        &mut self,
        plan: &Plan,
        ssrc: u32,
        pt: u8,
        mid: Option<&str>,
    ) -> Option<&mut Source> {
        let known = self.known.iter().position(|source| source.ssrc == ssrc);
        let before = known.and_then(|at| self.known.get(at)).map(|s| s.line);
        let mut receiving = plan.media.iter().filter(|media| media.receive.is_some());
        let line = match (mid, before) {
            (Some(mid), _) => receiving.find(|media| media.mid == mid)?.line,
            (None, Some(line)) => line,
            (None, None) => {
                let mut lines = receiving.filter(|media| {
                    let formats = media.receive.iter().flat_map(|receive| &receive.formats);
                    formats.into_iter().any(|format| format.pt == pt)
                });
                match (lines.next(), lines.next()) {
                    (Some(only), None) => only.line,
                    _ => return None,
                }
            }
        };
        match known {
            Some(at) => {
                let source = self.known.get_mut(at)?;
                source.line = line;
                Some(source)
            }
            None => {
                self.add(ssrc, line, false);
                self.known.last_mut()
            }
        }
    }
}
