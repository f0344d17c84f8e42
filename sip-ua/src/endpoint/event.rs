// SPDX-License-Identifier: MPL-2.0
//! What a call tells its user, and why it ended.

use std::fmt;
use std::time::Duration;

use super::transfer::{Transfer, TransferRequest};

/// One step in the life of a call. `Ended` is always the last and comes exactly once.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum CallEvent {
    /// A provisional response above 100 to our INVITE; `sdp` is early media's description. Where
    /// several phones ring, the last one that describes any is the one to hear.
    Progress { status: u16, sdp: Option<Vec<u8>> },
    /// A 2xx to our INVITE. Without `sdp`, what was agreed on before counts. Where our INVITE carried
    /// no offer and nothing was agreed on yet, `sdp` is the far end's offer and the ACK waits for
    /// [`accept`](crate::agent::CallHandle::accept) with the answer.
    Answered { sdp: Option<Vec<u8>> },
    /// The ACK to our 2xx arrived; `sdp` is the answer to an offer that our 2xx carried.
    Confirmed { sdp: Option<Vec<u8>> },
    /// An offer from the far end, to be answered with
    /// [`answer_reoffer`](crate::agent::CallHandle::answer_reoffer): in a re-INVITE; in an UPDATE or
    /// PRACK, perhaps while it still rings; or in a reliable provisional response to an INVITE of ours
    /// without one, where a refusal ends the call. Without `sdp` the far end asks for our offer.
    Reoffer { sdp: Option<Vec<u8>> },
    /// The far end withdrew its offer before it was answered, or could not wait any longer: nothing
    /// changes.
    ReofferWithdrawn,
    /// A 2xx to our re-INVITE or UPDATE. It also closes an incoming offerless re-INVITE, and an offer
    /// of ours in a provisional response: then `sdp` is the answer of the ACK or the PRACK.
    ReofferAnswered { sdp: Option<Vec<u8>> },
    /// Our re-INVITE was refused: the session stays as it was.
    ReofferRefused { status: u16, reason: String },
    /// The far end answered a re-INVITE of ours that only refreshed the session (RFC 4028). `sdp` is its
    /// answer to the description that it knows already.
    Refreshed { sdp: Option<Vec<u8>> },
    /// An INFO within the call; it has been answered 200.
    Info { content_type: String, body: Vec<u8> },
    /// The final response to an INFO of ours, in the order the far end answers in; 503 where the
    /// INFO could not be sent.
    InfoAnswered { status: u16 },
    /// The far end said which methods it takes (Allow), and INFO is none of them. Told before
    /// `Answered`, once, and only then.
    NoInfo,
    /// How a transfer goes that was asked for with
    /// [`transfer`](crate::agent::CallHandle::transfer). It may take as long as the call lasts.
    Transfer(Transfer),
    /// The far end wants to be transferred, and
    /// [`permit_transfers`](crate::agent::CallHandle::permit_transfers) lets it ask: to be answered
    /// within seconds with [`answer_transfer`](crate::agent::CallHandle::answer_transfer).
    TransferRequested(Box<TransferRequest>),
    /// The call is over.
    Ended(End),
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub by: EndedBy,
    /// The SIP status that belongs to the end; none for a call that was up and got a BYE.
    pub status: Option<u16>,
    /// One clear sentence without a trailing full stop.
    pub reason: String,
    pub cause: EndCause,
    /// The Reason headers of the BYE, the CANCEL or the refusal of the far end (RFC 3326).
    pub reasons: Vec<Reason>,
    /// The Retry-After of its refusal: it is not to be called before.
    pub retry_after: Option<Duration>,
}

impl End {
    /// An end of which the far end says nothing.
    pub(crate) fn new(by: EndedBy, status: Option<u16>, cause: EndCause, reason: String) -> End {
        End {
            by,
            status,
            reason,
            cause,
            reasons: Vec::new(),
            retry_after: None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} ({status})", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// This side: `hangup`, `reject`, a timeout that the user set, `Agent::close`.
    Local,
    /// The far end: BYE, CANCEL or a final response that refuses.
    Remote,
    /// Nobody: no answer, no route, a lost ACK.
    Network,
}

/// Why a call ended, for programs; [`End::reason`] is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndCause {
    /// A call that was up was hung up.
    HungUp,
    /// The caller gave up before the call was answered.
    Cancelled,
    /// A final response of 3xx–6xx, other than those below.
    Refused,
    /// 486 or 600.
    Busy,
    /// 404, 410, 484 or 604.
    NotFound,
    /// The far end refused our credentials, or asked for some that we do not have.
    Unauthorized,
    /// Nobody answered within the ring timeout, or the far end said 480 or 408.
    NoAnswer,
    /// Nothing ever came back, or the host has no address.
    Unreachable,
    /// A request within the call, or the ACK, got no answer: the far end is gone.
    Lost,
    /// The offer or answer could not be used (488, 415, 606).
    Media,
    /// The call was never made: a value handed in cannot stand in a SIP message.
    Invalid,
    /// The far end was transferred to somebody else, as we asked it to be.
    Transferred,
    /// Another call took its place (RFC 3891).
    Replaced,
    /// This side is closing, or over its limits.
    Closing,
}

impl EndCause {
    /// The cause that a final response of 300 and above stands for.
    pub fn of_status(status: u16) -> EndCause {
        match status {
            401 | 403 | 407 => EndCause::Unauthorized,
            404 | 410 | 484 | 604 => EndCause::NotFound,
            408 | 480 => EndCause::NoAnswer,
            415 | 488 | 606 => EndCause::Media,
            486 | 600 => EndCause::Busy,
            487 => EndCause::Cancelled,
            _ => EndCause::Refused,
        }
    }
}

/// The value of a Reason header (RFC 3326).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another token.
    pub protocol: String,
    pub cause: u16,
    pub text: String,
}

impl Reason {
    /// `SIP;cause=…;text="…"`.
    pub fn sip(cause: u16, text: impl Into<String>) -> Reason {
        Reason {
            protocol: "SIP".to_owned(),
            cause,
            text: text.into(),
        }
    }
}
