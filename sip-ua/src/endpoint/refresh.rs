// SPDX-License-Identifier: MPL-2.0
//! Keeping a session alive: its timer, and refreshes by UPDATE or re-INVITE (RFC 4028).

use std::time::Instant;

use super::call::{CallId, OurReoffer, ReofferState, Updates};
use super::provisional::{OPTION, supported};
use super::send::ClientKind;
use super::{Endpoint, Reason};
use crate::dialog::{Due, Judgement, Running, SessionTimer, min_se};
use crate::transaction::ClientId;
use crate::wire::{Core, HeaderName, Method, Request, Response};

impl Endpoint {
    /// The Min-SE of the 422 that their request deserves, if it does.
    pub(super) fn too_short(&self, id: Option<CallId>, request: &Request) -> Option<u32> {
        let call = id.and_then(|id| self.calls.get(&id));
        let (wanted, agreed) = match call {
            Some(call) => (call.timing.wanted, call.timing.agreed()),
            None => (self.config.session_timer, None),
        };
        match wanted.judge(agreed, &request.headers) {
            Judgement::TooShort(seconds) => Some(seconds),
            Judgement::None | Judgement::Keep { .. } => None,
        }
    }

    /// Writes into our 2xx to a session refresh request what it comes to, and starts the timer.
    pub(super) fn answer_timer(
        &mut self,
        now: Instant,
        id: CallId,
        request: &Request,
        response: &mut Response,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        response
            .headers
            .push(HeaderName::Supported, SessionTimer::OPTION);
        let timing = &mut call.timing;
        let judgement = timing.wanted.judge(timing.agreed(), &request.headers);
        timing.running = match judgement {
            Judgement::Keep { agreed, known } => {
                agreed.answer(known, &mut response.headers);
                Some(Running::start(now, agreed))
            }
            Judgement::None | Judgement::TooShort(_) => None,
        };
    }

    /// Reads the 2xx to a session refresh request of ours.
    pub(super) fn timer_answered(&mut self, now: Instant, id: CallId, response: &Response) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.updates.learn(&response.headers);
        let agreed = SessionTimer::answered(call.timing.agreed(), &response.headers);
        call.timing.running = agreed.map(|agreed| Running::start(now, agreed));
    }

    /// 422: asks again for as long an interval as the far end wants (§7.3). False if it wants none
    /// that was not offered.
    pub(super) fn ask_for_longer(
        &mut self,
        now: Instant,
        client: ClientId,
        id: CallId,
        response: &Response,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        let timing = &mut call.timing;
        let Some(floor) = min_se(&response.headers).filter(|min| Some(*min) > timing.floor) else {
            return false;
        };
        timing.floor = Some(floor);
        let (wanted, agreed) = (timing.wanted, timing.agreed());
        self.send_again(now, client, |request| {
            let reliable = request.headers.lists(HeaderName::Supported, OPTION);
            for name in [
                HeaderName::Supported,
                HeaderName::SessionExpires,
                HeaderName::MinSe,
            ] {
                request.headers.remove(name);
            }
            wanted.ask(agreed, Some(floor), &mut request.headers);
            if reliable {
                request.headers.set(HeaderName::Supported, supported());
            }
        })
        .is_ok()
    }

    /// The session's timer wants something.
    pub(super) fn session_due(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let Some(running) = &call.timing.running else {
            return;
        };
        match running.due(now) {
            Some(Due::Refresh) => self.refresh(now, id),
            Some(Due::Expired) => {
                let remote = call.path.remote;
                let reason = match running.terms() {
                    (seconds, true) => {
                        format!("{remote} took no refresh of the session for {seconds} s")
                    }
                    (seconds, false) => format!(
                        "{remote} did not refresh the session within the {seconds} s agreed on"
                    ),
                };
                let said = Reason::sip(408, "session expired");
                self.lose_because(now, id, 408, reason, Some(&said));
            }
            None => {}
        }
    }

    /// By UPDATE where the far end knows that, for it disturbs no media (§7.4).
    fn refresh(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(running) = &mut call.timing.running else {
            return;
        };
        // An offer under way refreshes the session itself; whatever comes of it, it ends soon.
        let busy = call.our_reoffer.is_some()
            || call.their_reoffer.is_some()
            || call.unacknowledged.is_some();
        if busy {
            return running.again(now);
        }
        running.refreshing();
        if call.updates == Updates::Yes {
            return self.refresh_by_update(now, id);
        }
        match call.described.clone() {
            Some(sdp) => {
                call.our_reoffer = Some(OurReoffer {
                    sdp,
                    glares: 0,
                    state: ReofferState::Waiting,
                    fork: None,
                    refresh: true,
                });
                self.next_reoffer(now, id);
            }
            None => self.refresh_by_update(now, id),
        }
    }

    fn refresh_by_update(&mut self, now: Instant, id: CallId) {
        let Some((request, path)) = self.request_within(id, Method::Update) else {
            return;
        };
        if let Err(error) = self.send_within(now, id, ClientKind::Update, path, request) {
            tracing::warn!(%error, "a session could not be refreshed");
            self.refresh_later(now, id);
        }
    }

    /// A 2xx to our UPDATE.
    pub(super) fn update_answered(
        &mut self,
        now: Instant,
        id: CallId,
        response: &Response,
        core: &Core,
    ) {
        self.timer_answered(now, id, response);
        if let Some(call) = self.calls.get_mut(&id)
            && let Some(dialog) = &mut call.dialog
        {
            dialog.refresh_target(core);
        }
    }

    /// Our UPDATE was refused with something other than the end of the call.
    pub(super) fn update_refused(&mut self, now: Instant, id: CallId, status: u16) {
        // Whoever does not take UPDATE takes re-INVITE. 491 and 5xx pass.
        if (400..500).contains(&status)
            && status != 491
            && let Some(call) = self.calls.get_mut(&id)
            && call.updates == Updates::Yes
        {
            call.updates = Updates::Refused;
            return self.refresh(now, id);
        }
        self.refresh_later(now, id);
    }

    pub(super) fn refresh_later(&mut self, now: Instant, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && let Some(running) = &mut call.timing.running
        {
            running.again(now);
        }
    }
}
