// SPDX-License-Identifier: MPL-2.0
//! Coming by a call, hearing of it, and acting on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use sip_ua::agent::IncomingCall;
use sip_ua::wire::{Origin, Request};

use super::messages::KeyEvent;
use super::target::Target;
use super::{Line, LineError, messages, signals};
use crate::agent::{Listener, RegistrationNews, SipAgent};
use crate::call::{
    self, Call, CallError, CallNotice, CallParams, CallState, DialParams, DigitForm, MediaParams,
};
use crate::media::figures;

/// A key that was pressed by an event is sent this long at least, and at most.
const PRESS_MS: std::ops::RangeInclusive<u32> = 60..=6_000;

impl Line {
    fn media_params(&self, agent: &SipAgent) -> Result<MediaParams, LineError> {
        let settings = self.settings().clone();
        Ok(MediaParams {
            context: settings.context.clone(),
            context_wait: settings.context_wait(),
            codecs: settings.codecs()?,
            srtp: settings.srtp.into(),
            dtls: settings.dtls,
            ptime_ms: u8::try_from(settings.ptime_ms).unwrap_or(20),
            latency: Duration::from_millis(settings.latency_ms.into()),
            dtx: settings.dtx,
            media_timeout: Duration::from_secs(settings.media_timeout_s.into()),
            dtmf: settings.dtmf,
            ..agent.media_params()?
        })
    }

    fn call_name(&self) -> String {
        let named = self.settings().call.clone();
        named.unwrap_or_else(|| match self.user.element() {
            Some(element) => call::unique_name(&element.name()),
            None => call::unique_name("call"),
        })
    }

    pub(super) fn dial(&self, target: Target) -> Result<(), LineError> {
        let (agent, sip) = {
            let state = self.state();
            let Some(binding) = &state.binding else {
                return Err(LineError::NoRole);
            };
            (
                state.agent.clone().unwrap_or_else(SipAgent::shared),
                binding.agent().clone(),
            )
        };
        let identity = agent.identity(&target.uri)?;
        let media = self.media_params(&agent)?;
        let (mut headers, ring_timeout, follow_redirects, transferable) = {
            let settings = self.settings();
            (
                settings.headers()?,
                settings.ring_timeout(),
                settings.follow_redirects,
                settings.allow_transfer,
            )
        };
        headers.splice(0..0, target.headers);
        let call = Call::dial(
            &sip,
            DialParams {
                name: self.call_name(),
                to: target.uri,
                from: identity.from,
                next_hop: identity.next_hop,
                headers,
                credentials: identity.credentials,
                session_timer: None,
                ring_timeout,
                follow_redirects,
                transferable,
                media,
            },
        )?;
        self.attach(call, true);
        Ok(())
    }

    /// Takes hold of a call, and hears first where it stands.
    pub(super) fn attach(&self, call: Arc<Call>, owned: bool) {
        let me = self.me.clone();
        let weak = Arc::downgrade(&call);
        let subscription = call.subscribe(Box::new(move |notice| {
            if let (Some(line), Some(call)) = (me.upgrade(), weak.upgrade()) {
                line.on_notice(&call, notice);
            }
        }));
        let before = {
            let mut state = self.state();
            state.owns_call = owned;
            (
                state.call.replace(call.clone()),
                state.subscription.replace(subscription),
            )
        };
        drop(before);
        if owned {
            call.set_owned_by_element();
        }
        if let Some(end) = call.end() {
            return self.on_notice(&call, &CallNotice::Ended(end));
        }
        let state = call.state();
        self.on_notice(
            &call,
            &CallNotice::State {
                state,
                code: 0,
                reason: String::new(),
            },
        );
        if let Some(notice) = call.media_notice().filter(|_| call.has_media()) {
            self.on_notice(&call, &notice);
        }
    }

    fn on_notice(&self, call: &Arc<Call>, notice: &CallNotice) {
        let (owned, _told) = {
            let state = self.state();
            if !state
                .call
                .as_ref()
                .is_some_and(|held| Arc::ptr_eq(held, call))
            {
                return;
            }
            // While the call is still ours: whoever lets go of it waits.
            (state.owns_call, self.telling.begin())
        };
        let reports = owned || (self.user.reports_foreign_calls() && !call.is_owned_by_element());
        if reports
            && let Some(element) = self.user.element()
            && let Some(structure) = messages::structure(call, notice)
        {
            messages::post(&element, structure);
        }
        self.on_transfer_notice(call, notice, owned);
        self.user.on_notice(call, notice);
    }

    /// Whether this element made the call: then its failure is this element's error.
    pub(crate) fn owns_call(&self) -> bool {
        self.state().owns_call
    }

    /// Whether the end of a call is the end of the stream.
    pub(crate) fn ends_with_call(&self) -> bool {
        let another_may_follow = {
            let state = self.state();
            state.listening.is_some() || state.waiter.is_some()
        };
        !(another_may_follow && self.settings().keep_listening)
    }

