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
        let form = self.digit_form().ok_or(DigitsError::NotNegotiated)?;
        self.send_digits_as(form, digits, duration_ms)
    }

    /// Sends digits in this form, whatever the mode says.
    pub fn send_digits_as(
        &self,
        form: DigitForm,
        digits: &str,
        duration_ms: u32,
    ) -> Result<(), DigitsError> {
        check_digits(digits)?;
        let digits = digits.to_ascii_uppercase();
        let duration_ms = duration_ms.clamp(40, 6_000);
        let media = self.media().ok_or(DigitsError::NotNegotiated)?;
        match form {
            DigitForm::Rfc4733 => media.send_digits(&digits, duration_ms),
            DigitForm::Inband => media.send_tones(&digits, duration_ms),
            DigitForm::Info => {
                self.lock().info.queue(&digits, duration_ms)?;
                self.wake.notify_one();
                Ok(())
            }
        }
    }

    /// The form in which digits would be sent now; `None`: the far end does not take what the mode
    /// insists on, or there are no media.
    pub fn digit_form(&self) -> Option<DigitForm> {
        let inner = self.lock();
        let agreed = inner.session.as_ref()?.agreed()?;
        let events = agreed.telephone_event_send.is_some();
        match inner.dtmf {
            DtmfMode::Auto if events => Some(DigitForm::Rfc4733),
            DtmfMode::Auto if !inner.info.is_refused() => Some(DigitForm::Info),
            DtmfMode::Auto | DtmfMode::Inband => Some(DigitForm::Inband),
            DtmfMode::Rfc4733 => events.then_some(DigitForm::Rfc4733),
            DtmfMode::Info => Some(DigitForm::Info),
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
        let (unsent, mode): (Vec<Press>, _) = {
            let mut inner = self.lock();
            (inner.info.answered(status), inner.dtmf)
        };
        if unsent.is_empty() {
            return;
        }
        tracing::warn!(
            call = self.name(),
            status,
            digits = unsent.len(),
            "the far end refused digits as SIP INFO"
        );
        // What it does not take in words it may take by ear.
        let media = self.media().filter(|_| mode == DtmfMode::Auto);
        for (digit, duration_ms) in unsent {
            if let Some(media) = &media
                && let Err(error) = media.send_tones(&digit.to_string(), duration_ms)
            {
                tracing::warn!(call = self.name(), %error, "digits were not sent");
            }
        }
    }
}
