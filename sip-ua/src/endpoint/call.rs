// SPDX-License-Identifier: MPL-2.0
//! What the endpoint remembers of a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::early::Forks;
use super::elsewhere::Stranded;
use super::failover::Servers;
use super::reason::Said;
use super::redirect::Redirects;
use super::reliable::Reliable;
use super::transfer::Transfers;
use crate::dialog::{Agreed, Dialog, DialogKey, Running, SessionTimer};
use crate::digest::Auth;
use crate::ladder::Trace;
use crate::transaction::{ClientId, Packet, Path, ServerId};
use crate::wire::{CSeq, HeaderName, Headers, NameAddr, Request};

/// A call of this process. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u64);

impl CallId {
    pub fn unique() -> CallId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        CallId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

pub(super) struct Call {
    /// Where it was reached, or what it was sent to. Requests follow the dialog's next hop and fall
    /// back to this.
    pub(super) path: Path,
    /// Nobody stands between us and the far end: its connection is the way to it.
    pub(super) direct: bool,
    /// Our Contact.
    pub(super) contact: NameAddr,
    /// We made it.
    pub(super) ours: bool,
    pub(super) phase: Phase,
    /// The confirmed dialog, or the one early dialog of an incoming call.
    pub(super) dialog: Option<Dialog>,
    /// What the endpoint finds this call by.
    pub(super) dialogs: SmallVec<[DialogKey; 1]>,
    pub(super) auth: Option<Auth>,
    /// A 2xx of ours that waits for its ACK.
    pub(super) unacknowledged: Option<Unacknowledged>,
    /// A re-INVITE of theirs, or an UPDATE or PRACK with an offer, that waits for the user.
    pub(super) their_reoffer: Option<TheirReoffer>,
    /// A re-INVITE of ours that is under way or waits for its turn.
    pub(super) our_reoffer: Option<OurReoffer>,
    /// The offer to send when that is over.
    pub(super) next_reoffer: Option<Vec<u8>>,
    /// Of INFOs and NOTIFYs.
    pub(super) infos: Allowance,
    /// Of provisional responses to our INVITE.
    pub(super) rings: Allowance,
    /// Our reliable provisional responses to their INVITE.
    pub(super) reliable: Reliable,
    pub(super) transfers: Transfers,
    /// Requests that wait for another server to be found.
    pub(super) stranded: Vec<Stranded>,
    pub(super) trace: Arc<Trace>,
    pub(super) timing: Timing,
    pub(super) updates: Updates,
    /// Our last description that counts, to be said again when the session is refreshed.
    pub(super) described: Option<Vec<u8>>,
    /// What the far end says of the end.
    pub(super) said: Said,
    /// `Ended` was told: what is left happens between the endpoints only.
    pub(super) ended: bool,
    /// The deadline that is in the queue.
    pub(super) armed: Option<Instant>,
}

/// Whether the far end takes UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Updates {
    /// Its Allow does not say so.
    No,
    Yes,
    /// It said so, and then refused one.
    Refused,
}

impl Updates {
    /// What the Allow of a first INVITE or 2xx says.
    pub(super) fn of(headers: &Headers) -> Updates {
        match headers.lists(HeaderName::Allow, "UPDATE") {
            true => Updates::Yes,
            false => Updates::No,
        }
    }

    /// What a later one says.
    pub(super) fn learn(&mut self, headers: &Headers) {
        if *self != Updates::Refused && headers.contains(HeaderName::Allow) {
            *self = Updates::of(headers);
        }
    }
}

/// The session timer of a call (RFC 4028).
pub(super) struct Timing {
    pub(super) wanted: SessionTimer,
    /// What a 422 asked for.
    pub(super) floor: Option<Duration>,
    /// From the 2xx on, where both sides keep it.
    pub(super) running: Option<Running>,
}

impl Timing {
    pub(super) fn new(wanted: SessionTimer) -> Timing {
        Timing {
            wanted,
            floor: None,
            running: None,
        }
    }

    pub(super) fn agreed(&self) -> Option<Agreed> {
        self.running.as_ref().map(Running::agreed)
    }
}

pub(super) enum Phase {
    /// An INVITE of theirs without a final response.
    Incoming(Incoming),
    /// An INVITE of ours without a final response.
    Outgoing(Box<Outgoing>),
    /// Answered without an offer of ours: the ACK waits for the user's answer.
    Answering {
        invite: ClientId,
        invite_seq: u32,
    },
    Up,
    /// The user hung up before the ACK to our 2xx came; the BYE must wait for it (§15).
    Leaving {
        reason: Option<Vec<u8>>,
    },
    /// A BYE of ours is under way.
    Closing,
}

pub(super) struct Incoming {
    pub(super) server: ServerId,
    pub(super) request: Arc<Request>,
    /// What `ring` sent last, again every minute (§13.3.1.1).
    pub(super) provisional: Option<(u16, Packet)>,
    pub(super) repeat_at: Option<Instant>,
}

pub(super) struct Outgoing {
    pub(super) client: ClientId,
    pub(super) forks: Forks,
    pub(super) redirects: Redirects,
    pub(super) servers: Servers,
    pub(super) has_offer: bool,
    pub(super) cancel: Cancel,
    pub(super) ring_until: Option<Instant>,
    pub(super) ring_timeout: Duration,
}

