// SPDX-License-Identifier: MPL-2.0
//! Requests within a call (RFC 3261 §12.2.2).

use std::time::Instant;

use super::call::{CallId, Phase};
use super::incoming::stated_reason;
use super::receive::required;
use super::reply::{allow, capabilities, unsupported_method};
use super::{CallEvent, EndCause, EndedBy, Endpoint};
use crate::transaction::Path;
use crate::wire::{Core, HeaderName, Method, Request};

impl Endpoint {
    pub(super) fn handle_within(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: Request,
        core: Core,
    ) {
        self.touched.push(id);
        if !self.in_order(id, &core) {
            return self.answer_within(now, path, &request, &core, 500, |response| {
                response.reason = b"CSeq Out Of Order".to_vec();
            });
        }
        if request.method != Method::Bye
            && let Some(unsupported) = required(&request.headers, &[])
        {
            return self.answer_within(now, path, &request, &core, 420, |response| {
                response.headers.push(HeaderName::Unsupported, unsupported);
            });
        }
        match &request.method {
            Method::Bye => self.handle_bye(now, id, path, &request, &core),
            Method::Invite => self.handle_reinvite(now, id, path, request, core),
            Method::Info => self.handle_info(now, id, path, &request, &core),
            Method::Options => {
                self.answer_within(now, path, &request, &core, 200, capabilities);
            }
            Method::Prack => self.handle_prack(now, id, path, request, &core),
            Method::Update => self.handle_update(now, id, path, request, core),
            Method::Refer => self.handle_refer(now, id, path, request, &core),
            Method::Notify => self.handle_notify(now, id, path, &request, &core),
            Method::Subscribe => self.handle_subscribe(now, id, path, &request, &core),
            Method::Cancel => {
                self.answer_within(now, path, &request, &core, 481, |_| {});
            }
            other => {
                let status = unsupported_method(other);
                self.answer_within(now, path, &request, &core, status, allow);
            }
        }
    }

    /// Whether the CSeq is higher than all before in its dialog.
    fn in_order(&mut self, id: CallId, core: &Core) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        call.dialog_with(core.from.tag().unwrap_or_default())
            .is_some_and(|dialog| dialog.accept_cseq(core.cseq.number))
    }

    fn handle_bye(&mut self, now: Instant, id: CallId, path: Path, request: &Request, core: &Core) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let before_answer = match call.phase {
            // The callee may not say BYE to what it has not answered (§15).
            Phase::Outgoing(_) => {
                return self.answer_within(now, path, request, core, 403, |_| {});
            }
            Phase::Incoming(_) => true,
            _ => false,
        };
        self.answer_within(now, path, request, core, 200, |_| {});
        let mut sentence = match before_answer {
            true => "the caller hung up before the call was answered".to_owned(),
            false => "the far end hung up".to_owned(),
        };
        if let Some(reason) = stated_reason(request) {
            sentence = format!("{sentence}: {reason}");
        }
        self.far_end_says(id, &request.headers);
        self.drop_transfers(now, id);
        if before_answer {
            self.refuse_invite(now, id, 487);
            self.end(
                id,
                EndedBy::Remote,
                Some(487),
                EndCause::Cancelled,
                sentence,
            );
        } else {
            self.refuse_their_reoffer(now, id, 487);
            self.end(id, EndedBy::Remote, None, EndCause::HungUp, sentence);
        }
        self.forget(id);
    }

    /// Whether the far end may say one thing more. If not, it is told to slow down.
    pub(super) fn takes_another(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: &Request,
        core: &Core,
    ) -> bool {
        let call = self.calls.get_mut(&id);
        let allowed = call.is_some_and(|call| call.infos.take(now));
        if !allowed {
            self.answer_within(now, path, request, core, 503, |response| {
                response.headers.push(HeaderName::RetryAfter, 1);
            });
        }
        allowed
    }

    fn handle_info(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: &Request,
        core: &Core,
    ) {
        // No Info Package was ever agreed on (RFC 6086 §4.2.1); those without one are RFC 2976's.
        if request.headers.contains("Info-Package") {
            return self.answer_within(now, path, request, core, 469, |response| {
                response.headers.push("Recv-Info", "");
            });
        }
        if !self.takes_another(now, id, path, request, core) {
            return;
        }
        self.answer_within(now, path, request, core, 200, |_| {});
        let content_type = request
            .headers
            .get(HeaderName::ContentType)
            .unwrap_or_default();
        let content_type = String::from_utf8_lossy(content_type).into_owned();
        self.tell(
            id,
            CallEvent::Info {
                content_type,
                body: request.body.clone(),
            },
        );
    }
}
