// SPDX-License-Identifier: MPL-2.0
//! What a call tells its subscribers.

use std::net::SocketAddr;
use std::time::Instant;

use super::{DigitForm, TransferRequest, TransferState};

/// Where a call stands. It only moves downwards in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallState {
    /// An INVITE of ours is on its way.
    Calling,
    /// An INVITE came in and waits for a decision.
    Incoming,
    /// The far end rings (180), or we told it that we do.
    Ringing,
    /// The far end sends media before it answers (183 with SDP).
    EarlyMedia,
    /// Answered: a dialog with media.
    Answered,
    /// Over; nothing follows.
    Ended,
}

impl CallState {
    /// The word used in `sip-call-state` messages and in the worker's API.
    pub fn as_str(self) -> &'static str {
        match self {
            CallState::Calling => "calling",
            CallState::Incoming => "incoming",
            CallState::Ringing => "ringing",
            CallState::EarlyMedia => "early-media",
            CallState::Answered => "answered",
            CallState::Ended => "ended",
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// We did: a hang-up, a cancel, a rejection, or the last reference to the call went.
    Local,
    /// The far end did: BYE, CANCEL or a final response that is no success.
    Remote,
    /// Nobody meant to: a time-out, a transport error, a socket that could not be opened, media that
    /// could not be agreed on.
    Network,
}

impl EndedBy {
    /// The word used in messages and in the worker's API.
    pub fn as_str(self) -> &'static str {
        match self {
            EndedBy::Local => "local",
            EndedBy::Remote => "remote",
            EndedBy::Network => "network",
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// Who ended it.
    pub by: EndedBy,
    /// The SIP status that says why, where there is one (486, 404, 408 …).
    pub code: Option<u16>,
    /// One clear sentence.
    pub reason: String,
    /// Whether the call had been answered before.
    pub was_answered: bool,
}

/// What a call tells its subscribers. It is called from the agent's thread (`Digit` and `FirstMedia`
/// from a media context): a subscriber must not block.
#[derive(Clone, Debug)]
pub enum CallNotice {
    /// The call moved on. `code` and `reason` are those of the SIP response behind it.
    State {
        /// The state it is in now.
        state: CallState,
        /// Status of the SIP response behind it, or 0.
        code: u16,
        /// Reason phrase, or a sentence.
        reason: String,
    },
    /// Offer and answer agreed on media, for the first time or again.
    Media {
        /// Encoding name of what we send: `PCMU`, `PCMA` or `opus`.
        codec: &'static str,
        /// Packet time the far end wants, in milliseconds.
        ptime_ms: u8,
        /// Where our media goes.
        remote: SocketAddr,
        /// Our direction: `sendrecv`, `sendonly`, `recvonly` or `inactive`.
        direction: &'static str,
        /// The SRTP suite both directions are encrypted with, `DTLS-SRTP` where a handshake finds it; none:
        /// plain RTP.
        srtp: Option<&'static str>,
    },
    /// The first RTP packet of the far end was taken.
    FirstMedia,
    /// The far end pressed a key, told once when it ended, in however many forms it came.
    Digit {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was held, in milliseconds.
        duration_ms: u32,
        /// The form it came in, or came in first.
        form: DigitForm,
    },
    /// How a transfer goes that was asked for with [`Call::transfer`](super::Call::transfer).
    Transfer {
        /// How far it is.
        state: TransferState,
        /// The SIP status behind it, or 0.
        code: u16,
        /// Its reason phrase, or a sentence.
        reason: String,
    },
    /// The far end wants us to call somebody else in its place, and may ask for that: to be answered
    /// within seconds with [`Call::answer_transfer`](super::Call::answer_transfer).
    TransferRequested(Box<TransferRequest>),
    /// The call is over; always the last notice, exactly once.
    Ended(CallEnd),
}

/// Instants of a call, for measuring set-up times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// INVITE sent or received.
    pub invite: Option<Instant>,
    /// 180 or 183 received or sent.
    pub ringing: Option<Instant>,
    /// 200 received or sent.
    pub answered: Option<Instant>,
    /// First RTP packet of the far end taken.
    pub first_rtp_in: Option<Instant>,
    /// First RTP packet of ours sent.
    pub first_rtp_out: Option<Instant>,
    /// The end.
    pub ended: Option<Instant>,
}
