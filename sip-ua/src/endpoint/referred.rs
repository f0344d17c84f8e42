// SPDX-License-Identifier: MPL-2.0
//! Transfers that the far end asks for: its REFER waits for the user, and NOTIFYs tell it how things go
//! (RFC 3515 §2.4).

use std::time::Instant;

use super::call::{CallId, Phase};
use super::refer::allow_events;
use super::send::{ClientKind, ServerUse};
use super::transfer::{TransferRequest, event_of, named};
use super::{CallEvent, Endpoint};
use crate::transaction::{Path, ServerId, ServerKey, ServerStart};
use crate::wire::{
    Core, HeaderName, Headers, Method, NameAddr, Replaces, Request, Scheme, reason_phrase,
};

/// The option tag of RFC 4488.
pub(super) const NO_SUBSCRIPTION: &str = "norefersub";
/// The option tag of RFC 3891.
pub(super) const REPLACES: &str = "replaces";

/// For how long the far end is told without asking again.
const TELL_FOR: u32 = 3600;

/// A REFER of theirs.
pub(super) struct TheirRefer {
    /// What our NOTIFYs call it: its CSeq, where it is not the first in its dialog.
    event: String,
    stage: Stage,
    /// How the transfer stands.
    status: u16,
    phrase: String,
    /// That is not told yet.
    news: bool,
    /// A NOTIFY of ours has no answer yet. The next one waits, or it might overtake this one.
    telling: bool,
}

enum Stage {
    /// It waits for the user.
    Asked {
        server: ServerId,
        request: Box<Request>,
        give_up_at: Instant,
        /// It wants to be told nothing (RFC 4488).
        silent: bool,
    },
    Told,
}

impl TheirRefer {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Asked { give_up_at, .. } => Some(*give_up_at),
            Stage::Told => None,
        }
    }
}

impl Endpoint {
    pub(super) fn handle_refer(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: Request,
        core: &Core,
    ) {
        let wanted = match self.judge_refer(id, &request.headers) {
            Ok(wanted) => wanted,
            Err(status) => {
                return self.answer_within(now, path, &request, core, status, |_| {});
            }
        };
        let give_up_at = self.their_offer_lasts_until(now);
        let server = self.table.start_server(ServerStart {
            key: ServerKey::of_request(&request, core),
            merge: None,
            path,
            user: ServerUse { call: Some(id) },
        });
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let wish = request.headers.get(HeaderName::ReferSub);
        let silent = wish.is_some_and(|wish| named(wish).0 == b"false");
        let again = std::mem::replace(&mut call.transfers.referred_before, true);
        call.transfers.theirs = Some(TheirRefer {
            event: match again {
                true => format!("refer;id={}", core.cseq.number),
                false => "refer".to_owned(),
            },
            stage: Stage::Asked {
                server,
                request: Box::new(request),
                give_up_at,
                silent,
            },
            status: 100,
            phrase: reason_phrase(100).to_owned(),
            news: false,
            telling: false,
        });
        self.tell(id, CallEvent::TransferRequested(Box::new(wanted)));
    }

