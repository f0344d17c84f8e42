// SPDX-License-Identifier: MPL-2.0
//! Transfers of an element's call.

use std::sync::Arc;

use gst::prelude::*;
use sip_ua::wire::{Scheme, Uri};

use super::call::one_line;
use super::{Line, messages, signals};
use crate::call::{self, Call, CallNotice, CallState, TransferState, TransferTo};

/// What a promise is answered with.
const REPLY: &str = "application/x-sip-transfer";

impl Line {
    pub(crate) fn transfer(&self, to: &str, promise: Option<gst::Promise>) -> bool {
        let answered = |call: &Arc<Call>| call.state() == CallState::Answered;
        let call = self.call().filter(answered);
        let under_way = self.state().transfer.is_some();
        let (call, target) = match (call, target(to)) {
            (Some(call), Some(target)) if !under_way => (call, target),
            (None, _) => return refuse(promise, 481, "there is no answered call"),
            (_, None) => return refuse(promise, 404, "it is neither a URI nor a call's name"),
            _ => return refuse(promise, 491, "a transfer of this call is under way"),
        };
        self.state().transfer = promise;
        call.transfer(target)
    }

    pub(crate) fn notify_transfer(&self, code: u32, reason: Option<&str>) -> bool {
        let call = self.call().filter(|call| !call.is_over());
        if let (Some(call), Ok(code)) = (&call, u16::try_from(code)) {
            call.notify_transfer(code, reason.map(one_line).as_deref());
        }
        call.is_some()
    }

    /// `owned`: what the far end asks for is for this element's application to decide.
    pub(super) fn on_transfer_notice(&self, call: &Arc<Call>, notice: &CallNotice, owned: bool) {
        match notice {
            CallNotice::Transfer {
                state,
                code,
                reason,
            } if state.is_last() => self.tell_transfer(*state, *code, reason),
            // Of a transfer that nobody tells of, the end of the call is the last that is known.
            CallNotice::Ended(end) => {
                let code = end.code.unwrap_or(0);
                self.tell_transfer(TransferState::Failed, code, &end.reason);
            }
            CallNotice::TransferRequested(request) if owned => {
                let facts = messages::transfer_request(call, request);
                let taken = self.user.element().is_some_and(|element| {
                    element.emit_by_name::<bool>(signals::TRANSFER_REQUESTED, &[&facts])
                });
                call.answer_transfer(if taken { Ok(()) } else { Err(603) });
            }
            _ => {}
        }
    }

    fn tell_transfer(&self, state: TransferState, code: u16, reason: &str) {
        let promise = self.state().transfer.take();
        if let Some(promise) = promise {
            let reply = messages::transfer(REPLY, state, code, reason).build();
            promise.reply(Some(reply));
        }
    }
}

fn refuse(promise: Option<gst::Promise>, code: u16, reason: &str) -> bool {
    if let Some(promise) = promise {
        let reply = messages::transfer(REPLY, TransferState::Failed, code, reason).build();
        promise.reply(Some(reply));
    }
    false
}

fn target(to: &str) -> Option<TransferTo> {
    match Uri::parse(to.as_bytes()) {
        Ok(uri) if matches!(uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel) => {
            Some(TransferTo::Uri(uri))
        }
        _ => call::find(to)?.as_target(),
    }
}
