// SPDX-License-Identifier: MPL-2.0
//! A call as others see it, what they may ask of it, and what the event stream tells.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::calls::figures::Figures;
use crate::calls::origin::OriginInfo;
use crate::calls::transfer::{TransferInfo, TransferTarget};
use crate::registrations::{TrunkRegistration, UserRegistration};
use crate::route::matches;
use crate::watches::TrunkWatch;

/// Who placed the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A phone called us.
    In,
    /// We called a phone.
    Out,
}

/// Where a call stands. A call only ever moves downwards in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its room is being joined and nothing rings yet (calls out only).
    Joining,
    /// INVITE sent, nothing heard but perhaps a 100.
    Dialling,
    /// 180 sent or received.
    Ringing,
    /// Answered: 2xx sent or received.
    Active,
    /// Over; `why` says how.
    Ended,
}

impl State {
    /// Every state, for metrics that must show a zero too.
    pub const ALL: [State; 5] = [
        State::Joining,
        State::Dialling,
        State::Ringing,
        State::Active,
        State::Ended,
    ];

    /// The word used in the API, in metrics and on the page.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Joining => "joining",
            State::Dialling => "dialling",
            State::Ringing => "ringing",
            State::Active => "active",
            State::Ended => "ended",
        }
    }
}

/// What the API tells of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallInfo {
    /// Ours, unique in this process; not the SIP Call-ID.
    pub id: String,
    /// Who placed it.
    pub direction: Direction,
    /// Where it stands.
    pub state: State,
    /// Caller, as shown to people.
    pub from: String,
    /// Callee, as shown to people.
    pub to: String,
    /// Name of the trunk it uses; empty where it is with a user.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trunk: String,
    /// Name of the user it is with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Name of the SFU its room is on.
    pub sfu: String,
    /// The room.
    pub room: String,
    /// Its participant in that room.
    pub participant: String,
    /// The SIP Call-ID, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_call_id: Option<String>,
    /// Name of the phone leg's codec, once negotiated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// How digits reach the phone, once negotiated: `rfc4733`, `info` or `inband`; absent where they
    /// do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtmf: Option<String>,
    /// When it began, seconds since 1970.
    pub started_at: f64,
    /// From the INVITE to our (or their) 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ringing_after_ms: Option<f64>,
    /// From the INVITE to the 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_after_ms: Option<f64>,
    /// How long it was active, or has been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Whose browsers ring: names, or patterns of them; empty: those of all hosts of its room. Absent
    /// where nobody need accept it (any more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rings: Option<Vec<String>>,
    /// True while what the phone says is withheld from the room.
    pub muted: bool,
    /// True while we hold the phone: it hears silence, and the room hears nothing of it.
    #[serde(default)]
    pub held: bool,
    /// True while the phone holds us.
    #[serde(default)]
    pub held_by_phone: bool,
    /// How its transfer goes, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferInfo>,
    /// Why it is not in its room just now: its SFU is away, and the phone hears comfort noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
    /// SIP status that ended it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// One sentence: how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What a call in says of who calls and how it came here, where more than From does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Box<OriginInfo>>,
    /// The headers of a call in that its trunk passes on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How its media fare, as measured last; there once it has media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Figures>,
}

impl CallInfo {
    /// A call that begins now, and of which nothing else is known.
    pub fn begun(direction: Direction) -> CallInfo {
        CallInfo {
            id: new_id(),
            direction,
            state: State::Joining,
            from: String::new(),
            to: String::new(),
            trunk: String::new(),
            user: None,
            sfu: String::new(),
            room: String::new(),
            participant: String::new(),
            sip_call_id: None,
            codec: None,
            dtmf: None,
            started_at: wall_clock(),
            ringing_after_ms: None,
            answered_after_ms: None,
            seconds: None,
            rings: None,
            muted: false,
            held: false,
            held_by_phone: false,
            transfer: None,
            away: None,
            code: None,
            why: None,
            origin: None,
            headers: BTreeMap::new(),
            media: None,
        }
    }
}

impl CallInfo {
    /// Whether it waits for somebody of this name to accept it.
    pub fn rings_for(&self, name: Option<&str>) -> bool {
        let fits = |pattern: &String| name.is_some_and(|name| matches(pattern, name));
        (self.rings.as_ref()).is_some_and(|names| names.is_empty() || names.iter().any(fits))
    }
}

/// What somebody outside the call's own task asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// End it; the sentence becomes its `why`.
    HangUp(String),
    /// Send digits to the phone.
    Dtmf {
        /// `0-9*#A-D`.
        digits: String,
        /// Length of each.
        ms: u32,
    },
    /// Answer the phone, which waits for that.
    Accept,
    /// Refuse it; the sentence becomes its `why`.
    Decline(String),
    /// Withhold what the phone says from the room, or stop doing so.
    Mute(bool),
    /// Put the phone on hold, or take it back.
    Hold(bool),
    /// Ask the phone to call somebody else instead.
    Transfer(TransferTarget),
    /// Leave the room for this one of the same SFU.
    Enter(String),
}

/// One line of the event stream.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// Something in the call's description changed.
    Call {
        /// As it is now.
        call: Box<CallInfo>,
    },
    /// The registration of a trunk stands otherwise than before.
    Registration {
        /// As it is now.
        registration: TrunkRegistration,
    },
    /// A trunk that is watched stands otherwise than before, or a server of it does.
    Trunk {
        /// As it is now.
        #[serde(flatten)]
        trunk: TrunkWatch,
    },
    /// A phone of a user registered, or is registered no more.
    User {
        /// As it is now.
        #[serde(flatten)]
        user: UserRegistration,
    },
    /// The phone pressed a key.
    Dtmf {
        /// The call.
        id: String,
        /// `0-9*#A-D`.
        digit: char,
        /// How long the key was held.
        ms: u32,
        /// How it came: `rfc4733`, `info` or `inband`.
        form: &'static str,
    },
    /// How the media of a call fare.
    Media {
        /// The call.
        id: String,
        /// As measured now.
        media: Box<Figures>,
    },
}

/// Seconds since 1970, for `started_at`.
fn wall_clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// A fresh call id.
fn new_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}