pub(super) enum Cancel {
    No,
    /// No provisional response came yet, so nothing may be sent (§9.1).
    Wanted {
        reason: Option<Vec<u8>>,
    },
    Sent {
        give_up_at: Instant,
    },
}

pub(super) struct Unacknowledged {
    pub(super) server: ServerId,
    pub(super) seq: u32,
    pub(super) packet: Packet,
    pub(super) resend_at: Instant,
    pub(super) interval: Duration,
    pub(super) give_up_at: Instant,
    /// The 2xx carried our offer, so the ACK carries the answer.
    pub(super) offered: bool,
    /// It answers a re-INVITE.
    pub(super) again: bool,
}

pub(super) struct TheirReoffer {
    pub(super) server: ServerId,
    pub(super) request: Arc<Request>,
    /// An UPDATE or PRACK cannot wait as long as an INVITE can.
    pub(super) give_up_at: Option<Instant>,
}

pub(super) struct OurReoffer {
    pub(super) sdp: Vec<u8>,
    pub(super) glares: u8,
    pub(super) state: ReofferState,
    /// The fork that an UPDATE took it to; a re-INVITE goes to the one that answered.
    pub(super) fork: Option<Box<[u8]>>,
    /// It only refreshes the session.
    pub(super) refresh: bool,
}

pub(super) enum ReofferState {
    Sent,
    /// Glare: again at this instant (§14.1).
    RetryAt(Instant),
    /// Waits for a transaction of theirs to end.
    Waiting,
}

/// Whether an Allow leaves out INFO. Where there is none, nothing is known.
pub(super) fn refuses_info(headers: &Headers) -> bool {
    headers.contains(HeaderName::Allow) && !headers.lists(HeaderName::Allow, "INFO")
}

/// How many INFOs and NOTIFYs, or provisional responses, a far end may send: bursts of 100, 50 a second in the
/// long run.
pub(super) struct Allowance {
    left: u32,
    refilled_at: Instant,
}

const BURST: u32 = 100;
const EVERY: Duration = Duration::from_millis(20);

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Allowance {
            left: BURST,
            refilled_at: now,
        }
    }

    pub(super) fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.refilled_at);
        let more = u32::try_from(since.as_millis() / EVERY.as_millis()).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.refilled_at = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

impl Call {
    /// The dialog with the far end of that tag, early or confirmed.
    pub(super) fn dialog_with(&mut self, tag: &[u8]) -> Option<&mut Dialog> {
        if let Some(dialog) = &mut self.dialog {
            return Some(dialog).filter(|dialog| *dialog.id().remote_tag == *tag);
        }
        match &mut self.phase {
            Phase::Outgoing(outgoing) => Some(&mut outgoing.forks.get_mut(tag)?.dialog),
            _ => None,
        }
    }

    /// Gives a request the next number of its dialog, or one more where it has none. False if its fork
    /// is no more.
    pub(super) fn renumber(&mut self, request: &mut Request) -> bool {
        let old = request.headers.get(HeaderName::CSeq);
        let old = old.and_then(|cseq| CSeq::parse(cseq).ok());
        let to = request.headers.get(HeaderName::To);
        let to = to.and_then(|to| NameAddr::parse(to).ok());
        let dialog = to.as_ref().and_then(NameAddr::tag);
        let number = match dialog.map(|tag| self.dialog_with(tag)) {
            Some(Some(dialog)) => dialog.next_seq(),
            Some(None) => return false,
            None => old.map_or(1, |cseq| cseq.number.saturating_add(1)),
        };
        let method = request.method.clone();
        let cseq = CSeq { number, method };
        request.headers.set(HeaderName::CSeq, &cseq);
        true
    }

    /// An offer of ours waits for the far end's answer.
    pub(super) fn our_offer_is_out(&self) -> bool {
        matches!(
            &self.our_reoffer,
            Some(OurReoffer {
                state: ReofferState::Sent,
                ..
            })
        )
    }

    /// When something is due that no transaction looks after.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Incoming(incoming) => [incoming.repeat_at, self.reliable.poll_timeout()]
                .into_iter()
                .flatten()
                .min(),
            Phase::Outgoing(outgoing) => match outgoing.cancel {
                Cancel::Sent { give_up_at } => Some(give_up_at),
                Cancel::Wanted { .. } => None,
                Cancel::No => [outgoing.ring_until, outgoing.servers.hurry_at]
                    .into_iter()
                    .flatten()
                    .min(),
            },
            _ => None,
        };
        let ack = self
            .unacknowledged
            .as_ref()
            .map(|u| u.resend_at.min(u.give_up_at));
        let glare = match &self.our_reoffer {
            Some(OurReoffer {
                state: ReofferState::RetryAt(at),
                ..
            }) => Some(*at),
            _ => None,
        };
        let session = match (&self.phase, &self.timing.running) {
            (Phase::Up, Some(running)) => Some(running.poll_timeout()),
            _ => None,
        };
        let their_offer = self.their_reoffer.as_ref().and_then(|o| o.give_up_at);
        let transfer = self.transfers.poll_timeout();
        [phase, ack, glare, session, their_offer, transfer]
            .into_iter()
            .flatten()
            .min()
    }
}