    pub(crate) fn stats(&self) -> gst::Structure {
        // application/x-sip-stats: what the property `stats` holds. `call` and `state`; once there are
        // media `codec` (sent) and `codec-received`, `remote`, `packets-sent`, `packets-received`,
        // `bytes-sent`, `bytes-received`, `packets-lost`, `packets-late`, `packets-foreign` (from
        // addresses that are not the far end's), `packets-forged` (that the agreed SRTP key does not
        // open), `srtp-suite` where media are encrypted, `frames-concealed`, `remote-lost` (as the far end
        // reports), and in milliseconds `jitter`, `depth` of the jitter buffer, `concealed` and
        // `round-trip`. `mos` (how the far end sounds to us) and `remote-mos` (how we sound there), from 1
        // to 4.4 by the E-model of ITU-T G.107; 0 while there is too little to judge by. `context` is the
        // media thread, `context-load` the share of the last second it worked, 0 to 1, `context-late` the
        // most milliseconds that any tick on it was ever late, and `context-overruns` how many were by more
        // than 20.
        let mut stats = gst::Structure::builder("application/x-sip-stats");
        let Some(call) = self.call() else {
            return stats.build();
        };
        stats = stats
            .field("call", call.name())
            .field("state", call.state().as_str());
        let Some(leg) = call.stats() else {
            return stats.build();
        };
        if let Some(context) = call.context() {
            stats = figures::put_context(stats, &context);
        }
        figures::put(stats, &leg).build()
    }

    pub(crate) fn answer(&self) -> bool {
        let call = self
            .call()
            .filter(|call| call.is_inbound() && !call.is_over());
        if let Some(call) = &call {
            call.answer();
        }
        call.is_some()
    }

    pub(crate) fn hangup(&self, code: u32, reason: Option<&str>) -> bool {
        let call = self.call().filter(|call| !call.is_over());
        if let Some(call) = &call {
            let code = u16::try_from(code).ok().filter(|code| *code != 0);
            call.hangup(code, reason.map(one_line).as_deref());
        }
        call.is_some()
    }

    pub(crate) fn hold(&self, hold: bool) -> bool {
        let call = self
            .call()
            .filter(|call| call.state() == CallState::Answered);
        if let Some(call) = &call {
            call.hold(hold);
        }
        call.is_some()
    }

    pub(crate) fn send_dtmf(&self, digits: &str, duration_ms: u32) -> bool {
        let duration_ms = if duration_ms == 0 { 160 } else { duration_ms };
        self.call()
            .is_some_and(|call| call.send_dtmf(digits, duration_ms).is_ok())
    }

    /// A `dtmf-event` as dtmfsrc takes it. The key is sent when it is let go, for as long as it was
    /// down. `false`: the event is of another kind.
    pub(crate) fn on_event(&self, event: &gst::EventRef) -> bool {
        let call = self.call();
        let name = call.as_ref().map_or("", |call| call.name());
        let Some(event) = messages::read_dtmf_event(event, name) else {
            return false;
        };
        let (key, held) = match event {
            KeyEvent::Down(key) => {
                self.state().pressed = Some((key, Instant::now()));
                return true;
            }
            KeyEvent::Nothing => return true,
            KeyEvent::Press(key, duration_ms) => (key, duration_ms),
            KeyEvent::Up => {
                let Some((key, since)) = self.state().pressed.take() else {
                    return true;
                };
                let held = u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX);
                (key, held.clamp(*PRESS_MS.start(), *PRESS_MS.end()))
            }
        };
        if let Some(call) = call {
            let digit = key.digit.to_string();
            let sent = match key.tones {
                true => call.send_digits_as(DigitForm::Inband, &digit, held),
                false => call.send_dtmf(&digit, held),
            };
            if let Err(error) = sent {
                tracing::debug!(call = call.name(), %error, "a key was not sent");
            }
        }
        true
    }

    fn is_free(&self) -> bool {
        let state = self.state();
        let over = state.call.as_ref().is_some_and(|call| call.is_over());
        let again = self.settings().keep_listening;
        state.listening.is_some() && (state.call.is_none() || (over && again))
    }

    fn take(&self, incoming: IncomingCall, name: String) -> Result<(), LineError> {
        let agent = self.state().agent.clone().unwrap_or_else(SipAgent::shared);
        let media = match self.media_params(&agent) {
            Ok(media) => media,
            Err(error) => {
                incoming.call.handle.reject(500, None);
                return Err(error);
            }
        };
        let transferable = self.settings().allow_transfer;
        let params = CallParams {
            name,
            transferable,
            media,
        };
        let call = Call::incoming(incoming, params)?;
        if self.state().listening.is_none() {
            call.hangup(Some(480), None);
            return Ok(());
        }
        self.attach(call.clone(), true);
        call.ring();
        if self.settings().auto_answer {
            call.answer();
        }
        Ok(())
    }
}

