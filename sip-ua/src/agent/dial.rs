// SPDX-License-Identifier: MPL-2.0
//! A call out, up to the agent's task.

use super::call::{Call, CallEvents, CallHandle, Shared};
use super::command::{Command, Commands, Dial};
use super::names::Names;
use super::{OutgoingCall, events};
use crate::endpoint::{CallId, Outgoing};

/// Hands the call to the agent's task as soon as its addresses are known.
pub(super) fn dial(commands: &Commands, names: &Names, call: OutgoingCall) -> Call {
    let (sender, receiver) = events::queue();
    let sip_call_id = crate::digest::new_cnonce();
    let shared = Shared::new(CallId::unique(), sip_call_id.clone(), commands.clone());
    let OutgoingCall {
        to,
        from,
        next_hops,
        route,
        headers,
        offer,
        credentials,
        ring_timeout,
        session_timer,
        follow_redirects,
    } = call;
    let towards = route.first().map_or(&to, |proxy| &proxy.uri).clone();
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
    let hand_over = move |destinations| {
        let commands = task.commands.clone();
        let dial = Dial {
            outgoing,
            destinations,
            shared: task,
            events: sender,
        };
        commands.send(Command::Dial(Box::new(dial)));
    };
    let known = match next_hops.is_empty() {
        true => names.at_once(&towards),
        false => Some(Ok(next_hops)),
    };
    match known {
        Some(found) => hand_over(found),
        None => {
            let names = names.clone();
            tokio::spawn(async move { hand_over(names.resolve(&towards).await) });
        }
    }
    Call {
        handle: CallHandle::new(shared.clone()),
        events: CallEvents::new(receiver, shared),
    }
}
