// SPDX-License-Identifier: MPL-2.0
//! The media side of a call: opening it, agreeing on it, digits, hold, statistics.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use sip_ua::sdp::Negotiated;

use super::digits::DigitForm;
use super::{Call, CallNotice, CallState, EndedBy, MediaParams, Signalling};
use crate::bridge::{DtlsConfig, IcePolicy};
use crate::context::{Context, ContextError};
use crate::media::{
    self, AudioIn, AudioOut, Format, LegStats, MediaConfig, MediaError, MediaEvent, MediaHandle,
};
use crate::session::{Session, SessionError};

/// Why a call has no media.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("no DTLS certificate can be made on this system")]
    NoCertificate,
}

impl Call {
    pub(super) fn open_media(
        &self,
        params: &MediaParams,
        bind: IpAddr,
        peer: IpAddr,
        shakes: bool,
    ) -> Result<(), OpenError> {
        // Checks are made too: a browser's own ones may come from where no answer of ours would get through.
        let dtls = match shakes {
            true => Some(DtlsConfig::of_process(IcePolicy::Full).ok_or(OpenError::NoCertificate)?),
            false => None,
        };
        let context = match &params.context {
            Some(name) => Context::acquire(name, params.context_wait)?,
            None => Context::default_for_new_call()?,
        };
        let config = MediaConfig {
            bind,
            ports: params.ports.clone(),
            latency: params.latency,
            ptime_ms: params.ptime_ms,
            media_timeout: params.media_timeout,
            opus: params.opus,
            dtx: params.dtx,
            ..MediaConfig::default()
        };
        let me = self.me.clone();
        let events = move |event| {
            if let Some(call) = me.upgrade() {
                call.on_media_event(event);
            }
        };
        let handle = media::open(&context, config, Box::new(events))?;
        let address = params.advertise.unwrap_or(bind);
        let reached_at = SocketAddr::new(address, handle.local_rtp().port());
        let mut inner = self.lock();
        let mut session = Session::new(
            reached_at,
            peer,
            params.codecs.clone(),
            params.ptime_ms,
            params.srtp,
        );
        session.set_events(params.dtmf.offers_events());
        if let Some(dtls) = dtls {
            session.set_transport(true, true);
            session.set_dtls(Some(dtls.local(reached_at)));
        }
        inner.session = Some(session);
        inner.dtmf = params.dtmf;
        handle.set_mute(inner.muted);
        inner.media = Some(Arc::new(handle));
        Ok(())
    }

    /// Prepares the SDP of our 200: an answer, or an offer where the INVITE had none.
    pub(super) fn describe(&self, offer: Option<&[u8]>) -> Result<(), SessionError> {
        let mut inner = self.lock();
        let Some(session) = inner.session.as_mut() else {
            return Err(SessionError::NoAnswer);
        };
        let description = match offer {
            Some(offer) => session.answer(offer)?.0,
            None => session.offer(),
        };
        inner.answer = Some(description);
        Ok(())
    }

    pub(super) fn first_offer(&self) -> Option<Vec<u8>> {
        self.lock().session.as_mut().map(Session::offer)
    }

    pub(super) fn answer_offer(&self, offer: &[u8]) -> Result<(Vec<u8>, Negotiated), SessionError> {
        self.lock()
            .session
            .as_mut()
            .ok_or(SessionError::NoAnswer)?
            .answer(offer)
    }

    pub(super) fn refreshed(&self, answer: &[u8]) -> Result<Option<Negotiated>, SessionError> {
        self.lock()
            .session
            .as_mut()
            .ok_or(SessionError::NoAnswer)?
            .refresh(answer)
    }

    pub(super) fn awaits_answer(&self) -> bool {
        self.lock()
            .session
            .as_ref()
            .is_some_and(Session::awaits_answer)
    }

    pub(super) fn negotiated(&self) -> Option<Negotiated> {
        self.lock()
            .session
            .as_ref()
            .and_then(Session::agreed)
            .cloned()
    }

    pub(super) fn settle(&self) {
        if let Some(session) = self.lock().session.as_mut() {
            session.settle();
        }
    }

    /// Their answer to our offer; `last` settles it.
    pub(super) fn take_answer(
        &self,
        answer: Option<Vec<u8>>,
        last: bool,
    ) -> Result<(), SessionError> {
        let answer = answer.ok_or(SessionError::NoAnswer)?;
        let negotiated = {
            let mut inner = self.lock();
            let session = inner.session.as_mut().ok_or(SessionError::NoAnswer)?;
            let negotiated = session.accept(&answer)?;
            if last {
                session.settle();
            }
            inner.hold_agreed = inner.held;
            negotiated
        };
        self.apply(negotiated);
        Ok(())
    }

    pub(super) fn apply(&self, negotiated: Negotiated) {
        let Some(media) = self.media() else { return };
        let notice = CallNotice::Media {
            codec: negotiated.codec.name(),
            ptime_ms: negotiated.ptime_ms,
            remote: negotiated.remote_rtp,
            direction: negotiated.direction.as_str(),
            srtp: suite(&negotiated),
        };
        let events = !negotiated.telephone_event_receive.is_empty();
        let listens = self.lock().dtmf.listens(events);
        match media.apply(negotiated) {
            Ok(()) => {
                media.set_listening(listens);
                self.notify(&notice);
            }
            Err(error) => self.hangup_because(EndedBy::Network, 500, &error.to_string()),
        }
    }

