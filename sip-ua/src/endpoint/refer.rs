// SPDX-License-Identifier: MPL-2.0
//! Transfers that we ask for: REFER, and the NOTIFYs that tell how they go (RFC 3515).
//!
//! A transfer lasts as long as somebody takes to answer a phone. Nothing here gives it up: its
//! subscription is refreshed for as long as the far end grants that, and where it does not, what it tells
//! later counts all the same.

use std::time::{Duration, Instant};

use super::call::{CallId, Phase};
use super::send::ClientKind;
use super::transfer::{Transfer, TransferTo, event_of, named, status_of};
use super::{CallEvent, EndCause, EndedBy, Endpoint};
use crate::transaction::Path;
use crate::wire::{Core, HeaderName, Headers, Method, NameAddr, Replaces, Request, Response, Uri};

/// How long a subscription is asked to last.
const SUBSCRIBE_FOR: u32 = 3600;
/// A far end that grants less than twice this is asked no more often.
const REFRESH_AT_LEAST_AFTER: Duration = Duration::from_secs(15);

/// A REFER of ours and what came of it.
pub(super) struct OurRefer {
    /// For people: whom to.
    to: String,
    /// Its CSeq, which NOTIFYs may name it by; repeated with credentials it has a higher one.
    seq: u32,
    /// It has no final response yet.
    asked: bool,
    /// A NOTIFY came.
    heard: bool,
    /// The last status that was told.
    told: Option<u16>,
    /// How it ended was told.
    over: bool,
    refresh_at: Option<Instant>,
}

impl OurRefer {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.refresh_at
    }

    /// Whether another would get into its way. One that the far end never said a word about does not.
    fn is_under_way(&self) -> bool {
        !self.over && (self.asked || self.heard)
    }
}

impl Endpoint {
    /// Asks the far end of a call that is up to call somebody else in our place (REFER). How it goes is
    /// told by [`CallEvent::Transfer`]; when that succeeded the call is hung up.
    pub fn transfer(&mut self, now: Instant, id: CallId, to: TransferTo) {
        if let Err((status, reason)) = self.refer(now, id, &to) {
            self.tell_failed(id, Some(status), reason);
        }
        self.settle_call(now, id);
    }

    fn refer(&mut self, now: Instant, id: CallId, to: &TransferTo) -> Result<(), (u16, String)> {
        let target = match to {
            TransferTo::Uri(uri) => uri.clone(),
            TransferTo::Call(other) => self.far_end_of(*other)?,
        };
        let written = target.to_bytes();
        if written.iter().any(|octet| octet.is_ascii_control()) {
            return Err((
                400,
                "the URI to transfer to holds a control character".to_owned(),
            ));
        }
        let call = self.calls.get(&id).filter(|call| !call.ended);
        let up = call.filter(|call| matches!(call.phase, Phase::Up));
        let Some(dialog) = up.and_then(|call| call.dialog.as_ref()) else {
            return Err((481, "the call to transfer is not up".to_owned()));
        };
        let ours = up.and_then(|call| call.transfers.ours.as_ref());
        if ours.is_some_and(OurRefer::is_under_way) {
            return Err((491, "a transfer of this call is under way".to_owned()));
        }
        let by = NameAddr::from(dialog.local_uri().clone());
        let Some((mut request, path)) = self.request_within(id, Method::Refer) else {
            return Err((481, "the call to transfer is not up".to_owned()));
        };
        let shown = Uri {
            headers: None,
            ..target.clone()
        };
        request
            .headers
            .push(HeaderName::ReferTo, &NameAddr::from(target));
        request.headers.push(HeaderName::ReferredBy, &by);
        if let Some(call) = self.calls.get_mut(&id) {
            let seq = call.dialog.as_ref().map(|dialog| dialog.local_seq());
            call.transfers.ours = Some(OurRefer {
                to: shown.to_string(),
                seq: seq.unwrap_or_default(),
                asked: true,
                heard: false,
                told: None,
                over: false,
                refresh_at: None,
            });
        }
        let started = self.send_within(now, id, ClientKind::Refer, path, request);
        started.map_err(|error| {
            self.forget_our_refer(id);
            (401, error.to_string())
        })
    }

