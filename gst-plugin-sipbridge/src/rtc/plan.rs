// SPDX-License-Identifier: MPL-2.0
//! What was agreed, as the transport needs it.

use super::description::{Credentials, Format};

/// Everything the transport has to know. Each negotiation gives a whole one; the transport finds out
/// what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Our side's ICE credentials.
    pub credentials: Credentials,
    /// Our canonical name (RFC 3550 section 6.5.1).
    pub cname: String,
    /// Every payload type that has a meaning on this transport.
    pub formats: Vec<Format>,
    /// Header extensions by number.
    pub extensions: Vec<(u8, HeaderExtension)>,
    /// The far end, once it is known.
    pub remote: Option<Remote>,
    /// Tracks that carry anything, by media line.
    pub media: Vec<MediaPlan>,
}

/// What is known of the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its ICE credentials.
    pub credentials: Credentials,
    /// The SHA-256 of its certificate.
    pub fingerprint: Vec<u8>,
    /// Whether we nominate (RFC 8445 section 6.1.1).
    pub controlling: bool,
    /// Whether we begin the DTLS handshake.
    pub active: bool,
}

/// A header extension we understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderExtension {
    /// RFC 8843 section 15
    Mid,
    /// RFC 6464
    AudioLevel,
}

impl HeaderExtension {
    /// Those we offer.
    pub const ALL: [HeaderExtension; 2] = [HeaderExtension::Mid, HeaderExtension::AudioLevel];

    /// Its name in descriptions.
    pub fn uri(self) -> &'static str {
        match self {
            HeaderExtension::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            HeaderExtension::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        }
    }

    /// The one of this name.
    pub fn of_uri(uri: &str) -> Option<HeaderExtension> {
        HeaderExtension::ALL
            .into_iter()
            .find(|extension| extension.uri() == uri)
    }
}

/// One media line that carries something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlan {
    /// Which media line.
    pub line: usize,
    /// Its name on the wire.
    pub mid: String,
    /// What we send.
    pub send: Option<SendPlan>,
    /// What we take.
    pub receive: Option<ReceivePlan>,
}

/// What goes to the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendPlan {
    /// The source it comes from.
    pub ssrc: u32,
    /// What the far end takes, the best first.
    pub formats: Vec<Format>,
}

/// What comes from the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivePlan {
    /// What it may send.
    pub formats: Vec<Format>,
    /// The sources it named.
    pub sources: Vec<u32>,
}
