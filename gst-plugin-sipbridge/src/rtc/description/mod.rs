// SPDX-License-Identifier: MPL-2.0
//! Session descriptions of WebRTC (RFC 8829), as far as audio over one bundled transport needs them.
//!
//! They are read with more tolerance than the specification asks for: webrtcbin 1.22 answers
//! without BUNDLE, some servers without `a=mid` or directions.

mod read;
mod write;

#[cfg(test)]
mod tests;

pub use sip_ua::sdp::{IceCredentials as Credentials, Setup};

/// Why a description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// The text is no SDP.
    #[error("cannot read the session description: {0}")]
    Unreadable(String),
    /// There is nothing to agree on.
    #[error("the session description has no media line")]
    NoMedia,
    /// More than anybody sends.
    #[error("the session description has {found} media lines; {limit} are read at most")]
    TooManyMedia {
        /// How many there are.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// RFC 8839 section 5.4.
    #[error("media line {0} has no ice-ufrag and ice-pwd, so no connection can be made for it")]
    NoIce(usize),
    /// RFC 8842 section 5.1; without it the far end could be anybody.
    #[error("media line {0} has no sha-256 fingerprint, so nothing would show who the far end is")]
    NoFingerprint(usize),
}

/// Which way media goes, seen from who wrote the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways; the default (RFC 8866 section 6.7).
    #[default]
    SendRecv,
    /// From the writer only.
    SendOnly,
    /// To the writer only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// From what each way is wanted.
    pub fn new(send: bool, receive: bool) -> Direction {
        match (send, receive) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same, seen from the other side.
    pub fn reversed(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }

    /// What is left when the other side wants `other`, as that side sees it (RFC 3264 section 6.1).
    pub fn answering(self, other: Direction) -> Direction {
        Direction::new(
            self.sends() && other.receives(),
            self.receives() && other.sends(),
        )
    }

    fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// A payload type with its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The payload type.
    pub pt: u8,
    /// The encoding's name, as written.
    pub name: String,
    /// The RTP clock.
    pub clock_hz: u32,
    /// Where it is not 1.
    pub channels: Option<u8>,
    /// `a=fmtp`, without the payload type.
    pub fmtp: Option<String>,
}

impl Format {
    /// Whether both name the same encoding, whatever its payload type and parameters.
    pub fn is_same_encoding(&self, other: &Format) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_hz == other.clock_hz
            && self.channels.unwrap_or(1) == other.channels.unwrap_or(1)
    }
}

/// A media line with what the session level adds to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// `audio`, or what it is instead.
    pub media: String,
    /// The transport, as written.
    pub protocol: String,
    /// The formats as they stand in the media line, for a line that is only declined.
    pub fmt: String,
    /// Port 0, and not merely waiting for the bundle's transport (RFC 8843 section 6).
    pub rejected: bool,
    /// `a=mid`
    pub mid: Option<String>,
    /// `a=sendrecv` and so on.
    pub direction: Direction,
    /// `a=setup`
    pub setup: Option<Setup>,
    /// `a=ice-ufrag`, `a=ice-pwd`
    pub ice: Option<Credentials>,
    /// The digest of a `sha-256` fingerprint; others are not read.
    pub fingerprint: Option<Vec<u8>>,
    /// Payload types that are known by name.
    pub formats: Vec<Format>,
    /// Header extensions: number and URI (RFC 8285).
    pub extensions: Vec<(u8, String)>,
    /// `a=ssrc`, each once.
    pub sources: Vec<u32>,
    /// `a=msid`
    pub msid: Option<String>,
    /// The sender's name in reports.
    pub cname: Option<String>,
    /// `a=candidate`, with that word.
    pub candidates: Vec<String>,
    /// `a=end-of-candidates`
    pub end_of_candidates: bool,
}

impl Section {
    /// Whether it is for audio over DTLS-SRTP and not declined.
    pub fn is_usable(&self) -> bool {
        !self.rejected
            && self.media.eq_ignore_ascii_case("audio")
            && self.protocol.to_ascii_uppercase().contains("RTP/SAVP")
            && !self.formats.is_empty()
    }
}

/// A whole description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// `o=`: the session's number.
    pub session_id: u64,
    /// `o=`: how often the description changed.
    pub version: u64,
    /// The mids that share a transport.
    pub bundle: Vec<String>,
    /// The writer answers checks and makes none (RFC 8445 section 2.5).
    pub ice_lite: bool,
    /// The media lines, in order.
    pub sections: Vec<Section>,
}

impl Description {
    /// The section whose transport all others share: the bundle's first, else the first that is used.
    pub fn transport(&self) -> Option<(usize, &Section)> {
        let bundled = self.bundle.iter().find_map(|mid| {
            self.sections
                .iter()
                .position(|section| section.mid.as_ref() == Some(mid) && !section.rejected)
        });
        let index = bundled.or_else(|| self.sections.iter().position(|section| !section.rejected));
        index.and_then(|index| Some((index, self.sections.get(index)?)))
    }

    /// Whether the section shares the transport of [`Description::transport`].
    pub fn is_bundled(&self, index: usize) -> bool {
        let Some((first, transport)) = self.transport() else {
            return false;
        };
        if first == index {
            return true;
        }
        self.sections.get(index).is_some_and(|section| {
            section
                .mid
                .as_ref()
                .is_some_and(|mid| self.bundle.contains(mid))
                // One pair of credentials is one transport, whatever the groups say.
                || (section.ice.is_some() && section.ice == transport.ice)
        })
    }
}