    /// Where the far end of a call is, with the Replaces by which its side knows that call.
    fn far_end_of(&self, other: CallId) -> Result<Uri, (u16, String)> {
        let call = self.calls.get(&other).filter(|call| !call.ended);
        let up = call.filter(|call| matches!(call.phase, Phase::Up));
        let Some(dialog) = up.and_then(|call| call.dialog.as_ref()) else {
            return Err((481, "the call to transfer to is not up".to_owned()));
        };
        let tag_or_zero = |tag: &[u8]| match tag.is_empty() {
            true => b"0".to_vec(),
            false => tag.to_vec(),
        };
        let replaces = Replaces {
            call_id: dialog.id().call_id.to_vec(),
            to_tag: tag_or_zero(&dialog.id().remote_tag),
            from_tag: tag_or_zero(&dialog.id().local_tag),
            early_only: false,
        };
        let mut uri = dialog.remote_target().clone();
        uri.params.remove("method");
        uri.headers = Some(replaces.to_uri_headers());
        Ok(uri)
    }

    fn forget_our_refer(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.transfers.ours = None;
        }
    }

    /// A 2xx to our REFER.
    pub(super) fn refer_accepted(&mut self, id: CallId, response: &Response) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(ours) = &mut call.transfers.ours else {
            return;
        };
        ours.asked = false;
        // RFC 4488: it will tell nothing.
        let silent = response
            .headers
            .get(HeaderName::ReferSub)
            .is_some_and(|value| named(value).0 == b"false");
        // A NOTIFY may have been faster.
        if !ours.heard && !ours.over {
            let told = !silent;
            self.tell(id, CallEvent::Transfer(Transfer::Accepted { told }));
        }
    }

    /// Our REFER was refused.
    pub(super) fn refer_refused(&mut self, id: CallId, status: u16, reason: String) {
        let call = self.calls.get_mut(&id);
        let ours = call.and_then(|call| call.transfers.ours.take());
        if ours.is_some_and(|ours| !ours.over) {
            let refused = Transfer::Refused { status, reason };
            self.tell(id, CallEvent::Transfer(refused));
        }
    }

    fn tell_failed(&mut self, id: CallId, status: Option<u16>, reason: String) {
        let failed = Transfer::Failed { status, reason };
        self.tell(id, CallEvent::Transfer(failed));
    }

    pub(super) fn handle_notify(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: &Request,
        core: &Core,
    ) {
        let (package, event) = event_of(&request.headers);
        if package != b"refer" {
            return self.answer_within(now, path, request, core, 489, allow_events);
        }
        if !self.is_told_by(id, event.as_deref()) {
            return self.answer_within(now, path, request, core, 481, |_| {});
        }
        if !self.takes_another(now, id, path, request, core) {
            return;
        }
        self.answer_within(now, path, request, core, 200, |_| {});
        self.take_news(now, id, &request.headers, &request.body);
    }

    /// Whether a NOTIFY is about a REFER of ours.
    fn is_told_by(&self, id: CallId, event: Option<&[u8]>) -> bool {
        let Some(call) = self.calls.get(&id) else {
            return false;
        };
        let (Some(ours), Some(dialog)) = (&call.transfers.ours, &call.dialog) else {
            return false;
        };
        let Some(event) = event else {
            return true;
        };
        let seq: Option<u32> = std::str::from_utf8(event)
            .ok()
            .and_then(|id| id.parse().ok());
        seq.is_some_and(|seq| (ours.seq..=dialog.local_seq()).contains(&seq))
    }

    fn take_news(&mut self, now: Instant, id: CallId, headers: &Headers, body: &[u8]) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(ours) = call.transfers.ours.as_mut().filter(|ours| !ours.over) else {
            return;
        };
        ours.heard = true;
        let value = headers.get(HeaderName::SubscriptionState);
        let (state, params) = named(value.unwrap_or_default());
        let terminated = state == b"terminated";
        ours.refresh_at = match (terminated, seconds(params.get("expires"))) {
            (false, Some(left)) => Some(now + refresh_after(left)),
            (false, None) => ours.refresh_at,
            (true, _) => None,
        };
        match status_of(body) {
            Some((status @ ..200, reason)) if !terminated => {
                let is_news = ours.told.replace(status) != Some(status);
                if is_news {
                    let news = Transfer::Progress { status, reason };
                    self.tell(id, CallEvent::Transfer(news));
                }
            }
            Some((status @ 200..300, reason)) => {
                ours.over = true;
                ours.refresh_at = None;
                let to = format!("transferred to {}", ours.to);
                let news = Transfer::Succeeded { status, reason };
                self.tell(id, CallEvent::Transfer(news));
                self.leave(now, id, None, EndedBy::Local, EndCause::Transferred, to);
            }
            Some((status @ 300.., reason)) => {
                ours.over = true;
                ours.refresh_at = None;
                let reason = format!("{} answered {status} {reason}", ours.to);
                self.tell_failed(id, Some(status), reason);
            }
            _ if terminated => {
                ours.over = true;
                let why =
                    String::from_utf8_lossy(params.get("reason").unwrap_or(b"no reason given"))
                        .into_owned();
                let reason = format!("the far end does not tell what became of it ({why})");
                self.tell_failed(id, None, reason);
            }
            _ => {}
        }
    }

    /// The subscription has run for half its time (RFC 6665 §4.1.2.2).
    pub(super) fn subscription_due(&mut self, now: Instant, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else {
            return false;
        };
        let ours = call.transfers.ours.as_mut();
        let Some(ours) = ours.filter(|ours| ours.refresh_at.is_some_and(|at| at <= now)) else {
            return false;
        };
        ours.refresh_at = None;
        let event = format!("refer;id={}", ours.seq);
        if matches!(call.phase, Phase::Up)
            && let Some((mut request, path)) = self.request_within(id, Method::Subscribe)
        {
            request.headers.push(HeaderName::Event, event);
            request.headers.push(HeaderName::Expires, SUBSCRIBE_FOR);
            let _ = self.send_within(now, id, ClientKind::Subscribe, path, request);
        }
        true
    }

    /// A 2xx to our SUBSCRIBE.
    pub(super) fn subscription_refreshed(&mut self, now: Instant, id: CallId, headers: &Headers) {
        if let Some(call) = self.calls.get_mut(&id)
            && let Some(ours) = call.transfers.ours.as_mut().filter(|ours| !ours.over)
            && let Some(left) = seconds(headers.get(HeaderName::Expires))
        {
            ours.refresh_at = Some(now + refresh_after(left));
        }
    }

    /// Our SUBSCRIBE was refused: 481 says that nothing will be told any more.
    pub(super) fn subscription_refused(&mut self, id: CallId, status: u16) {
        let call = self.calls.get_mut(&id);
        let ours = call.and_then(|call| call.transfers.ours.as_mut());
        if status == 481
            && let Some(ours) = ours.filter(|ours| !ours.over)
        {
            ours.over = true;
            let reason = "the far end does not tell what became of it (481)".to_owned();
            self.tell_failed(id, None, reason);
        }
    }
}

/// What a 489 must say.
pub(super) fn allow_events(response: &mut Response) {
    response.headers.push(HeaderName::AllowEvents, "refer");
}

fn seconds(value: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(value?).ok()?.trim().parse().ok()
}

fn refresh_after(seconds: u32) -> Duration {
    (Duration::from_secs(seconds.into()) / 2).max(REFRESH_AT_LEAST_AFTER)
}
