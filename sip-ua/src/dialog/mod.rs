// SPDX-License-Identifier: MPL-2.0
//! What two user agents agreed on: RFC 3261 §12.

mod route;
mod session_timer;

use crate::fingerprint::Fingerprint;
use crate::wire::{CSeq, Core, HeaderName, Method, NameAddr, Request, Response, Scheme, Uri};

pub use route::RouteSet;
pub(crate) use session_timer::{Agreed, Due, Judgement, Running, min_se};
pub use session_timer::{Refresher, SessionTimer};

/// What names a dialog: Call-ID, our tag, their tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogId {
    pub call_id: Box<[u8]>,
    pub local_tag: Box<[u8]>,
    /// Empty for an RFC 2543 peer.
    pub remote_tag: Box<[u8]>,
}

impl DialogId {
    /// What it is found by.
    pub(crate) fn key(&self) -> DialogKey {
        DialogKey::of(&self.call_id, &self.local_tag, &self.remote_tag)
    }
}

/// Finds the dialog of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DialogKey(Fingerprint);

impl DialogKey {
    pub(crate) fn of(call_id: &[u8], local_tag: &[u8], remote_tag: &[u8]) -> DialogKey {
        DialogKey(Fingerprint::of(&[call_id, local_tag, remote_tag]))
    }

    /// Of a request that we received: its To is us.
    pub(crate) fn of_request(core: &Core) -> Option<DialogKey> {
        let remote_tag = core.from.tag().unwrap_or_default();
        Some(DialogKey::of(&core.call_id, core.to.tag()?, remote_tag))
    }
}

/// Why no dialog came about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    #[error("it has no Contact, so nothing could ever be sent back")]
    NoContact,
    #[error("its Contact is not a sip: URI")]
    ContactScheme,
}

/// One dialog, early or confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialog {
    id: DialogId,
    /// Our From in requests, with our tag.
    local: NameAddr,
    /// Our To in requests, with their tag.
    remote: NameAddr,
    local_seq: u32,
    remote_seq: Option<u32>,
    remote_target: Uri,
    route_set: RouteSet,
}

impl Dialog {
    /// The dialog of an INVITE that we received and will answer with `local_tag` (§12.1.1).
    pub fn of_invite(
        core: &Core,
        request: &Request,
        local_tag: &[u8],
        local_seq: u32,
    ) -> Result<Dialog, DialogError> {
        let mut local = core.to.clone();
        local.set_tag(local_tag);
        Ok(Dialog {
            id: DialogId {
                call_id: core.call_id.as_slice().into(),
                local_tag: local_tag.into(),
                remote_tag: core.from.tag().unwrap_or_default().into(),
            },
            local,
            remote: core.from.clone(),
            local_seq,
            remote_seq: Some(core.cseq.number),
            remote_target: target(core)?,
            route_set: RouteSet::new(request.headers.list(HeaderName::RecordRoute)),
        })
    }

    /// The dialog of a 101–299 to an INVITE that we sent (§12.1.2). A peer that forgot its Contact is
    /// reached where the INVITE went, at `request_uri`.
    pub fn of_response(core: &Core, response: &Response, request_uri: &Uri) -> Dialog {
        let mut routes: Vec<&[u8]> = response.headers.list(HeaderName::RecordRoute).collect();
        routes.reverse();
        Dialog {
            id: DialogId {
                call_id: core.call_id.as_slice().into(),
                local_tag: core.from.tag().unwrap_or_default().into(),
                remote_tag: core.to.tag().unwrap_or_default().into(),
            },
            local: core.from.clone(),
            remote: core.to.clone(),
            local_seq: core.cseq.number,
            remote_seq: None,
            remote_target: target(core).unwrap_or_else(|_| request_uri.clone()),
            route_set: RouteSet::new(routes.into_iter()),
        }
    }

    /// The 2xx says the last word on route set and target of what a provisional response began
    /// (§13.2.2.4).
    pub fn confirm(&mut self, core: &Core, response: &Response) {
        let confirmed = Dialog::of_response(core, response, &self.remote_target);
        self.route_set = confirmed.route_set;
        self.remote_target = confirmed.remote_target;
    }

    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Who we are in it.
    pub fn local_uri(&self) -> &Uri {
        &self.local.uri
    }

    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// Takes over the Contact of a target refresh request or response (§12.2).
    pub fn refresh_target(&mut self, core: &Core) {
        if let Ok(uri) = target(core) {
            self.remote_target = uri;
        }
    }

    /// Whether a request of theirs is in order (§12.2.2); if so its CSeq is the latest.
    #[must_use]
    pub fn accept_cseq(&mut self, number: u32) -> bool {
        if self.remote_seq.is_some_and(|seen| number <= seen) {
            return false;
        }
        self.remote_seq = Some(number);
        true
    }

    /// The CSeq number of the last request of ours.
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// A request within the dialog: Request-URI, Route, From, To, Call-ID, CSeq and Max-Forwards
    /// (§12.2.1.1). ACK and CANCEL are not made with this.
    pub fn request(&mut self, method: Method) -> Request {
        let number = self.next_seq();
        self.build(method, number)
    }

    /// The number for one more request, or for the same one again with credentials.
    pub fn next_seq(&mut self) -> u32 {
        // 2³¹−1 is the highest that may be sent; a call does not get there.
        self.local_seq = self.local_seq.saturating_add(1);
        self.local_seq
    }

    /// The ACK to a 2xx for the INVITE with that CSeq number (§13.2.2.4).
    pub fn ack(&self, invite_seq: u32) -> Request {
        self.build(Method::Ack, invite_seq)
    }

    fn build(&self, method: Method, number: u32) -> Request {
        let (uri, routes) = self.route_set.apply(&self.remote_target);
        let mut request = Request::new(method.clone(), uri);
        for route in routes {
            request.headers.push(HeaderName::Route, route);
        }
        request
            .headers
            .push(HeaderName::MaxForwards, u32::from(MAX_FORWARDS));
        request.headers.push(HeaderName::From, &self.local);
        request.headers.push(HeaderName::To, &self.remote);
        request.headers.push(HeaderName::CallId, &*self.id.call_id);
        request
            .headers
            .push(HeaderName::CSeq, &CSeq { number, method });
        request
    }

    /// The call was made to a `sips:` URI: all of it goes over TLS (RFC 3261 §12.1).
    pub fn is_secure(&self) -> bool {
        [&self.remote_target, &self.remote.uri, &self.local.uri]
            .iter()
            .any(|uri| uri.scheme == Scheme::Sips)
    }

    /// Where requests go first: the topmost route, else the target.
    pub fn next_hop(&self) -> &Uri {
        self.route_set.first().unwrap_or(&self.remote_target)
    }
}

/// The Max-Forwards of every request that starts here (§8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

/// Where the far end wants requests: their Request-URI.
fn target(core: &Core) -> Result<Uri, DialogError> {
    let uri = &core.contacts.first().ok_or(DialogError::NoContact)?.uri;
    if uri.is_sip() {
        Ok(uri.as_request_uri())
    } else {
        Err(DialogError::ContactScheme)
    }
}