    /// What a REFER asks for, or the status it is refused with.
    fn judge_refer(&self, id: CallId, headers: &Headers) -> Result<TransferRequest, u16> {
        let mut targets = headers.get_all(HeaderName::ReferTo);
        let target = targets.next().filter(|_| targets.next().is_none());
        let target = target.and_then(|target| NameAddr::parse(target).ok());
        let mut to = target.ok_or(400_u16)?.uri;
        let call = self.calls.get(&id).filter(|call| call.transfers.permitted);
        let call = call.ok_or(603_u16)?;
        if !matches!(to.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel) {
            return Err(416);
        }
        // Other requests than calls are not made for others.
        let method = to.params.get("method");
        if method.is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
            return Err(603);
        }
        to.params.remove("method");
        if !matches!(call.phase, Phase::Up) || call.transfers.theirs.is_some() {
            return Err(491);
        }
        let components = to.headers.take();
        let replaces = components.and_then(|components| Replaces::of_uri_headers(&components));
        let replaces = match replaces {
            Some(replaces) => Some(replaces.ok_or(400_u16)?),
            None => None,
        };
        Ok(TransferRequest {
            to,
            replaces,
            referred_by: headers.get(HeaderName::ReferredBy).map(<[u8]>::to_vec),
        })
    }

    /// The user's word on a [`CallEvent::TransferRequested`]: whether it calls there, or the final status
    /// that says why not. Whoever calls tells how that goes by
    /// [`notify_transfer`](Self::notify_transfer).
    pub fn answer_transfer(&mut self, now: Instant, id: CallId, answer: Result<(), u16>) {
        match answer {
            Ok(()) => self.accept_their_refer(now, id),
            Err(status) => {
                let valid = (300..700).contains(&status);
                self.refuse_their_refer(now, id, if valid { status } else { 603 });
            }
        }
        self.settle_call(now, id);
    }

    fn accept_their_refer(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(theirs) = &mut call.transfers.theirs else {
            return;
        };
        let Stage::Asked {
            server,
            request,
            silent,
            ..
        } = std::mem::replace(&mut theirs.stage, Stage::Told)
        else {
            return;
        };
        let contact = call.contact.clone();
        let mut response = self.response(&request, 202, b"");
        response.headers.push(HeaderName::Contact, &contact);
        if silent {
            response.headers.push(HeaderName::ReferSub, "false");
            self.forget_their_refer(id);
        }
        self.answer_invite(now, server, &response);
        self.tell_referrer(now, id);
    }

    /// True if there was one to refuse.
    pub(super) fn refuse_their_refer(&mut self, now: Instant, id: CallId, status: u16) -> bool {
        let call = self.calls.get_mut(&id);
        let waits = |theirs: &mut TheirRefer| matches!(theirs.stage, Stage::Asked { .. });
        let theirs = call.and_then(|call| call.transfers.theirs.take_if(waits));
        let Some(TheirRefer {
            stage: Stage::Asked {
                server, request, ..
            },
            ..
        }) = theirs
        else {
            return false;
        };
        let response = self.response(&request, status, b"");
        self.answer_invite(now, server, &response);
        true
    }

    /// The user said nothing to it in time.
    pub(super) fn their_refer_due(&mut self, now: Instant, id: CallId) -> bool {
        let call = self.calls.get(&id);
        let theirs = call.and_then(|call| call.transfers.theirs.as_ref());
        let due = theirs.and_then(TheirRefer::poll_timeout);
        due.is_some_and(|at| at <= now) && self.refuse_their_refer(now, id, 603)
    }

    fn forget_their_refer(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.transfers.theirs = None;
        }
    }

    /// Tells the far end how the transfer goes that it asked for, by the status that our call there met
    /// with. One of 200 or above is the last word.
    pub fn notify_transfer(&mut self, now: Instant, id: CallId, status: u16, reason: Option<&str>) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let said = call.transfers.theirs.as_mut();
        let Some(theirs) = said.filter(|theirs| theirs.status < 200 && status != theirs.status)
        else {
            return;
        };
        if !(100..700).contains(&status) || !matches!(theirs.stage, Stage::Told) {
            return;
        }
        theirs.status = status;
        theirs.phrase = match reason {
            Some(reason) => reason.chars().filter(|c| !c.is_control()).collect(),
            None => reason_phrase(status).to_owned(),
        };
        theirs.news = true;
        if !theirs.telling {
            self.tell_referrer(now, id);
        }
        self.settle_call(now, id);
    }

    /// Sends the NOTIFY that is due.
    fn tell_referrer(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(theirs) = &mut call.transfers.theirs else {
            return;
        };
        theirs.news = false;
        theirs.telling = true;
        let event = theirs.event.clone();
        let body = format!("SIP/2.0 {} {}\r\n", theirs.status, theirs.phrase);
        let state = match theirs.status < 200 {
            true => format!("active;expires={TELL_FOR}"),
            false => "terminated;reason=noresource".to_owned(),
        };
        let Some((mut request, path)) = self.request_within(id, Method::Notify) else {
            return;
        };
        let headers = &mut request.headers;
        headers.push(HeaderName::Event, event);
        headers.push(HeaderName::SubscriptionState, state);
        headers.push(HeaderName::ContentType, "message/sipfrag;version=2.0");
        request.body = body.into_bytes();
        if let Err(error) = self.send_within(now, id, ClientKind::Notify, path, request) {
            tracing::warn!(%error, "a NOTIFY was not sent");
            self.forget_their_refer(id);
        }
    }

    /// A NOTIFY of ours was answered: with anything but a 2xx, or not at all, there is nobody to tell.
    pub(super) fn referrer_told(&mut self, now: Instant, id: CallId, status: u16) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(theirs) = &mut call.transfers.theirs else {
            return;
        };
        theirs.telling = false;
        if status < 300 && theirs.news {
            self.tell_referrer(now, id);
        } else if status >= 300 || theirs.status >= 200 {
            call.transfers.theirs = None;
        }
    }

    /// A SUBSCRIBE within the call: only to what a REFER of theirs began (RFC 3515 §2.4.4).
    pub(super) fn handle_subscribe(
        &mut self,
        now: Instant,
        id: CallId,
        path: Path,
        request: &Request,
        core: &Core,
    ) {
        let (package, _) = event_of(&request.headers);
        if package != b"refer" {
            return self.answer_within(now, path, request, core, 489, allow_events);
        }
        let call = self.calls.get_mut(&id);
        let theirs = call.and_then(|call| call.transfers.theirs.as_mut());
        let Some(theirs) = theirs.filter(|theirs| matches!(theirs.stage, Stage::Told)) else {
            return self.answer_within(now, path, request, core, 481, |_| {});
        };
        let leaves = request.headers.get(HeaderName::Expires) == Some(b"0");
        theirs.news = !leaves;
        let telling = theirs.telling;
        self.answer_within(now, path, request, core, 200, |response| {
            let expires = if leaves { 0 } else { TELL_FOR };
            response.headers.push(HeaderName::Expires, expires);
        });
        if leaves {
            self.forget_their_refer(id);
        } else if !telling {
            self.tell_referrer(now, id);
        }
    }
}
