// SPDX-License-Identifier: MPL-2.0
//! The server transaction of everything but INVITE and ACK: RFC 3261 §17.2.2.

use std::time::Instant;

use super::{Output, Outputs, Packet, Timers};

#[derive(Debug)]
enum State {
    Trying,
    Proceeding { response: Packet },
    Completed { response: Packet, until: Instant },
    Terminated,
}

/// One request other than INVITE that we received.
#[derive(Debug)]
pub struct ServerNonInvite {
    timers: Timers,
    state: State,
}

impl ServerNonInvite {
    pub fn new(timers: Timers) -> Self {
        ServerNonInvite {
            timers,
            state: State::Trying,
        }
    }

    /// The same request again.
    pub fn handle_retransmission(&self) -> Outputs {
        match &self.state {
            State::Proceeding { response } | State::Completed { response, .. } => {
                vec![Output::Send(response.clone())]
            }
            State::Trying | State::Terminated => Vec::new(),
        }
    }

    pub fn respond(&mut self, now: Instant, status: u16, response: Packet) -> Outputs {
        if !matches!(self.state, State::Trying | State::Proceeding { .. }) {
            return Vec::new();
        }
        let send = vec![Output::Send(response.clone())];
        self.state = if status < 200 {
            State::Proceeding { response }
        } else {
            // Timer J
            State::Completed {
                response,
                until: now + self.timers.linger(self.timers.give_up()),
            }
        };
        send
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Outputs {
        match &self.state {
            State::Completed { until, .. } if *until <= now => {
                self.state = State::Terminated;
                vec![Output::Terminated]
            }
            _ => Vec::new(),
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Completed { until, .. } => Some(*until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_last_response_answers_every_retransmission_until_timer_j() {
        let now = Instant::now();
        let mut machine = ServerNonInvite::new(Timers::default());
        assert_eq!(machine.handle_retransmission(), []);
        let trying: Packet = b"100".as_slice().into();
        let ok: Packet = b"200".as_slice().into();
        machine.respond(now, 100, trying.clone());
        assert_eq!(machine.handle_retransmission(), [Output::Send(trying)]);
        machine.respond(now, 200, ok.clone());
        assert_eq!(machine.handle_retransmission(), [Output::Send(ok.clone())]);
        assert_eq!(machine.respond(now, 500, b"500".as_slice().into()), []);
        let j = now + Duration::from_secs(32);
        assert_eq!(machine.poll_timeout(), Some(j));
        assert_eq!(machine.handle_timeout(j), [Output::Terminated]);
        assert_eq!(machine.handle_retransmission(), []);
    }

    #[test]
    fn a_reliable_transport_needs_no_memory_of_it() {
        let now = Instant::now();
        let mut machine = ServerNonInvite::new(Timers {
            reliable: true,
            ..Timers::default()
        });
        machine.respond(now, 200, b"200".as_slice().into());
        assert_eq!(machine.handle_timeout(now), [Output::Terminated]);
    }
}
