// SPDX-License-Identifier: MPL-2.0
//! From a URI to an address to send to, on the way of a call out.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::call::{Call, CallEvents, CallHandle, Shared};
use super::command::{Command, Commands, Dial};
use super::{EVENTS_WAITING, OutgoingCall};
use crate::endpoint::{CallId, Outgoing};
use crate::transport::{Domain, Hop, Proof, Transport};
use crate::wire::Uri;

/// Hands the call to the agent's task as soon as its address is known.
pub(super) fn dial(commands: &Commands, call: OutgoingCall) -> Call {
    let (sender, receiver) = mpsc::channel(EVENTS_WAITING);
    let sip_call_id = crate::digest::new_cnonce();
    let shared = Shared::new(CallId::unique(), sip_call_id.clone(), commands.clone());
    let OutgoingCall {
        to,
        from,
        next_hop,
        route,
        headers,
        offer,
        credentials,
        ring_timeout,
        session_timer,
        follow_redirects,
    } = call;
    let towards = route.first().map_or(&to, |proxy| &proxy.uri).clone();
    let known = next_hop.map(Ok).or_else(|| known(&towards));
    let outgoing = Outgoing {
        to,
        from,
        route,
        headers,
        offer,
        credentials,
        ring_timeout,
        session_timer,
        follow_redirects,
        sip_call_id,
    };
    let task = shared.clone();
    let hand_over = move |outgoing, destination| {
        let commands = task.commands.clone();
        let dial = Dial {
            outgoing,
            destination,
            shared: task,
            events: sender,
        };
        commands.send(Command::Dial(Box::new(dial)));
    };
    match known {
        Some(hop) => hand_over(outgoing, hop),
        None => {
            tokio::spawn(async move {
                let destination = resolve(&towards).await;
                hand_over(outgoing, destination);
            });
        }
    }
    Call {
        handle: CallHandle::new(shared.clone()),
        events: CallEvents::new(receiver, shared),
    }
}

/// Where a `sip:` URI leads: its transport, and its host looked up. `tel:` and what asks for a
/// transport that is not spoken here lead nowhere.
pub async fn resolve(uri: &Uri) -> Result<Hop, String> {
    if let Some(known) = known(uri) {
        return known;
    }
    let transport = transport_of(uri)?;
    let host = uri.host.to_string();
    let port = uri.port.unwrap_or(transport.default_port());
    match tokio::net::lookup_host((host.as_str(), port)).await {
        Ok(mut found) => found
            .next()
            .map(|addr| Hop {
                transport,
                addr,
                proof: match transport.is_secure() {
                    true => Proof::Domain(Domain::new(&host)),
                    false => Proof::Address,
                },
            })
            .ok_or_else(|| format!("the host {host} has no address")),
        Err(error) => Err(format!("the host {host} was not found: {error}")),
    }
}

/// Where a URI leads, if nothing has to be looked up to say so.
pub(super) fn known(uri: &Uri) -> Option<Result<Hop, String>> {
    let transport = match transport_of(uri) {
        Ok(transport) => transport,
        Err(reason) => return Some(Err(reason)),
    };
    let port = uri.port.unwrap_or(transport.default_port());
    let addr = SocketAddr::new(uri.host.ip()?, port);
    Some(Ok(Hop::new(transport, addr)))
}

fn transport_of(uri: &Uri) -> Result<Transport, String> {
    if !uri.is_sip() {
        return Err(format!(
            "{uri} names no host: a next hop is needed to call it"
        ));
    }
    let transport = Transport::of_uri(uri).ok_or_else(|| {
        format!("{uri} asks for a transport that is not spoken here: udp, tcp and tls are")
    })?;
    match transport.is_websocket() {
        true => Err(format!(
            "{uri} asks for a WebSocket, which only the far end can open"
        )),
        false => Ok(transport),
    }
}
