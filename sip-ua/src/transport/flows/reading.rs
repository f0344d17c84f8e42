// SPDX-License-Identifier: MPL-2.0
//! What arrives over a connection, in messages.

use std::time::Instant;

use bytes::Bytes;

use super::{Action, Flows, PING, PONG};
use crate::transport::{FlowId, Frame};

/// Messages in a row that cannot be read before whoever sends them is done with.
const FAULTS: u8 = 16;

impl Flows {
    /// Octets arrived.
    pub fn received(&mut self, now: Instant, id: FlowId, octets: &[u8]) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        if flow.far.transport.is_websocket() {
            return self.received_whole(now, id, octets);
        }
        self.buffered -= flow.framer.buffered();
        flow.framer.push(octets);
        let mut pong = false;
        let mut whole = false;
        while let Some(frame) = flow.framer.poll_frame() {
            let arrival = flow.arrival(id);
            whole = true;
            match frame {
                Frame::Message(message) => {
                    flow.used_at = now;
                    let message = message.into();
                    self.actions.push_back(Action::Message { arrival, message });
                }
                // Strangers are not told that somebody is here.
                Frame::Ping => pong |= flow.trusted,
                Frame::Endless { message, why } => {
                    tracing::debug!(remote = %flow.far.addr, %why, "a stream cannot be read on");
                    let message = message.into();
                    self.actions.push_back(Action::Message { arrival, message });
                    // Its answer goes out before the next timer.
                    flow.ended_at = Some(now);
                }
            }
        }
        flow.heard(now);
        let buffered = flow.framer.buffered();
        self.buffered += buffered;
        flow.partial_since = match buffered {
            0 => None,
            _ if whole => Some(now),
            _ => flow.partial_since.or(Some(now)),
        };
        if pong {
            self.write(id, PONG.into());
        }
        if self.buffered > self.limits.buffered {
            return self.close(id, "it holds too much of a message that is not whole");
        }
        self.arm(id);
    }

    /// A whole message of a WebSocket: one of ours, or a keep-alive (RFC 7118 §5 and §6).
    fn received_whole(&mut self, now: Instant, id: FlowId, octets: &[u8]) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        flow.heard(now);
        let (arrival, trusted) = (flow.arrival(id), flow.trusted);
        if octets.iter().all(|octet| b"\r\n".contains(octet)) {
            if octets == PING && trusted {
                self.write(id, PONG.into());
            }
        } else {
            let message = Bytes::copy_from_slice(octets);
            self.actions.push_back(Action::Message { arrival, message });
        }
        self.arm(id);
    }

    /// Whether a message that came over this could be read. Who sends nothing that can is dropped.
    pub fn judged(&mut self, id: FlowId, readable: bool) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        flow.faults = match readable {
            true => 0,
            false => flow.faults + 1,
        };
        if flow.faults >= FAULTS {
            self.close(id, "it sends nothing that can be read");
        }
    }
}