    fn on_media_event(&self, event: MediaEvent) {
        match event {
            MediaEvent::Digit { digit, duration_ms } => {
                self.on_digit(DigitForm::Rfc4733, digit, duration_ms);
            }
            MediaEvent::Tone { digit, duration_ms } => {
                self.on_digit(DigitForm::Inband, digit, duration_ms);
            }
            MediaEvent::Started => {
                self.lock()
                    .timeline
                    .first_rtp_in
                    .get_or_insert_with(Instant::now);
                self.notify(&CallNotice::FirstMedia);
            }
            MediaEvent::Sending => {
                self.lock()
                    .timeline
                    .first_rtp_out
                    .get_or_insert_with(Instant::now);
            }
            // While it rings, nobody has to be heard.
            MediaEvent::TimedOut(silent) if self.state() == CallState::Answered => {
                let seconds = silent.as_secs();
                let reason = format!("no media from the far end for {seconds} s");
                self.hangup_because(EndedBy::Network, 408, &reason);
            }
            MediaEvent::WrongKey(from) => {
                tracing::warn!(
                    call = self.name(),
                    %from,
                    "SRTP with another key than that of the description: nothing is heard"
                );
            }
            MediaEvent::Failed(reason) => {
                self.hangup_because(EndedBy::Network, 500, &reason);
            }
            event => tracing::debug!(call = self.name(), ?event, "media"),
        }
    }

    pub(crate) fn media(&self) -> Option<Arc<MediaHandle>> {
        self.lock().media.clone()
    }

    /// Whether audio flows or may: answered, or early media.
    pub fn has_media(&self) -> bool {
        matches!(self.state(), CallState::Answered | CallState::EarlyMedia)
    }

    /// What we and the far end agreed on, as the latest [`CallNotice::Media`] told it.
    pub fn media_notice(&self) -> Option<CallNotice> {
        self.negotiated().map(|agreed| CallNotice::Media {
            codec: agreed.codec.name(),
            ptime_ms: agreed.ptime_ms,
            remote: agreed.remote_rtp,
            direction: agreed.direction.as_str(),
            srtp: suite(&agreed),
        })
    }

    /// Where the far end's audio goes; `None` discards it. `false`: the call has no media (any more).
    pub fn set_output(&self, output: Option<(Format, Box<dyn AudioOut>)>) -> bool {
        match self.media() {
            Some(media) => {
                media.set_output(output);
                true
            }
            None => false,
        }
    }

    /// Where audio to the far end goes in, once the call has media.
    pub fn input(&self) -> Option<AudioIn> {
        self.media().map(|media| media.input())
    }

    /// The rate of the call's codec, at which audio needs no resampling.
    pub fn native_rate_hz(&self) -> u32 {
        self.media().map_or(8_000, |media| media.native_rate_hz())
    }

    /// The media thread it runs on, once there is media.
    pub fn context(&self) -> Option<Context> {
        self.media().map(|media| media.context())
    }

    /// Goes on on another media thread, without losing a packet.
    pub fn move_to(&self, context: &Context) {
        if let Some(media) = self.media() {
            media.move_to(context);
        }
    }

    /// Sends silence instead of what is pushed.
    pub fn set_mute(&self, mute: bool) {
        let (media, silent) = {
            let mut inner = self.lock();
            inner.muted = mute;
            (inner.media.clone(), mute || inner.held)
        };
        if let Some(media) = media {
            media.set_mute(silent);
        }
    }

    /// Whether we hold the far end.
    pub fn is_held(&self) -> bool {
        self.lock().held
    }

    /// Puts the far end on hold, or takes it back. On hold it hears silence, whatever is pushed, and
    /// is asked to send nothing (RFC 3264 section 8.4).
    pub fn hold(&self, hold: bool) {
        let (media, handle, offer, silent) = {
            let mut inner = self.lock();
            if inner.state != CallState::Answered || inner.held == hold {
                return;
            }
            inner.held = hold;
            let Some(session) = inner.session.as_mut() else {
                return;
            };
            session.set_hold(hold);
            let offer = session.offer();
            (
                inner.media.clone(),
                inner.handle.clone(),
                offer,
                hold || inner.muted,
            )
        };
        if let Some(media) = media {
            media.set_mute(silent);
        }
        if let Some(handle) = handle {
            handle.reoffer(offer);
        }
    }

    /// Our re-offer was refused: what held before holds on.
    pub(super) fn revert_hold(&self) {
        let (media, silent) = {
            let mut inner = self.lock();
            let agreed = inner.hold_agreed;
            inner.held = agreed;
            if let Some(session) = inner.session.as_mut() {
                session.set_hold(agreed);
            }
            (inner.media.clone(), inner.held || inner.muted)
        };
        if let Some(media) = media {
            media.set_mute(silent);
        }
        if let Some(notice) = self.media_notice() {
            self.notify(&notice);
        }
    }

    /// The counters of the media, once there is any; after the end, the last ones.
    pub fn stats(&self) -> Option<LegStats> {
        let inner = self.lock();
        match &inner.media {
            Some(media) => Some(media.stats()),
            None => inner.last_stats.clone(),
        }
    }

    /// The SIP messages of this call, while it lasts and after: it does not keep the call.
    pub fn signalling(&self) -> Signalling {
        self.signalling.clone()
    }
}

fn suite(agreed: &Negotiated) -> Option<&'static str> {
    let described = agreed.srtp.as_ref().map(|keys| keys.suite().name());
    // Which suite that comes to, the handshake finds later.
    described.or(agreed.dtls.as_ref().map(|_| "DTLS-SRTP"))
}
