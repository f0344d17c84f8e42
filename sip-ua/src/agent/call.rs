// SPDX-License-Identifier: MPL-2.0
//! One call as its user sees it.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;

use super::command::{Command, Commands};
use super::events::EventReceiver;
use crate::endpoint::{CallEvent, CallId, Reason, TransferTo};
use crate::ladder::{LadderStep, Trace};
use crate::transport::Transport;
use crate::wire::Request;

/// A call in or out: a handle to act on it, and what happens to it.
#[derive(Debug)]
pub struct Call {
    /// Clone it freely.
    pub handle: CallHandle,
    /// Dropping this hangs up.
    pub events: CallEvents,
}

/// An INVITE that passed the screen and waits for `ring`, `accept` or `reject`.
#[derive(Debug)]
pub struct IncomingCall {
    pub request: Arc<Request>,
    /// Where the INVITE came from.
    pub source: SocketAddr,
    /// The address of ours that the caller reached.
    pub local: SocketAddr,
    pub transport: Transport,
    /// Whom the screen found it to be of: see [`Verdict::AllowUser`](super::Verdict::AllowUser).
    pub user: Option<String>,
    /// Accepted, it takes the place of this call of ours, which ends (RFC 3891).
    pub replaces: Option<CallId>,
    pub call: Call,
}

/// When the milestones of a call were passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instants {
    /// The INVITE was sent, or received.
    pub invite_at: Option<Instant>,
    /// The first 101–199 was received, or sent.
    pub ringing_at: Option<Instant>,
    /// The 2xx was received, or sent.
    pub answered_at: Option<Instant>,
    /// The ACK was received, or sent.
    pub confirmed_at: Option<Instant>,
}

pub(super) struct Shared {
    pub(super) id: CallId,
    pub(super) sip_call_id: String,
    pub(super) instants: Mutex<Instants>,
    /// Set when the endpoint takes the call up.
    pub(super) trace: OnceLock<Arc<Trace>>,
    /// `hangup` was called, perhaps before the host of a call out was looked up.
    pub(super) hung_up: AtomicBool,
    pub(super) commands: Commands,
}

impl Shared {
    pub(super) fn new(id: CallId, sip_call_id: String, commands: Commands) -> Arc<Shared> {
        Arc::new(Shared {
            id,
            sip_call_id,
            instants: Mutex::default(),
            trace: OnceLock::new(),
            hung_up: AtomicBool::new(false),
            commands,
        })
    }
}

/// Acts on one call. Cheap to clone; nothing here waits, and nothing fails: what comes of it is told
/// by the call's events. On a call that has ended every method does nothing.
#[derive(Clone)]
pub struct CallHandle {
    shared: Arc<Shared>,
}

