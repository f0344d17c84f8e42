// SPDX-License-Identifier: MPL-2.0
//! The INVITE server transaction: RFC 3261 §17.2.1 with RFC 6026 §8.5–8.7.

use std::time::{Duration, Instant};

use super::{Output, Outputs, Packet, Timers};

/// How long the user may take before the transaction says 100 on its own (RFC 3261 §17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

#[derive(Debug)]
enum State {
    Proceeding {
        trying_at: Option<Instant>,
    },
    /// A 2xx went out; the user repeats it until the ACK comes, this machine absorbs repeated INVITEs.
    Accepted {
        until: Instant,
    },
    Completed {
        resend_at: Option<Instant>,
        interval: Duration,
        give_up_at: Instant,
    },
    Confirmed {
        until: Instant,
    },
    Terminated,
}

/// One INVITE that we received.
#[derive(Debug)]
pub struct ServerInvite {
    timers: Timers,
    /// The 100 at first, then whatever went out last.
    response: Packet,
    state: State,
}

impl ServerInvite {
    /// Starts the transaction; `trying` is the 100 to send if the user takes longer than 200 ms.
    pub fn new(now: Instant, timers: Timers, trying: Packet) -> Self {
        ServerInvite {
            timers,
            response: trying,
            state: State::Proceeding {
                trying_at: Some(now + TRYING_AFTER),
            },
        }
    }

    /// The same INVITE again.
    pub fn handle_retransmission(&mut self) -> Outputs {
        match &self.state {
            // Before our own 100 is due there is nothing to repeat; a caller that repeats that
            // early has lost patience, so it gets the 100 now.
            State::Proceeding { .. } => {
                self.state = State::Proceeding { trying_at: None };
                vec![Output::Send(self.response.clone())]
            }
            State::Completed { .. } => vec![Output::Send(self.response.clone())],
            State::Accepted { .. } | State::Confirmed { .. } | State::Terminated => Vec::new(),
        }
    }

    /// An ACK that matched this transaction.
    pub fn handle_ack(&mut self, now: Instant) -> Outputs {
        match self.state {
            State::Completed { .. } => {
                // Timer I
                let until = now + self.timers.linger(self.timers.t4);
                self.state = State::Confirmed { until };
                Vec::new()
            }
            // Only an RFC 2543 peer matches here, its branch being the INVITE's.
            State::Accepted { .. } => vec![Output::Deliver],
            _ => Vec::new(),
        }
    }

    /// A response of the user; a final one only once, but 2xx as often as it must be repeated.
    pub fn respond(&mut self, now: Instant, status: u16, response: Packet) -> Outputs {
        match (&self.state, status) {
            (State::Proceeding { .. }, 100..200) => {
                self.state = State::Proceeding { trying_at: None };
                self.response = response.clone();
                vec![Output::Send(response)]
            }
            (State::Proceeding { .. }, 200..300) => {
                self.state = State::Accepted {
                    until: now + self.timers.give_up(),
                };
                // The user keeps the 2xx; nothing is left here to repeat.
                self.response = Packet::new();
                vec![Output::Send(response)]
            }
            (State::Accepted { .. }, 200..300) => vec![Output::Send(response)],
            (State::Proceeding { .. }, 300..700) => {
                self.state = State::Completed {
                    resend_at: (!self.timers.reliable).then(|| now + self.timers.t1),
                    interval: self.timers.t1,
                    give_up_at: now + self.timers.give_up(),
                };
                self.response = response.clone();
                vec![Output::Send(response)]
            }
            _ => Vec::new(),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Outputs {
        match &mut self.state {
            State::Proceeding { trying_at } if trying_at.is_some_and(|at| at <= now) => {
                *trying_at = None;
                vec![Output::Send(self.response.clone())]
            }
            State::Completed { give_up_at, .. } if *give_up_at <= now => {
                self.state = State::Terminated;
                vec![Output::NeverAcknowledged, Output::Terminated]
            }
            State::Completed {
                resend_at: Some(at),
                interval,
                ..
            } if *at <= now => {
                *interval = (*interval * 2).min(self.timers.t2);
                *at = now + *interval;
                vec![Output::Send(self.response.clone())]
            }
            State::Accepted { until } | State::Confirmed { until } if *until <= now => {
                self.state = State::Terminated;
                vec![Output::Terminated]
            }
            _ => Vec::new(),
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Proceeding { trying_at } => *trying_at,
            State::Completed {
                resend_at,
                give_up_at,
                ..
            } => Some(resend_at.map_or(*give_up_at, |at| at.min(*give_up_at))),
            State::Accepted { until } | State::Confirmed { until } => Some(*until),
            State::Terminated => None,
        }
    }

    /// No final response went out yet: a CANCEL still has something to cancel.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &str) -> Packet {
        Packet::copy_from_slice(text.as_bytes())
    }

    fn started() -> (ServerInvite, Instant) {
        let now = Instant::now();
        (
            ServerInvite::new(now, Timers::default(), packet("100")),
            now,
        )
    }

    #[test]
    fn a_slow_user_makes_it_say_100_once() {
        let (mut machine, start) = started();
        let at = start + TRYING_AFTER;
        assert_eq!(machine.poll_timeout(), Some(at));
        assert_eq!(machine.handle_timeout(at), [Output::Send(packet("100"))]);
        assert_eq!(machine.poll_timeout(), None);
    }

    #[test]
    fn a_quick_180_makes_the_100_needless_and_answers_retransmissions() {
        let (mut machine, start) = started();
        assert_eq!(
            machine.respond(start, 180, packet("180")),
            [Output::Send(packet("180"))]
        );
        assert_eq!(machine.poll_timeout(), None);
        assert_eq!(
            machine.handle_retransmission(),
            [Output::Send(packet("180"))]
        );
    }

    #[test]
    fn timer_g_repeats_a_refusal_until_timer_h() {
        let (mut machine, start) = started();
        machine.respond(start, 486, packet("486"));
        let mut sent_at = Vec::new();
        let ended = loop {
            let at = machine.poll_timeout().expect("a timer runs");
            let millis = at.duration_since(start).as_millis();
            match machine.handle_timeout(at).as_slice() {
                [Output::Send(_)] => sent_at.push(millis),
                [Output::NeverAcknowledged, Output::Terminated] => break millis,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            sent_at,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
        assert_eq!(ended, 32_000);
    }

    #[test]
    fn the_ack_ends_the_repetition_and_timer_i_absorbs_more_of_it() {
        let (mut machine, start) = started();
        machine.respond(start, 603, packet("603"));
        assert_eq!(machine.handle_ack(start), []);
        assert_eq!(machine.handle_ack(start), []);
        assert_eq!(machine.handle_retransmission(), []);
        let i = start + Duration::from_secs(5);
        assert_eq!(machine.poll_timeout(), Some(i));
        assert_eq!(machine.handle_timeout(i), [Output::Terminated]);
    }

    #[test]
    fn accepted_absorbs_invites_and_passes_repeated_2xx_until_timer_l() {
        let (mut machine, start) = started();
        let ok = packet("200");
        assert_eq!(
            machine.respond(start, 200, ok.clone()),
            [Output::Send(ok.clone())]
        );
        assert_eq!(machine.handle_retransmission(), []);
        assert_eq!(machine.respond(start, 200, ok.clone()), [Output::Send(ok)]);
        assert_eq!(machine.respond(start, 486, packet("486")), []);
        assert_eq!(machine.handle_ack(start), [Output::Deliver]);
        let l = start + Duration::from_secs(32);
        assert_eq!(machine.handle_timeout(l), [Output::Terminated]);
    }
}
