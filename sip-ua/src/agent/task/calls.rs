// SPDX-License-Identifier: MPL-2.0
//! What happens in calls, told to those whose calls they are.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::{Listener, Task};
use crate::agent::call::{Call, CallEvents, CallHandle, IncomingCall, Shared};
use crate::agent::command::Command;
use crate::agent::events;
use crate::endpoint::{CallEvent, CallId, Endpoint, Event, Milestone, RETRY_AFTER};
use crate::transport::Arrival;
use crate::wire::{HeaderName, Request};

impl Task {
    pub(super) fn tell(&mut self, event: Event) {
        match event {
            Event::Incoming {
                id,
                request,
                arrival,
                user,
                replaces,
            } => self.offer_call(id, request, arrival, user, replaces),
            Event::Registration { id, state } => self.tell_registration(id, state),
            Event::Locate { id } => self.locate(id),
            Event::Watched { id, state } => self.tell_watched(id, state),
            Event::LocateWatched { id } => self.locate_watched(id),
            Event::LocateTarget { id, uri } => {
                self.find(uri, move |_, found| Command::TargetLocated { id, found });
            }
            Event::LocateHop { id, uri } => {
                self.find(uri, move |uri, found| Command::HopLocated {
                    id,
                    uri,
                    found,
                });
            }
            Event::KeepAlive { flow, every } => {
                let now = Instant::now();
                self.streams.flows.keep_alive(now, flow, every);
            }
            Event::Milestone { id, milestone, at } => {
                if let Some(listener) = self.calls.get(&id) {
                    note(&listener.shared, milestone, at);
                }
            }
            Event::Call {
                id,
                event: CallEvent::Ended(end),
            } => {
                if let Some(listener) = self.calls.remove(&id) {
                    listener.events.end(CallEvent::Ended(end));
                }
            }
            Event::Call { id, event } => {
                let Some(listener) = self.calls.get(&id) else {
                    return;
                };
                if !listener.events.send(event) {
                    tracing::warn!(
                        call_id = listener.shared.sip_call_id,
                        "nobody reads the events of this call: it is hung up"
                    );
                    self.endpoint.hangup(Instant::now(), id, None);
                }
            }
        }
    }

    fn offer_call(
        &mut self,
        id: CallId,
        request: Arc<Request>,
        arrival: Arrival,
        user: Option<String>,
        replaces: Option<CallId>,
    ) {
        let now = Instant::now();
        if self.closing.is_some() || self.retired {
            return self.endpoint.reject(now, id, 503, None);
        }
        let call_id = request.headers.get(HeaderName::CallId).unwrap_or_default();
        let sip_call_id = String::from_utf8_lossy(call_id).into_owned();
        let shared = Shared::new(id, sip_call_id, self.commands.clone());
        follow(&shared, &self.endpoint);
        let (events, receiver) = events::queue();
        let Ok(place) = self.incoming.try_reserve() else {
            let source = arrival.source;
            tracing::warn!(%source, "calls are not taken fast enough: one more was refused");
            return self
                .endpoint
                .reject_for(now, id, 503, None, Some(RETRY_AFTER));
        };
        let handle = CallHandle::new(shared.clone());
        let call = Call {
            handle,
            events: CallEvents::new(receiver, shared.clone()),
        };
        place.send(IncomingCall {
            request,
            source: arrival.source,
            local: arrival.local,
            transport: arrival.transport,
            user,
            replaces,
            call,
        });
        self.calls.insert(id, Listener { events, shared });
    }
}

/// The call's messages, for whoever asks for its ladder. One that was never placed has none.
pub(super) fn follow(shared: &Shared, endpoint: &Endpoint) {
    if let Some(trace) = endpoint.trace(shared.id) {
        let _ = shared.trace.set(trace);
    }
}

fn note(shared: &Shared, milestone: Milestone, at: Instant) {
    let mut instants = shared
        .instants
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let slot = match milestone {
        Milestone::Invite => &mut instants.invite_at,
        Milestone::Ringing => &mut instants.ringing_at,
        Milestone::Answered => &mut instants.answered_at,
        Milestone::Confirmed => &mut instants.confirmed_at,
    };
    slot.get_or_insert(at);
}
