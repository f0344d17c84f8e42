// SPDX-License-Identifier: MPL-2.0
//! A telephone call: a SIP dialog and its media leg under one name.
//!
//! [`Call::dial`] places one, [`Call::incoming`] takes one; both return at once and tell the rest to
//! subscribers. Re-offers of the far end (hold, another codec, a moved address) are answered inside.
//! Whoever holds the `Arc` keeps the call up; when the last one goes, it is hung up.

mod digits;
mod events;
mod media;
mod notice;
mod params;
mod place;
mod registry;
mod signalling;
mod transfer;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use sip_ua::agent::{Agent, CallHandle, IncomingCall, Reason};
use sip_ua::sdp;
use sip_ua::wire::{HeaderName, Headers, NameAddr, Uri};
use tokio::runtime::Handle;
use tokio::sync::Notify;

pub use crate::session::MediaAddressError;
pub use digits::{DigitForm, DtmfMode};
pub use notice::{CallEnd, CallNotice, CallState, EndedBy, Timeline};
pub use params::{CallParams, DEFAULT_CODECS, DialParams, DtlsPolicy, MediaParams, NextHop};
pub use registry::{Waiter, find, find_by_id, unique_name, wait_for};
pub use signalling::Signalling;
pub use sip_ua::agent::{TransferRequest, TransferTo};
pub use transfer::TransferState;

use crate::agent::runtime;
use crate::media::{LegStats, MediaHandle};
use crate::session::{Session, SessionError};
use digits::{DigitMerge, InfoSender};

/// Why a call could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Two calls of one name could not be told apart.
    #[error("there is a call named \"{0}\" already")]
    NameTaken(String),
    /// No thread for signalling.
    #[error("cannot start the thread of the user agent: {0}")]
    Runtime(#[from] io::Error),
    /// An incoming call could not be taken; the caller was answered so.
    #[error("the call was refused with {code}: {reason}")]
    Refused {
        /// The SIP status the caller got.
        code: u16,
        /// Why.
        reason: String,
    },
}

/// Ends a subscription when dropped.
pub struct Subscription {
    call: Weak<Call>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(call) = self.call.upgrade() {
            call.lock_subscribers().retain(|(id, _)| *id != self.id);
        }
    }
}

type Subscriber = Arc<dyn Fn(&CallNotice) + Send + Sync>;

/// A telephone call.
pub struct Call {
    name: String,
    me: Weak<Call>,
    inbound: bool,
    owned_by_element: AtomicBool,
    /// The far end may ask for transfers.
    transferable: AtomicBool,
    signalling: Signalling,
    /// There are digits to send: wakes the task that takes the call's events.
    wake: Arc<Notify>,
    inner: Mutex<Inner>,
    subscribers: Mutex<Vec<(u64, Subscriber)>>,
}

struct Inner {
    state: CallState,
    handle: Option<CallHandle>,
    media: Option<Arc<MediaHandle>>,
    last_stats: Option<LegStats>,
    session: Option<Session>,
    /// Our description for the 200, made when the INVITE came in.
    answer: Option<Vec<u8>>,
    muted: bool,
    held: bool,
    /// The hold, or its absence, that the far end agreed to last.
    hold_agreed: bool,
    timeline: Timeline,
    dtmf: DtmfMode,
    digits: DigitMerge,
    info: InfoSender,
    end: Option<CallEnd>,
}

static NEXT_SUBSCRIBER: AtomicU64 = AtomicU64::new(0);

impl Call {
    fn create(name: String, inbound: bool) -> Result<Arc<Call>, CallError> {
        let state = if inbound {
            CallState::Incoming
        } else {
            CallState::Calling
        };
        let call = Arc::new_cyclic(|me| Call {
            name,
            me: me.clone(),
            inbound,
            owned_by_element: AtomicBool::new(false),
            transferable: AtomicBool::new(false),
            signalling: Signalling::default(),
            wake: Arc::default(),
            inner: Mutex::new(Inner {
                state,
                handle: None,
                media: None,
                last_stats: None,
                session: None,
                answer: None,
                muted: false,
                held: false,
                hold_agreed: false,
                timeline: Timeline {
                    invite: Some(Instant::now()),
                    ..Timeline::default()
                },
                dtmf: DtmfMode::default(),
                digits: DigitMerge::default(),
                info: InfoSender::default(),
                end: None,
            }),
            subscribers: Mutex::default(),
        });
        Ok(call)
    }

