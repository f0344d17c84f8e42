// SPDX-License-Identifier: MPL-2.0
//! The early dialogs of a call out, one a fork, each with its own offer and answer (RFC 3261
//! §13.2.2.4, RFC 3262 §5).

use super::call::Updates;
use crate::dialog::Dialog;
use crate::wire::{Core, Response, Uri};

/// As many forks as anyone has phones; more are somebody's joke.
const MAX_FORKS: usize = 16;

pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// The RSeq of the last reliable response that was taken.
    rseq: Option<u32>,
    /// A PRACK has no final response yet. Nothing else goes out in this dialog before: were the PRACK
    /// lost, it would come again with a number that is too low by then.
    pub(super) pracking: bool,
    pub(super) updates: Updates,
    /// An offer was answered, and both were sent reliably.
    pub(super) settled: bool,
    /// It was settled more than once: by UPDATE, or by an offer in a PRACK.
    pub(super) renegotiated: bool,
    /// Their description that counts, or a preview of it.
    pub(super) theirs: Option<Vec<u8>>,
    /// Ours, where it is not that of the INVITE any more.
    pub(super) described: Option<Vec<u8>>,
    /// The RSeq of the response with their offer, whose PRACK waits for our answer.
    pub(super) offered: Option<u32>,
}

impl Early {
    pub(super) fn tag(&self) -> &[u8] {
        &self.dialog.id().remote_tag
    }

    /// Whether a reliable response is the next one (RFC 3262 §4). One that comes again is none, nor is
    /// one that overtook another: both are dropped, and the second is sent again.
    pub(super) fn expects(&self, rseq: u32) -> bool {
        let next = match self.rseq {
            Some(last) => last.checked_add(1) == Some(rseq),
            None => true,
        };
        next && self.offered.is_none() && !self.pracking
    }

    pub(super) fn took(&mut self, rseq: u32) {
        self.rseq = Some(rseq);
    }
}

/// The forks of one INVITE.
#[derive(Default)]
pub(super) struct Forks {
    list: Vec<Early>,
    /// The tag of the one that sent SDP last: its early media is what is heard.
    followed: Option<Box<[u8]>>,
}

impl Forks {
    pub(super) fn get(&self, tag: &[u8]) -> Option<&Early> {
        self.list.iter().find(|early| early.tag() == tag)
    }

    pub(super) fn get_mut(&mut self, tag: &[u8]) -> Option<&mut Early> {
        self.list.iter_mut().find(|early| early.tag() == tag)
    }

    /// The fork of this response, which may be its first. None where there are too many.
    pub(super) fn of_response(
        &mut self,
        core: &Core,
        response: &Response,
        request_uri: &Uri,
    ) -> Option<&mut Early> {
        let tag = core.to.tag()?;
        if self.get(tag).is_none() {
            if self.list.len() >= MAX_FORKS {
                return None;
            }
            self.list.push(Early {
                dialog: Dialog::of_response(core, response, request_uri),
                rseq: None,
                pracking: false,
                updates: Updates::No,
                settled: false,
                renegotiated: false,
                theirs: None,
                described: None,
                offered: None,
            });
        }
        self.get_mut(tag)
    }

    pub(super) fn follow(&mut self, tag: &[u8]) {
        self.followed = Some(tag.into());
    }

    pub(super) fn follows(&self, tag: &[u8]) -> bool {
        self.followed.as_deref() == Some(tag)
    }

    pub(super) fn followed(&self) -> Option<&Early> {
        self.get(self.followed.as_deref()?)
    }

    pub(super) fn followed_mut(&mut self) -> Option<&mut Early> {
        let tag = self.followed.clone()?;
        self.get_mut(&tag)
    }

    /// An offer in a reliable response waits for our answer.
    pub(super) fn is_offered(&self) -> bool {
        self.list.iter().any(|early| early.offered.is_some())
    }

    /// The one whose offer in a reliable response waits for our answer.
    pub(super) fn offering_mut(&mut self) -> Option<&mut Early> {
        self.list.iter_mut().find(|early| early.offered.is_some())
    }

    pub(super) fn remove(&mut self, tag: &[u8]) -> Option<Early> {
        let at = self.list.iter().position(|early| early.tag() == tag)?;
        Some(self.list.swap_remove(at))
    }

    /// All that are left: those that lost.
    pub(super) fn drain(&mut self) -> Vec<Dialog> {
        self.followed = None;
        self.list.drain(..).map(|early| early.dialog).collect()
    }
}
