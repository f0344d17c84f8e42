// SPDX-License-Identifier: MPL-2.0
//! How a message finds its transaction: RFC 3261 §17.1.3 and §17.2.3, with the rules for the
//! branchless requests of RFC 2543.

use crate::wire::{Core, HeaderName, Method, Request};

/// Finds a client transaction by the branch that we put into the top Via and the method of CSeq.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientKey(Box<[u8]>);

impl ClientKey {
    pub fn new(branch: &[u8], method: &Method) -> ClientKey {
        ClientKey(joined(&[method.as_bytes(), branch]))
    }

    /// The key of a response; none where its top Via has no branch, which is none of ours then.
    pub fn of_response(core: &Core) -> Option<ClientKey> {
        let branch = core.via.first()?.branch()?;
        Some(ClientKey::new(branch, &core.cseq.method))
    }
}

/// Finds a server transaction: branch, sent-by and method, or what RFC 2543 has in their place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerKey(Box<[u8]>);

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
            return ServerKey(Box::default());
        };
        if let Some(branch) = via.unique_branch() {
            let host = via.host.as_bytes();
            let port = via.port.unwrap_or(5060).to_be_bytes();
            let mut key = joined(&[method.as_bytes(), branch, &port, host]);
            // Names are case-blind.
            let at = key.len() - host.len();
            key[at..].make_ascii_lowercase();
            return ServerKey(key);
        }
        // RFC 2543: Request-URI, From tag, Call-ID, CSeq number and the top Via. The To tag, which an
        // ACK has and its INVITE had not, is left out: a peer that old does not fork to us twice
        // under one top Via.
        ServerKey(joined(&[
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MergeKey(Box<[u8]>);

impl MergeKey {
    /// None for a request within a dialog, which cannot be merged.
    pub fn of_request(core: &Core) -> Option<MergeKey> {
        if core.to.tag().is_some() {
            return None;
        }
        Some(MergeKey(joined(&[
            core.cseq.method.as_bytes(),
            core.from.tag().unwrap_or_default(),
            &core.call_id,
            &core.cseq.number.to_be_bytes(),
        ])))
    }
}

/// The parts behind one another, each behind its length, so that no two lists look the same.
fn joined(parts: &[&[u8]]) -> Box<[u8]> {
    let mut key = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        key.extend_from_slice(&(part.len() as u32).to_be_bytes());
        key.extend_from_slice(part);
    }
    key.into_boxed_slice()
}