    /// Places a call through `agent`. Runs on the caller's tokio runtime if there is one, else on the
    /// plugin's own. Failures on the way are told as [`CallNotice::Ended`].
    pub fn dial(agent: &Agent, params: DialParams) -> Result<Arc<Call>, CallError> {
        let runtime = current_runtime()?;
        let call = Call::create(params.name.clone(), false)?;
        call.permit_transfers(params.transferable);
        call.register()?;
        place::spawn(&call, &runtime, agent, params);
        Ok(call)
    }

    /// Takes an incoming call: agrees on media at once, without answering. Then `ring`, `answer` or
    /// `hangup`. On error the caller has been answered already (488, 400, 415, 500).
    pub fn incoming(incoming: IncomingCall, params: CallParams) -> Result<Arc<Call>, CallError> {
        let refuse = |code: u16, reason: String| {
            incoming.call.handle.reject(code, None);
            CallError::Refused { code, reason }
        };
        let runtime = match current_runtime() {
            Ok(runtime) => runtime,
            Err(error) => return Err(refuse(500, error.to_string())),
        };
        let peer = incoming.source;
        let reached = Some(params.media.bind.unwrap_or(incoming.local.ip()));
        let bind = place::media_address(reached, peer).map_err(|reason| refuse(500, reason))?;
        let call = Call::create(params.name, true)?;
        call.permit_transfers(params.transferable);
        let body = &incoming.request.body;
        let offer = sdp::description_in(incoming.request.headers.get("Content-Type"), body);
        let dtls = params.media.dtls;
        let shakes = match offer.as_ref().ok().copied().flatten() {
            Some(offer) => dtls.answers(offer),
            None => remote_target(&incoming.request.headers).is_some_and(|uri| dtls.offers(&uri)),
        };
        call.open_media(&params.media, bind, peer.ip(), shakes)
            .map_err(|error| refuse(500, error.to_string()))?;
        offer
            .map_err(SessionError::from)
            .and_then(|offer| call.describe(offer))
            .map_err(|error| refuse(error.sip_code(), error.to_string()))?;
        if !call.set_handle(incoming.call.handle.clone()) {
            return Err(refuse(500, "the call ended before it began".to_owned()));
        }
        if let Err(error) = call.register() {
            incoming.call.handle.reject(500, None);
            return Err(error);
        }
        runtime.spawn(events::run(Arc::downgrade(&call), incoming.call.events));
        Ok(call)
    }

    fn register(self: &Arc<Self>) -> Result<(), CallError> {
        if registry::insert(self) {
            Ok(())
        } else {
            Err(CallError::NameTaken(self.name.clone()))
        }
    }

    /// The name it is found by in this process.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the far end called us.
    pub fn is_inbound(&self) -> bool {
        self.inbound
    }

    /// An element made the call and reports on it.
    pub(crate) fn set_owned_by_element(&self) {
        self.owned_by_element.store(true, Ordering::Release);
    }

    pub(crate) fn is_owned_by_element(&self) -> bool {
        self.owned_by_element.load(Ordering::Acquire)
    }

