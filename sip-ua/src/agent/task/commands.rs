// SPDX-License-Identifier: MPL-2.0
//! What handles ask for, and the way to where it goes.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::calls::follow;
use super::{Closing, Listener, Task};
use crate::agent::command::{Command, Dial};
use crate::agent::events::EventSender;
use crate::endpoint::{CallEvent, End, EndCause, EndedBy};
use crate::transaction::Path;
use crate::transport::Hop;
use crate::wire::Uri;

impl Task {
    pub(super) fn command(&mut self, command: Option<Command>) {
        let now = Instant::now();
        // The task holds a sender itself, so the channel never ends.
        let Some(command) = command else {
            return;
        };
        match command {
            Command::Dial(dial) => self.dial(now, *dial),
            Command::Ring { id, sdp } => self.endpoint.ring(now, id, sdp),
            Command::Accept { id, sdp } => self.endpoint.accept(now, id, sdp),
            Command::Reject {
                id,
                status,
                reason,
                retry_after,
            } => {
                self.endpoint
                    .reject_for(now, id, status, reason.as_deref(), retry_after);
            }
            Command::Hangup { id, reason } => self.endpoint.hangup(now, id, reason),
            Command::Reoffer { id, sdp } => self.endpoint.reoffer(now, id, sdp),
            Command::AnswerReoffer { id, answer } => {
                self.endpoint.answer_reoffer(now, id, answer);
            }
            Command::Info {
                id,
                content_type,
                body,
            } => {
                self.endpoint.info(now, id, &content_type, body);
            }
            Command::PermitTransfers { id, permitted } => {
                self.endpoint.permit_transfers(id, permitted);
            }
            Command::Transfer { id, to } => self.endpoint.transfer(now, id, *to),
            Command::AnswerTransfer { id, answer } => {
                self.endpoint.answer_transfer(now, id, answer);
            }
            Command::NotifyTransfer { id, status, reason } => {
                self.endpoint
                    .notify_transfer(now, id, status, reason.as_deref());
            }
            Command::Register(register) => self.register(now, *register),
            Command::Located { id, found } => self.located(now, id, found),
            Command::TargetLocated { id, found } => {
                let paths = found.and_then(|hops| self.paths_to(hops));
                self.endpoint.target_located(now, id, paths);
            }
            Command::HopLocated { id, uri, found } => {
                let paths = found.and_then(|hops| self.paths_to(hops));
                self.endpoint.hop_located(now, id, &uri, paths);
            }
            Command::Unregister { id } => self.endpoint.unregister(now, id),
            Command::Watch(watch) => self.watch(now, *watch),
            Command::WatchedLocated { id, found } => {
                let paths = found.and_then(|hops| self.paths_to(hops));
                self.endpoint.watched_located(now, id, paths);
            }
            Command::Unwatch { id } => self.unwatch(id),
            Command::Retire => self.retired = true,
            Command::Close { patience, done } => {
                self.unregister_all(now);
                self.unwatch_all();
                for id in self.endpoint.live_calls() {
                    self.endpoint.hangup(now, id, None);
                }
                let closing = self.closing.get_or_insert_with(|| Closing {
                    until: now + patience,
                    done: Vec::new(),
                });
                closing.done.push(done);
            }
        }
    }

    fn dial(&mut self, now: Instant, dial: Dial) {
        let Dial {
            outgoing,
            destinations,
            shared,
            events,
        } = dial;
        let id = shared.id;
        let refuse = |events: EventSender, by, cause, reason| {
            events.end(CallEvent::Ended(End::new(by, None, cause, reason)));
        };
        if self.closing.is_some() {
            let reason = "this side is closing".to_owned();
            return refuse(events, EndedBy::Local, EndCause::Closing, reason);
        }
        if shared.hung_up.load(Ordering::Relaxed) || events.is_unheard() {
            // While the name of its host was looked up.
            let reason = "this side hung up before the call was made".to_owned();
            return refuse(events, EndedBy::Local, EndCause::Cancelled, reason);
        }
        match destinations.and_then(|hops| self.paths_to(hops)) {
            Ok(paths) => {
                self.calls.insert(
                    id,
                    Listener {
                        events,
                        shared: shared.clone(),
                    },
                );
                self.endpoint.dial(now, id, paths, outgoing);
                follow(&shared, &self.endpoint);
            }
            Err(reason) => refuse(events, EndedBy::Network, EndCause::Unreachable, reason),
        }
    }

    /// Finds the servers of a URI, and says so by `located`.
    pub(in crate::agent) fn find<F>(&mut self, uri: Uri, located: F)
    where
        F: FnOnce(Uri, Result<Vec<Hop>, String>) -> Command + Send + 'static,
    {
        if let Some(found) = self.names.at_once(&uri) {
            return self.command(Some(located(uri, found)));
        }
        let (names, commands) = (self.names.clone(), self.commands.clone());
        tokio::spawn(async move {
            let found = names.resolve(&uri).await;
            commands.send(located(uri, found));
        });
    }

    pub(in crate::agent) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// To those that can be reached.
    pub(in crate::agent) fn paths_to(&self, hops: Vec<Hop>) -> Result<Vec<Path>, String> {
        let mut why = "no server was found".to_owned();
        let mut paths = Vec::with_capacity(hops.len());
        for hop in hops {
            match self.path_to(hop) {
                Ok(path) => paths.push(path),
                Err(error) => why = error,
            }
        }
        match paths.is_empty() {
            true => Err(why),
            false => Ok(paths),
        }
    }

    /// From the first listener that can reach it.
    fn path_to(&self, hop: Hop) -> Result<Path, String> {
        let Hop {
            transport,
            addr: remote,
            proof,
        } = hop;
        let mut near = self
            .listeners
            .iter()
            .filter(|listener| listener.addr.is_ipv4() == remote.is_ipv4());
        let speaks = |listener: &&Hop| listener.transport == transport;
        let listener = match near.clone().find(speaks) {
            // Who has no certificate to listen with can still connect to those who have.
            None if transport.is_secure() => near.next(),
            found => found,
        };
        let bound = listener
            .ok_or_else(|| format!("no listener of ours can reach {hop}"))?
            .addr;
        let ip: IpAddr = match bound.ip().is_unspecified() {
            true => self
                .routes
                .local_ip_towards(remote.ip())
                .map_err(|error| error.to_string())?,
            false => bound.ip(),
        };
        Ok(Path {
            transport,
            local: SocketAddr::new(ip, bound.port()),
            remote,
            flow: None,
            proof,
        })
    }
}