impl CallHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        CallHandle { shared }
    }

    fn send(&self, command: Command) {
        self.shared.commands.send(command);
    }

    /// 180, or 183 where there is a body (early media).
    pub fn ring(&self, sdp: Option<Vec<u8>>) {
        self.send(Command::Ring {
            id: self.shared.id,
            sdp,
        });
    }

    /// 200 to an incoming call, with our answer (or our offer, where the INVITE had none). On an
    /// outgoing call without an offer: the answer that goes into the ACK.
    pub fn accept(&self, sdp: Vec<u8>) {
        self.send(Command::Accept {
            id: self.shared.id,
            sdp,
        });
    }

    /// Refuses an incoming call with a final status of 300–699; `reason` replaces the standard phrase.
    pub fn reject(&self, status: u16, reason: Option<&str>) {
        self.reject_for(status, reason, None);
    }

    /// [`reject`](Self::reject), with the time after which the caller may try again (Retry-After,
    /// RFC 3261 §20.33), in whole seconds.
    pub fn reject_for(&self, status: u16, reason: Option<&str>, retry_after: Option<Duration>) {
        let reason = reason.map(str::to_owned);
        self.send(Command::Reject {
            id: self.shared.id,
            status,
            reason,
            retry_after,
        });
    }

    /// BYE, CANCEL or a rejection, whichever fits the state.
    pub fn hangup(&self, reason: Option<Reason>) {
        self.shared.hung_up.store(true, Ordering::Relaxed);
        self.send(Command::Hangup {
            id: self.shared.id,
            reason,
        });
    }

    /// A re-INVITE with this offer; before the call is up an UPDATE, as soon as the first offer was
    /// answered reliably. Glare (491) is retried; the outcome is `ReofferAnswered` or
    /// `ReofferRefused`.
    pub fn reoffer(&self, sdp: Vec<u8>) {
        self.send(Command::Reoffer {
            id: self.shared.id,
            sdp,
        });
    }

    /// Answers a `Reoffer`: with SDP, or a final status that leaves the session as it was.
    pub fn answer_reoffer(&self, answer: Result<Vec<u8>, u16>) {
        self.send(Command::AnswerReoffer {
            id: self.shared.id,
            answer,
        });
    }

    /// An INFO within the call.
    pub fn info(&self, content_type: &str, body: Vec<u8>) {
        let content_type = content_type.to_owned();
        self.send(Command::Info {
            id: self.shared.id,
            content_type,
            body,
        });
    }

    /// Lets the far end ask for transfers, and others take the place of this call (RFC 3891), or not:
    /// then they are told 603, as they are at first.
    pub fn permit_transfers(&self, permitted: bool) {
        self.send(Command::PermitTransfers {
            id: self.shared.id,
            permitted,
        });
    }

    /// Asks the far end of a call that is up to call somebody else in our place (REFER). How that goes
    /// is told by `Transfer`; when it succeeded, the call is hung up, and else it goes on.
    pub fn transfer(&self, to: TransferTo) {
        self.send(Command::Transfer {
            id: self.shared.id,
            to: Box::new(to),
        });
    }

    /// Answers a `TransferRequested`: we call there, or a final status says why not.
    pub fn answer_transfer(&self, answer: Result<(), u16>) {
        self.send(Command::AnswerTransfer {
            id: self.shared.id,
            answer,
        });
    }

    /// Tells the far end how the call goes that it asked for, by the status that this met with; one of
    /// 200 and above is the last word. `reason` replaces the standard phrase.
    pub fn notify_transfer(&self, status: u16, reason: Option<&str>) {
        self.send(Command::NotifyTransfer {
            id: self.shared.id,
            status,
            reason: reason.map(str::to_owned),
        });
    }

    /// What tells it from the other calls of this process.
    pub fn id(&self) -> CallId {
        self.shared.id
    }

    /// The Call-ID, for people and logs.
    pub fn sip_call_id(&self) -> String {
        self.shared.sip_call_id.clone()
    }

    /// When the milestones were passed, so far.
    pub fn instants(&self) -> Instants {
        *self
            .shared
            .instants
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages of this call so far, secrets masked. It goes on after the end, and with it what
    /// is still sent or comes in.
    pub fn ladder(&self) -> Vec<LadderStep> {
        self.shared
            .trace
            .get()
            .map(|trace| trace.steps())
            .unwrap_or_default()
    }
}

impl fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallHandle")
            .field("id", &self.shared.id)
            .field("call_id", &self.shared.sip_call_id)
            .finish_non_exhaustive()
    }
}

/// The events of one call, in order. Dropping it hangs up.
pub struct CallEvents {
    receiver: EventReceiver,
    shared: Arc<Shared>,
}

impl CallEvents {
    pub(super) fn new(receiver: EventReceiver, shared: Arc<Shared>) -> Self {
        CallEvents { receiver, shared }
    }

    /// The next event; `None` after `Ended`.
    pub async fn recv(&mut self) -> Option<CallEvent> {
        poll_fn(|cx| self.receiver.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for a thread outside the runtime.
    pub fn blocking_recv(&mut self) -> Option<CallEvent> {
        self.receiver.blocking_recv()
    }

    /// [`recv`](Self::recv) without waiting.
    pub fn try_recv(&mut self) -> Result<CallEvent, TryRecvError> {
        self.receiver.try_recv()
    }

    /// [`recv`](Self::recv) for hand-written futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<CallEvent>> {
        self.receiver.poll_recv(cx)
    }
}

impl Drop for CallEvents {
    fn drop(&mut self) {
        self.shared.commands.send(Command::Hangup {
            id: self.shared.id,
            reason: None,
        });
    }
}

impl fmt::Debug for CallEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallEvents")
            .field("id", &self.shared.id)
            .finish_non_exhaustive()
    }
}
