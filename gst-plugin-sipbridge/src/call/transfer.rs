// SPDX-License-Identifier: MPL-2.0
//! Transfers of a call: those we ask for, and those the far end asks for.

use std::sync::atomic::Ordering;

use sip_ua::agent::{Transfer, TransferTo};

use super::{Call, CallNotice, CallState};

/// How a transfer that we asked for goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferState {
    /// The far end took it over, or calls and has heard nothing yet.
    Trying,
    /// It rings there.
    Ringing,
    /// It was answered there, and this call is hung up.
    Succeeded,
    /// It came to nothing: this call goes on.
    Failed,
    /// It came to nothing, for the far end calls nobody.
    Refused,
}

impl TransferState {
    /// The word used in `sip-transfer` messages and in the worker's API.
    pub fn as_str(self) -> &'static str {
        match self {
            TransferState::Trying => "trying",
            TransferState::Ringing => "ringing",
            TransferState::Succeeded => "succeeded",
            TransferState::Failed | TransferState::Refused => "failed",
        }
    }

    /// Whether nothing more is to come.
    pub fn is_last(self) -> bool {
        !matches!(self, TransferState::Trying | TransferState::Ringing)
    }
}

impl Call {
    /// Lets the far end ask for transfers, and others take the place of this call (RFC 3891); at first
    /// they may not.
    pub fn permit_transfers(&self, permitted: bool) {
        self.transferable.store(permitted, Ordering::Release);
        if let Some(handle) = self.handle() {
            handle.permit_transfers(permitted);
        }
    }

    /// Asks the far end to call somebody else in our place. How that goes is told by
    /// [`CallNotice::Transfer`]. `false`: the call is not answered.
    pub fn transfer(&self, to: TransferTo) -> bool {
        let answered = self.state() == CallState::Answered;
        let handle = self.handle().filter(|_| answered);
        if let Some(handle) = &handle {
            handle.transfer(to);
        }
        handle.is_some()
    }

    /// The far end of this call, for [`transfer`](Self::transfer) of another; none before the INVITE.
    pub fn as_target(&self) -> Option<TransferTo> {
        self.handle().map(|handle| TransferTo::Call(handle.id()))
    }

    /// Answers a [`CallNotice::TransferRequested`].
    pub fn answer_transfer(&self, answer: Result<(), u16>) {
        if let Some(handle) = self.handle() {
            handle.answer_transfer(answer);
        }
    }

    /// Tells the far end how the call goes that it asked for, by the status it met with.
    pub fn notify_transfer(&self, status: u16, reason: Option<&str>) {
        if let Some(handle) = self.handle() {
            handle.notify_transfer(status, reason);
        }
    }

    pub(super) fn on_transfer(&self, news: Transfer) {
        let (state, code, reason) = match news {
            Transfer::Accepted { told: true } => {
                let reason = "the far end takes it over";
                (TransferState::Trying, 0, reason.to_owned())
            }
            Transfer::Accepted { told: false } => {
                let reason = "the far end takes it over, and will not tell how it goes";
                (TransferState::Trying, 0, reason.to_owned())
            }
            Transfer::Progress { status, reason } if matches!(status, 180..=189) => {
                (TransferState::Ringing, status, reason)
            }
            Transfer::Progress { status, reason } => (TransferState::Trying, status, reason),
            Transfer::Succeeded { status, reason } => (TransferState::Succeeded, status, reason),
            Transfer::Refused { status, reason } => (TransferState::Refused, status, reason),
            Transfer::Failed { status, reason } => {
                (TransferState::Failed, status.unwrap_or(0), reason)
            }
        };
        self.notify(&CallNotice::Transfer {
            state,
            code,
            reason,
        });
    }
}
