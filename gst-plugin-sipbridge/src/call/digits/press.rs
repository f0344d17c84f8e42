// SPDX-License-Identifier: MPL-2.0
//! What a call does with digits: which form they take to the far end, and what it tells of those
//! that came.

use std::time::{Duration, Instant};

use super::info::{InfoStep, Press, read_info};
use super::{DigitForm, DtmfMode};
use crate::call::{Call, CallNotice, CallState};
use crate::media::{DigitsError, check_digits};

impl Call {
    /// Sends digits, each this long (40 ms to 6 s), after those that wait, in the form that
    /// [`digit_form`](Self::digit_form) names. Returns at once.
    pub fn send_dtmf(&self, digits: &str, duration_ms: u32) -> Result<(), DigitsError> {
        check_digits(digits)?;
        let digits = digits.to_ascii_uppercase();
        let duration_ms = duration_ms.clamp(40, 6_000);
        match self.digit_form() {
            None => Err(DigitsError::NotNegotiated),
            Some(DigitForm::Rfc4733) => {
                let media = self.media().ok_or(DigitsError::NotNegotiated)?;
                media.send_digits(&digits, duration_ms)
            }
            Some(DigitForm::Info) => {
                self.lock().info.queue(&digits, duration_ms)?;
                self.wake.notify_one();
                Ok(())
            }
        }
    }

    /// The form in which digits would be sent now; `None`: the far end takes none of those that the
    /// mode allows, or there are no media.
    pub fn digit_form(&self) -> Option<DigitForm> {
        let inner = self.lock();
        let agreed = inner.session.as_ref()?.agreed()?;
        let events = agreed
            .telephone_event_send
            .is_some()
            .then_some(DigitForm::Rfc4733);
        let info = (!inner.info.is_refused()).then_some(DigitForm::Info);
        match inner.dtmf {
            DtmfMode::Rfc4733 => events,
            DtmfMode::Info => Some(DigitForm::Info),
            DtmfMode::Auto => events.or(info),
        }
    }

    /// A digit that ended just now. It is told once, whatever else it comes in.
    pub(in crate::call) fn on_digit(&self, form: DigitForm, digit: char, duration_ms: u32) {
        let duration = Duration::from_millis(duration_ms.into());
        let is_new = self
            .lock()
            .digits
            .is_new(Instant::now(), form, digit, duration);
        if is_new {
            self.notify(&CallNotice::Digit {
                digit,
                duration_ms,
                form,
            });
        }
    }

    /// An INFO came.
    pub(in crate::call) fn on_info(&self, content_type: &str, body: &[u8]) {
        if let Some((digit, duration_ms)) = read_info(content_type, body) {
            self.on_digit(DigitForm::Info, digit, duration_ms);
        }
    }

    /// Sends the INFO that is due. Returns when to come back.
    pub(in crate::call) fn send_info(&self, now: Instant) -> Option<Instant> {
        let (step, handle) = {
            let mut inner = self.lock();
            if inner.state != CallState::Answered {
                return None;
            }
            (inner.info.poll(now), inner.handle.clone())
        };
        match step {
            InfoStep::Send { content_type, body } => {
                handle?.info(content_type, body);
                None
            }
            InfoStep::Wait(at) => Some(at),
            InfoStep::Idle => None,
        }
    }

    /// The far end said what became of our INFO.
    pub(in crate::call) fn on_info_answered(&self, status: u16) {
        let unsent: Vec<Press> = self.lock().info.answered(status);
        if !unsent.is_empty() {
            tracing::warn!(
                call = self.name(),
                status,
                digits = unsent.len(),
                "the far end refused digits as SIP INFO"
            );
        }
    }
}
