// SPDX-License-Identifier: MPL-2.0
//! How a message finds its transaction: RFC 3261 §17.1.3 and §17.2.3, with the rules for the
//! branchless requests of RFC 2543.

use smallvec::SmallVec;

use crate::fingerprint::Fingerprint;
use crate::wire::{Core, HeaderName, Method, Request};

/// Finds a client transaction by the branch that we put into the top Via and the method of CSeq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientKey(Fingerprint);

impl ClientKey {
    pub fn new(branch: &[u8], method: &Method) -> ClientKey {
        ClientKey(Fingerprint::of(&[method.as_bytes(), branch]))
    }

    /// The key of a response; none where its top Via has no branch, which is none of ours then.
    pub fn of_response(core: &Core) -> Option<ClientKey> {
        let branch = core.via.first()?.branch()?;
        Some(ClientKey::new(branch, &core.cseq.method))
    }
}

/// Finds a server transaction: branch, sent-by and method, or what RFC 2543 has in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerKey(Fingerprint);

impl ServerKey {
    pub fn of_request(request: &Request, core: &Core) -> ServerKey {
        // An ACK belongs to its INVITE.
        let method = match &request.method {
            Method::Ack => &Method::Invite,
            method => method,
        };
        ServerKey::with_method(request, core, method)
    }

    /// The key of the INVITE that a CANCEL means (§9.2).
    pub fn of_cancelled(request: &Request, core: &Core) -> ServerKey {
        ServerKey::with_method(request, core, &Method::Invite)
    }

    fn with_method(request: &Request, core: &Core, method: &Method) -> ServerKey {
        let Some(via) = core.via.first() else {
            return ServerKey(Fingerprint::of(&[]));
        };
        if let Some(branch) = via.unique_branch() {
            let port = via.port.unwrap_or(5060).to_be_bytes();
            // Names are case-blind.
            let mut host = SmallVec::<[u8; 64]>::from_slice(via.host.as_bytes());
            host.make_ascii_lowercase();
            let parts = [method.as_bytes(), branch, &port, &host];
            return ServerKey(Fingerprint::of(&parts));
        }
        // RFC 2543: Request-URI, From tag, Call-ID, CSeq number and the top Via. The To tag, which an
        // ACK has and its INVITE had not, is left out: a peer that old does not fork to us twice
        // under one top Via.
        ServerKey(Fingerprint::of(&[
            method.as_bytes(),
            &request.uri.to_bytes(),
            core.from.tag().unwrap_or_default(),
            &core.call_id,
            &core.cseq.number.to_be_bytes(),
            request
                .headers
                .list(HeaderName::Via)
                .next()
                .unwrap_or_default(),
        ]))
    }
}

/// Finds the same request come over another way (§8.2.2.2): From tag, Call-ID and CSeq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MergeKey(Fingerprint);

impl MergeKey {
    /// None for a request within a dialog, which cannot be merged.
    pub fn of_request(core: &Core) -> Option<MergeKey> {
        if core.to.tag().is_some() {
            return None;
        }
        Some(MergeKey(Fingerprint::of(&[
            core.cseq.method.as_bytes(),
            core.from.tag().unwrap_or_default(),
            &core.call_id,
            &core.cseq.number.to_be_bytes(),
        ])))
    }
}