impl Listener for Line {
    fn offer(&self, incoming: IncomingCall) -> Option<IncomingCall> {
        let Some(element) = self.user.element().filter(|_| self.is_free()) else {
            return Some(incoming);
        };
        // The call whose place it wants is another element's, or none's.
        if incoming.replaces.is_some() {
            incoming.call.handle.reject(603, None);
            return None;
        }
        let name = self.call_name();
        let agent = self.state().agent.clone().unwrap_or_else(SipAgent::shared);
        let trusted = agent.trusts_asserted_identity();
        let facts = facts(&name, &incoming.request, incoming.source, trusted);
        if !element.emit_by_name::<bool>(signals::INCOMING_CALL, &[&facts]) {
            incoming.call.handle.reject(603, None);
            return None;
        }
        match self.take(incoming, name) {
            Ok(()) | Err(LineError::Call(CallError::Refused { .. })) => {}
            Err(error) => gst::element_warning!(
                element,
                gst::ResourceError::Failed,
                ("A call could not be taken: {error}")
            ),
        }
        None
    }

    fn registration(&self, news: &RegistrationNews) {
        if let Some(element) = self.user.element() {
            messages::post(&element, messages::registration(news));
        }
    }

    fn turned_away(&self, source: SocketAddr, accept_from: &str) {
        let Some(element) = self.user.element() else {
            return;
        };
        gst::element_warning!(
            element,
            gst::ResourceError::NotAuthorized,
            ("A call from {} was ignored", source.ip()),
            ["agent::accept-from lets in {accept_from} only"]
        );
    }
}

/// What an application learns of a call before it decides. Bytes that are no UTF-8 are replaced.
fn facts(name: &str, request: &Request, source: SocketAddr, trusted: bool) -> gst::Structure {
    let text = |value: &[u8]| String::from_utf8_lossy(value).replace('\0', "");
    let header = |name: &str| text(request.headers.get(name).unwrap_or_default());
    let origin = Origin::read(&request.headers, trusted);
    for header in &origin.malformed {
        tracing::warn!(call = name, %source, %header, "a header that says who calls cannot be read and is left out");
    }
    let asserted = origin.asserted.first();
    let privacy = (!origin.privacy.is_empty()).then(|| text(&origin.privacy.to_bytes()));
    let diverted_by = origin.diverted_by().map(|(uri, _)| text(&uri.to_bytes()));
    let attestation = origin.attestation().map(|level| level.as_str());
    // sip-incoming-call: what the signal `incoming-call` tells. `call` is the name that the call will
    // have, `from` and `to` the headers, `sip-call-id` its Call-ID, `source` the address it came from.
    // Where the call says so: `asserted` who calls by P-Asserted-Identity (only with the agent's
    // `trust-asserted-identity`), `privacy` what the caller wants to be kept from others, `diverted-by`
    // the URI that sent the call on last (Diversion or History-Info), `attestation` the level A, B or C
    // that an Identity header claims, which nobody has verified.
    gst::Structure::builder("sip-incoming-call")
        .field("call", name)
        .field("from", header("From"))
        .field("to", header("To"))
        .field("sip-call-id", header("Call-ID"))
        .field("source", source.to_string())
        .field_if_some(
            "asserted",
            asserted.map(|address| text(&address.to_bytes())),
        )
        .field_if_some("privacy", privacy)
        .field_if_some("diverted-by", diverted_by)
        .field_if_some("attestation", attestation)
        .build()
}

/// What an application passes as text becomes one line: it may stand in a header.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_ua::wire::Method;

    #[test]
    fn an_application_learns_who_calls_and_what_is_no_more_than_a_claim() {
        gst::init().unwrap();
        let mut request = Request::new(Method::Invite, "sip:100@192.0.2.1".parse().unwrap());
        for (name, value) in [
            ("From", "<sip:anonymous@anonymous.invalid>;tag=1"),
            ("P-Asserted-Identity", "\"Bob\" <tel:+15550123>"),
            ("Privacy", "id"),
            ("Diversion", "<sip:+15550199@c.example>;reason=user-busy"),
            (
                "Identity",
                "e30.eyJhdHRlc3QiOiJCIn0.c2ln;info=<https://c.example/c>",
            ),
        ] {
            request.headers.push(name, value);
        }
        let told = |request: &Request, trusted: bool| {
            let facts = facts("c", request, "192.0.2.9:5060".parse().unwrap(), trusted);
            ["asserted", "privacy", "diverted-by", "attestation"]
                .map(|field| facts.get::<String>(field).ok())
        };
        let [asserted, privacy, diverted_by, attestation] = told(&request, true);
        assert_eq!(asserted.as_deref(), Some("\"Bob\" <tel:+15550123>"));
        assert_eq!(privacy.as_deref(), Some("id"));
        assert_eq!(diverted_by.as_deref(), Some("sip:+15550199@c.example"));
        assert_eq!(attestation.as_deref(), Some("B"));
        assert_eq!(told(&request, false)[0], None);
        let bare = Request::new(Method::Invite, "sip:100@192.0.2.1".parse().unwrap());
        assert_eq!(told(&bare, true), [None, None, None, None]);
    }
}
