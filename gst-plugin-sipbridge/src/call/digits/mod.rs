// SPDX-License-Identifier: MPL-2.0
//! Digits in the forms that telephones send them in, and one press told once whatever came.

mod info;
mod merge;
mod press;

use gst::glib;

pub(super) use info::InfoSender;
pub(super) use merge::DigitMerge;

/// In which form digits go to the far end. Those that come are heard in every form, in every mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "GstSipDtmfMode")]
pub enum DtmfMode {
    /// RFC 4733 events where the far end agrees to them, INFO where not.
    #[default]
    #[enum_value(name = "RFC 4733, else SIP INFO", nick = "auto")]
    Auto,
    /// RFC 4733 events, or nothing.
    #[enum_value(name = "RFC 4733 telephone events only", nick = "rfc4733")]
    Rfc4733,
    /// SIP INFO; events are not offered.
    #[enum_value(name = "SIP INFO; events are not offered", nick = "info")]
    Info,
}

impl DtmfMode {
    /// All of them.
    pub const ALL: [DtmfMode; 3] = [DtmfMode::Auto, DtmfMode::Rfc4733, DtmfMode::Info];

    /// The word that properties and configuration use.
    pub fn as_str(self) -> &'static str {
        match self {
            DtmfMode::Auto => "auto",
            DtmfMode::Rfc4733 => "rfc4733",
            DtmfMode::Info => "info",
        }
    }

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<DtmfMode> {
        DtmfMode::ALL.into_iter().find(|mode| mode.as_str() == name)
    }

    /// Whether our SDP names RFC 4733 events.
    pub(super) fn offers_events(self) -> bool {
        matches!(self, DtmfMode::Auto | DtmfMode::Rfc4733)
    }
}

/// How a digit travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigitForm {
    /// RTP telephone events (RFC 4733).
    Rfc4733,
    /// SIP INFO.
    Info,
}

impl DigitForm {
    /// The word that messages and the worker's API use.
    pub fn as_str(self) -> &'static str {
        match self {
            DigitForm::Rfc4733 => "rfc4733",
            DigitForm::Info => "info",
        }
    }
}
