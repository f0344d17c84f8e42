// SPDX-License-Identifier: MPL-2.0
//! Digits in the forms that telephones send them in, and one press told once whatever came.

mod info;
mod merge;
mod press;

use gst::glib;

pub(super) use info::InfoSender;
pub(super) use merge::DigitMerge;

/// In which form digits go to the far end, and in which they are listened for. RFC 4733 events that
/// were agreed on and SIP INFO are heard in every mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "GstSipDtmfMode")]
pub enum DtmfMode {
    /// RFC 4733 events where the far end agrees to them. Where not: INFO until the far end refuses
    /// it, then tones; and tones are listened for.
    #[default]
    #[enum_value(name = "RFC 4733, else SIP INFO, else tones", nick = "auto")]
    Auto,
    /// RFC 4733 events, or nothing.
    #[enum_value(name = "RFC 4733 telephone events only", nick = "rfc4733")]
    Rfc4733,
    /// SIP INFO; events are not offered.
    #[enum_value(name = "SIP INFO; events are not offered", nick = "info")]
    Info,
    /// Tones in the audio, and tones are listened for; events are not offered.
    #[enum_value(name = "Tones in the audio; events are not offered", nick = "inband")]
    Inband,
}

impl DtmfMode {
    /// All of them.
    pub const ALL: [DtmfMode; 4] = [
        DtmfMode::Auto,
        DtmfMode::Rfc4733,
        DtmfMode::Info,
        DtmfMode::Inband,
    ];

    /// The word that properties and configuration use.
    pub fn as_str(self) -> &'static str {
        match self {
            DtmfMode::Auto => "auto",
            DtmfMode::Rfc4733 => "rfc4733",
            DtmfMode::Info => "info",
            DtmfMode::Inband => "inband",
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

    /// Whether tones count as digits, `events` having been agreed on or not.
    pub(super) fn listens(self, events: bool) -> bool {
        match self {
            DtmfMode::Auto => !events,
            DtmfMode::Inband => true,
            DtmfMode::Rfc4733 | DtmfMode::Info => false,
        }
    }
}

/// How a digit travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigitForm {
    /// RTP telephone events (RFC 4733).
    Rfc4733,
    /// SIP INFO.
    Info,
    /// Tones in the audio.
    Inband,
}

impl DigitForm {
    /// The word that messages and the worker's API use.
    pub fn as_str(self) -> &'static str {
        match self {
            DigitForm::Rfc4733 => "rfc4733",
            DigitForm::Info => "info",
            DigitForm::Inband => "inband",
        }
    }
}