    /// Where it stands.
    pub fn state(&self) -> CallState {
        self.lock().state
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.state() == CallState::Ended
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<CallEnd> {
        self.lock().end.clone()
    }

    /// The Call-ID of the dialog; empty before the INVITE is sent.
    pub fn sip_call_id(&self) -> String {
        self.handle()
            .map(|handle| handle.sip_call_id())
            .unwrap_or_default()
    }

    /// The milestones passed so far.
    pub fn timeline(&self) -> Timeline {
        let inner = self.lock();
        let mut timeline = inner.timeline;
        if let Some(sip) = inner.handle.as_ref().map(CallHandle::instants) {
            timeline.invite = sip.invite_at.or(timeline.invite);
            timeline.ringing = sip.ringing_at.or(timeline.ringing);
            timeline.answered = sip.answered_at.or(timeline.answered);
        }
        timeline
    }

    /// Tells `subscriber` what happens from now on; [`state`](Self::state) tells what was before. It
    /// is called on the agent's thread or a media context: it must not block.
    #[must_use = "dropping the subscription ends it"]
    pub fn subscribe(&self, subscriber: Box<dyn Fn(&CallNotice) + Send + Sync>) -> Subscription {
        let id = NEXT_SUBSCRIBER.fetch_add(1, Ordering::Relaxed);
        self.lock_subscribers().push((id, Arc::from(subscriber)));
        Subscription {
            call: self.me.clone(),
            id,
        }
    }

    /// Tells the caller that it rings here (180).
    pub fn ring(&self) {
        if self.inbound
            && self.advance(CallState::Ringing, 180, "Ringing")
            && let Some(handle) = self.handle()
        {
            handle.ring(None);
        }
    }

    /// Answers an incoming call (200). Does nothing on a call that is answered, over, or ours.
    pub fn answer(&self) {
        let (handle, answer) = {
            let mut inner = self.lock();
            if !self.inbound || inner.state >= CallState::Answered {
                return;
            }
            (inner.handle.clone(), inner.answer.take())
        };
        let (Some(handle), Some(answer)) = (handle, answer) else {
            return;
        };
        handle.accept(answer);
        if let Some(negotiated) = self.negotiated() {
            self.apply(negotiated);
        }
        self.advance(CallState::Answered, 200, "OK");
    }

    /// Ends the call in whatever way its state asks for: BYE, CANCEL, or a refusal with `code`
    /// (default 603) and `reason`. Returns at once; the call is over for its users, while the agent
    /// sees the far end off.
    pub fn hangup(&self, code: Option<u16>, reason: Option<&str>) {
        let (handle, was_answered) = {
            let inner = self.lock();
            (inner.handle.clone(), inner.state == CallState::Answered)
        };
        // First for our users, or the agent's report of the same end would overtake this one.
        let ended_now = self.finish(CallEnd {
            by: EndedBy::Local,
            code,
            reason: reason
                .filter(|text| !text.is_empty())
                .unwrap_or("hung up here")
                .to_owned(),
            was_answered,
        });
        let Some(handle) = handle.filter(|_| ended_now) else {
            return;
        };
        if self.inbound && !was_answered {
            let refusal = code.filter(|code| (300..700).contains(code)).unwrap_or(603);
            handle.reject(refusal, reason);
        } else {
            handle.hangup(code.map(|code| Reason::sip(code, reason.unwrap_or_default())));
        }
    }

    fn hangup_because(&self, by: EndedBy, code: u16, reason: &str) {
        let handle = self.handle();
        let was_answered = self.state() == CallState::Answered;
        let end = CallEnd {
            by,
            code: Some(code),
            reason: reason.to_owned(),
            was_answered,
        };
        if self.finish(end)
            && let Some(handle) = handle
        {
            handle.hangup(Some(Reason::sip(code, reason)));
        }
    }

    /// The one way into `Ended`: media goes, subscribers hear of it, once.
    /// `false`: it was over already.
    fn finish(&self, end: CallEnd) -> bool {
        let media = {
            let mut inner = self.lock();
            if inner.state == CallState::Ended {
                return false;
            }
            inner.state = CallState::Ended;
            inner.timeline.ended = Some(Instant::now());
            inner.end = Some(end.clone());
            let media = inner.media.take();
            inner.last_stats = media.as_ref().map(|media| media.stats());
            media
        };
        drop(media);
        self.notify(&CallNotice::Ended(end));
        true
    }

    /// Moves on, never back; tells subscribers. `false`: it was there or further already.
    fn advance(&self, state: CallState, code: u16, reason: &str) -> bool {
        {
            let mut inner = self.lock();
            if inner.state >= state {
                return false;
            }
            inner.state = state;
        }
        self.notify(&CallNotice::State {
            state,
            code,
            reason: reason.to_owned(),
        });
        true
    }

    /// `false`: the call ended meanwhile, and the dialog is taken down at once.
    fn set_handle(&self, handle: CallHandle) -> bool {
        self.signalling.begin(&handle);
        let mut inner = self.lock();
        if inner.state == CallState::Ended {
            drop(inner);
            handle.hangup(None);
            return false;
        }
        handle.permit_transfers(self.transferable.load(Ordering::Acquire));
        inner.handle = Some(handle);
        true
    }

    fn handle(&self) -> Option<CallHandle> {
        self.lock().handle.clone()
    }

    fn notify(&self, notice: &CallNotice) {
        let subscribers: Vec<Subscriber> = self
            .lock_subscribers()
            .iter()
            .map(|(_, subscriber)| subscriber.clone())
            .collect();
        for subscriber in subscribers {
            subscriber(notice);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_subscribers(&self) -> MutexGuard<'_, Vec<(u64, Subscriber)>> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("name", &self.name)
            .field("state", &self.state())
            .finish()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        registry::forget(&self.name);
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        if inner.state != CallState::Ended
            && let Some(handle) = &inner.handle
        {
            handle.hangup(None);
        }
    }
}

/// Where whoever sent a request is reached (RFC 3261 section 12.1.1).
fn remote_target(headers: &Headers) -> Option<Uri> {
    let contact = NameAddr::parse(headers.get(HeaderName::Contact)?).ok()?;
    Some(contact.uri)
}

fn current_runtime() -> io::Result<Handle> {
    Handle::try_current().or_else(|_| runtime::handle())
}
