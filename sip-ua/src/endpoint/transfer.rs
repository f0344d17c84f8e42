// SPDX-License-Identifier: MPL-2.0
//! What a transfer is made of (RFC 3515, RFC 5589), whoever asks for it.

use std::time::Instant;

use super::call::{CallId, Phase};
use super::refer::OurRefer;
use super::referred::TheirRefer;
use super::{EndCause, EndedBy, Endpoint};
use crate::dialog::DialogKey;
use crate::wire::{HeaderName, Headers, Params, Replaces, Uri, reason_phrase};

/// Whom the far end is to call instead of us.
#[derive(Debug, Clone, PartialEq)]
pub enum TransferTo {
    /// Somebody new ("blind").
    Uri(Uri),
    /// The far end of this call of ours, which is up: the two are joined ("attended").
    Call(CallId),
}

/// How a transfer that we asked for goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transfer {
    /// The far end takes it over, and tells the rest if `told`. If not, the call's end is all that can
    /// be waited for.
    Accepted { told: bool },
    /// It calls: what it is answered, 100 at first.
    Progress { status: u16, reason: String },
    /// It was answered. The call is hung up.
    Succeeded { status: u16, reason: String },
    /// The far end will not call anybody. The call goes on.
    Refused { status: u16, reason: String },
    /// The call goes on. `status` is what the far end met with, or why it could not be asked; there is
    /// none where it does not say.
    Failed { status: Option<u16>, reason: String },
}

/// What the far end asks for: that we call somebody else in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferRequest {
    /// Without header components: they are a stranger's.
    pub to: Uri,
    /// The call there whose place ours is to take: a Replaces header for our INVITE.
    pub replaces: Option<Replaces>,
    /// The Referred-By header, for our INVITE too (RFC 3892).
    pub referred_by: Option<Vec<u8>>,
}

/// What a call knows of transfers.
#[derive(Default)]
pub(super) struct Transfers {
    /// The user lets the far end ask for transfers, and others take the place of this call.
    pub(super) permitted: bool,
    pub(super) ours: Option<OurRefer>,
    pub(super) theirs: Option<TheirRefer>,
    /// Theirs was not the first in this dialog.
    pub(super) referred_before: bool,
    /// The call whose place this one takes when it is answered.
    pub(super) replaces: Option<CallId>,
}

impl Transfers {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let ours = self.ours.as_ref().and_then(OurRefer::poll_timeout);
        let theirs = self.theirs.as_ref().and_then(TheirRefer::poll_timeout);
        [ours, theirs].into_iter().flatten().min()
    }
}

impl Endpoint {
    /// Whether the far end may transfer this call, and others may take its place (RFC 3891). At first it
    /// may not: it is told 603.
    pub fn permit_transfers(&mut self, id: CallId, permitted: bool) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.transfers.permitted = permitted;
        }
    }

    /// True if something was due.
    pub(super) fn transfer_due(&mut self, now: Instant, id: CallId) -> bool {
        self.their_refer_due(now, id) || self.subscription_due(now, id)
    }

    /// The call is over: nobody answers, asks or tells any more.
    pub(super) fn drop_transfers(&mut self, now: Instant, id: CallId) {
        self.refuse_their_refer(now, id, 487);
        if let Some(call) = self.calls.get_mut(&id) {
            call.transfers = Transfers::default();
        }
    }

    /// The call that an INVITE asks to take the place of (RFC 3891 §3); the status it is refused with
    /// where it may not.
    pub(super) fn replaced_by(&self, headers: &Headers) -> Result<Option<CallId>, u16> {
        let mut values = headers.get_all(HeaderName::Replaces);
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let replaces = Replaces::parse(value).filter(|_| values.next().is_none());
        let replaces = replaces.ok_or(400_u16)?;
        let id = self.find_replaced(&replaces).ok_or(481_u16)?;
        let call = self.calls.get(&id).ok_or(481_u16)?;
        if call.ended {
            return Err(603);
        }
        match &call.phase {
            // What somebody else began and is not answered is nobody's to take (§3).
            Phase::Incoming(_) => Err(481),
            _ if !call.transfers.permitted => Err(603),
            Phase::Outgoing(_) => Ok(Some(id)),
            _ if replaces.early_only => Err(486),
            _ => Ok(Some(id)),
        }
    }

    fn find_replaced(&self, replaces: &Replaces) -> Option<CallId> {
        let found = |remote_tag: &[u8]| {
            let dialog = DialogKey::of(&replaces.call_id, &replaces.to_tag, remote_tag);
            self.dialogs.get(&dialog).copied()
        };
        // The tag of a far end that has none is written as 0.
        found(&replaces.from_tag).or_else(|| found(b"").filter(|_| replaces.from_tag == b"0"))
    }

    /// A call that was answered takes the place of this one.
    pub(super) fn give_way(&mut self, now: Instant, id: CallId) {
        let reason = "another call took its place".to_owned();
        self.leave(now, id, None, EndedBy::Remote, EndCause::Replaced, reason);
    }
}

/// The event package of an Event header and the `id` in it.
pub(super) fn event_of(headers: &Headers) -> (Vec<u8>, Option<Vec<u8>>) {
    let value = headers.get(HeaderName::Event).unwrap_or_default();
    let (package, params) = named(value);
    let id = params.get("id").filter(|id| !id.is_empty());
    (package, id.map(<[u8]>::to_vec))
}

/// `active;expires=60`: a word in lower case, and parameters.
pub(super) fn named(value: &[u8]) -> (Vec<u8>, Params) {
    let end = value.iter().position(|octet| *octet == b';');
    let word = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    let params = end.and_then(|end| Params::parse(value.get(end + 1..)?));
    (
        word.trim_ascii().to_ascii_lowercase(),
        params.unwrap_or_default(),
    )
}

/// The status line that a message/sipfrag begins with (RFC 3420).
pub(super) fn status_of(fragment: &[u8]) -> Option<(u16, String)> {
    let text = fragment.trim_ascii_start();
    let line = text.split(|octet| matches!(octet, b'\r' | b'\n')).next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.splitn(3, ' ');
    let version = words.next()?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return None;
    }
    let status: u16 = words.next()?.parse().ok()?;
    if !(100..700).contains(&status) {
        return None;
    }
    let phrase: String = words
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    Some(match phrase.trim() {
        "" => (status, reason_phrase(status).to_owned()),
        phrase => (status, phrase.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_tells_its_status_whatever_follows() {
        let told = |text: &[u8]| status_of(text);
        let some = |status, phrase: &str| Some((status, phrase.to_owned()));
        assert_eq!(told(b"SIP/2.0 180 Ringing"), some(180, "Ringing"));
        assert_eq!(
            told(b"\r\nSIP/2.0 200 OK\r\nContact: <sip:x>\r\n"),
            some(200, "OK")
        );
        assert_eq!(told(b"SIP/2.0 486"), some(486, "Busy Here"));
        assert_eq!(told(b"sip/2.0 503 \xff\x07x"), some(503, "\u{fffd}x"));
        for text in [
            &b""[..],
            b"INVITE sip:x SIP/2.0",
            b"SIP/2.0 99 x",
            b"SIP/2.0 x",
            b"SIP/2.0",
        ] {
            assert_eq!(told(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
