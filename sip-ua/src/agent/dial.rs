// SPDX-License-Identifier: MPL-2.0
//! From a URI to an address to send to, on the way of a call out.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::call::{Call, CallEvents, CallHandle, Shared};
use super::command::{Command, Commands, Dial};
use super::{EVENTS_WAITING, OutgoingCall};
use crate::endpoint::{CallId, Outgoing};
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
    } = call;
    let towards = route.first().map_or(&to, |proxy| &proxy.uri).clone();
    let known = next_hop.or_else(|| {
        let port = towards.port.unwrap_or(5060);
        Some(SocketAddr::new(towards.host.ip()?, port))
    });
    let outgoing = Outgoing {
        to,
        from,
        route,
        headers,
        offer,
        credentials,
        ring_timeout,
        session_timer,
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
        Some(addr) => hand_over(outgoing, Ok(addr)),
        None => {
            tokio::spawn(async move {
                let destination = look_up(&towards).await;
                hand_over(outgoing, destination);
            });
        }
    }
    Call {
        handle: CallHandle::new(shared.clone()),
        events: CallEvents::new(receiver, shared),
    }
}

/// The address of the URI's host.
async fn look_up(uri: &Uri) -> Result<SocketAddr, String> {
    if !uri.is_sip() {
        return Err(format!(
            "{uri} names no host: a next hop is needed to call it"
        ));
    }
    let host = uri.host.to_string();
    let port = uri.port.unwrap_or(5060);
    match tokio::net::lookup_host((host.as_str(), port)).await {
        Ok(mut found) => found.next().ok_or_else(|| format!("{host} has no address")),
        Err(error) => Err(format!("{host} has no address: {error}")),
    }
}
