// SPDX-License-Identifier: MPL-2.0
//! The INVITE client transaction: RFC 3261 §17.1.1 with RFC 6026 §8.4.

use std::time::{Duration, Instant};

use super::{Output, Outputs, Packet, Timers};

/// Timer D for unreliable transports: at least 32 s (RFC 3261 §17.1.1.2).
const TIMER_D: Duration = Duration::from_secs(32);

#[derive(Debug)]
enum State {
    Calling {
        resend_at: Option<Instant>,
        interval: Duration,
        give_up_at: Instant,
    },
    Proceeding {
        /// No final response is waited for any longer: after a CANCEL, or within a dialog.
        until: Option<Instant>,
    },
    /// A 2xx came; more of them, from other branches or repeated, go to the user (RFC 6026).
    Accepted {
        until: Instant,
    },
    Completed {
        ack: Option<Packet>,
        until: Instant,
    },
    Terminated,
}

/// One INVITE that we sent.
#[derive(Debug)]
pub struct ClientInvite {
    timers: Timers,
    /// Kept only as long as it may have to be sent again.
    request: Option<Packet>,
    /// How long after a provisional response the next one may take to come.
    patience: Option<Duration>,
    state: State,
}

impl ClientInvite {
    /// Starts the transaction; the first output sends the INVITE.
    pub fn new(now: Instant, timers: Timers, request: Packet) -> (Self, Outputs) {
        let outputs = vec![Output::Send(request.clone())];
        let state = State::Calling {
            resend_at: (!timers.reliable).then(|| now + timers.t1),
            interval: timers.t1,
            give_up_at: now + timers.give_up(),
        };
        (
            ClientInvite {
                timers,
                request: Some(request),
                patience: None,
                state,
            },
            outputs,
        )
    }

    /// A response of this transaction; `ack` is the ACK to send where it is a 300–699.
    pub fn handle_response(&mut self, now: Instant, status: u16, ack: Option<Packet>) -> Outputs {
        match (&mut self.state, status) {
            (State::Calling { .. }, 100..200) => {
                let until = self.patience.map(|patience| now + patience);
                self.enter(State::Proceeding { until });
                vec![Output::Deliver]
            }
            (State::Proceeding { until }, 100..200) => {
                if let Some(patience) = self.patience {
                    *until = Some(now + patience);
                }
                vec![Output::Deliver]
            }
            (State::Calling { .. } | State::Proceeding { .. }, 200..300) => {
                self.enter(State::Accepted {
                    until: now + self.timers.give_up(),
                });
                vec![Output::Deliver]
            }
            (State::Calling { .. } | State::Proceeding { .. }, 300..700) => {
                let until = now + self.timers.linger(TIMER_D);
                let mut outputs: Outputs = ack.iter().cloned().map(Output::Send).collect();
                outputs.push(Output::Deliver);
                self.enter(State::Completed { ack, until });
                outputs
            }
            (State::Accepted { .. }, 200..300) => vec![Output::Deliver],
            (State::Completed { ack: Some(ack), .. }, 300..700) => vec![Output::Send(ack.clone())],
            _ => Vec::new(),
        }
    }

    /// The wait for a final response that [`Timers::give_up`] bounds only until a provisional one
    /// came. After a CANCEL the user ends it with this (RFC 3261 §9.1).
    pub fn give_up(&mut self) -> Outputs {
        match self.state {
            State::Calling { .. } | State::Proceeding { .. } => {
                self.enter(State::Terminated);
                vec![Output::TimedOut, Output::Terminated]
            }
            _ => Vec::new(),
        }
    }

    /// Within a dialog nobody waits for a person, and nobody looks after it once the call is over: where
    /// nothing more comes for so long after a provisional response, it has timed out.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    /// It was cancelled, and nobody but this looks after it: it ends in 64·T1 (RFC 3261 §9.1).
    pub fn cancelled(&mut self, now: Instant) {
        if let State::Proceeding { until } = &mut self.state {
            until.get_or_insert(now + self.timers.give_up());
        }
    }

    /// Another takes its place: it is not sent again, but what comes of it is still heard.
    pub fn hush(&mut self) {
        self.request = None;
        if let State::Calling { resend_at, .. } = &mut self.state {
            *resend_at = None;
        }
    }

    /// The INVITE once more, over a transport that should not have needed it.
    pub fn resend(&mut self) -> Option<Packet> {
        self.request.take()
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Outputs {
        match &mut self.state {
            State::Calling { give_up_at, .. } if *give_up_at <= now => {
                self.enter(State::Terminated);
                vec![Output::TimedOut, Output::Terminated]
            }
            State::Calling {
                resend_at: Some(at),
                interval,
                ..
            } if *at <= now => {
                *interval *= 2;
                *at = now + *interval;
                self.request.iter().cloned().map(Output::Send).collect()
            }
            State::Proceeding { until: Some(until) }
                if *until <= now && self.patience.is_some() =>
            {
                self.give_up()
            }
            State::Accepted { until }
            | State::Completed { until, .. }
            | State::Proceeding { until: Some(until) }
                if *until <= now =>
            {
                self.enter(State::Terminated);
                vec![Output::Terminated]
            }
            _ => Vec::new(),
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Calling {
                resend_at,
                give_up_at,
                ..
            } => Some(resend_at.map_or(*give_up_at, |at| at.min(*give_up_at))),
            State::Accepted { until } | State::Completed { until, .. } => Some(*until),
            State::Proceeding { until } => *until,
            State::Terminated => None,
        }
    }

    /// A provisional response came and no final one: only now may a CANCEL go out.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    fn enter(&mut self, state: State) {
        self.request = None;
        self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &str) -> Packet {
        Packet::copy_from_slice(text.as_bytes())
    }

    fn started() -> (ClientInvite, Instant) {
        let now = Instant::now();
        let (machine, outputs) = ClientInvite::new(now, Timers::default(), packet("INVITE"));
        assert_eq!(outputs, [Output::Send(packet("INVITE"))]);
        (machine, now)
    }

    #[test]
    fn timer_a_doubles_until_timer_b_ends_it() {
        let (mut machine, start) = started();
        let mut sent_at = Vec::new();
        let ended = loop {
            let at = machine.poll_timeout().expect("a timer runs");
            let outputs = machine.handle_timeout(at);
            let millis = at.duration_since(start).as_millis();
            match outputs.as_slice() {
                [Output::Send(_)] => sent_at.push(millis),
                [Output::TimedOut, Output::Terminated] => break millis,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(sent_at, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(ended, 32_000);
        assert_eq!(machine.poll_timeout(), None);
    }

    #[test]
    fn a_provisional_response_stops_the_retransmissions_for_good() {
        let (mut machine, start) = started();
        assert_eq!(machine.handle_response(start, 100, None), [Output::Deliver]);
        assert!(machine.is_proceeding());
        assert_eq!(machine.poll_timeout(), None);
        assert_eq!(machine.handle_response(start, 180, None), [Output::Deliver]);
    }

    #[test]
    fn within_a_dialog_it_times_out_where_nothing_more_comes() {
        let (mut machine, start) = started();
        let patience = Duration::from_secs(180);
        machine.set_patience(patience);
        machine.handle_response(start, 100, None);
        let again = start + patience / 2;
        assert_eq!(machine.handle_timeout(again), []);
        machine.handle_response(again, 183, None);
        assert_eq!(machine.poll_timeout(), Some(again + patience));
        assert_eq!(
            machine.handle_timeout(again + patience),
            [Output::TimedOut, Output::Terminated]
        );
    }

    #[test]
    fn a_refusal_is_acknowledged_each_time_it_is_repeated() {
        let (mut machine, start) = started();
        let ack = packet("ACK");
        assert_eq!(
            machine.handle_response(start, 486, Some(ack.clone())),
            [Output::Send(ack.clone()), Output::Deliver]
        );
        assert_eq!(
            machine.handle_response(start, 486, None),
            [Output::Send(ack)]
        );
        assert_eq!(machine.handle_response(start, 200, None), []);
        assert_eq!(
            machine.handle_timeout(start + TIMER_D),
            [Output::Terminated]
        );
    }

    #[test]
    fn every_2xx_reaches_the_user_until_timer_m() {
        let (mut machine, start) = started();
        assert_eq!(machine.handle_response(start, 200, None), [Output::Deliver]);
        assert_eq!(machine.handle_response(start, 200, None), [Output::Deliver]);
        assert_eq!(machine.handle_response(start, 180, None), []);
        assert_eq!(machine.handle_response(start, 486, Some(packet("ACK"))), []);
        let m = start + Duration::from_secs(32);
        assert_eq!(machine.poll_timeout(), Some(m));
        assert_eq!(machine.handle_timeout(m), [Output::Terminated]);
        assert_eq!(machine.handle_response(m, 200, None), []);
    }

    #[test]
    fn a_hushed_one_is_not_sent_again_and_still_hears() {
        let (mut machine, start) = started();
        machine.hush();
        assert_eq!(machine.resend(), None);
        assert_eq!(
            machine.poll_timeout(),
            Some(start + Duration::from_secs(32))
        );
        assert_eq!(machine.handle_response(start, 180, None), [Output::Deliver]);
        machine.cancelled(start);
        machine.cancelled(start + Duration::from_secs(9));
        let end = start + Duration::from_secs(32);
        assert_eq!(machine.poll_timeout(), Some(end));
        assert_eq!(machine.handle_timeout(end), [Output::Terminated]);
    }

    #[test]
    fn a_reliable_transport_neither_resends_nor_lingers() {
        let now = Instant::now();
        let timers = Timers {
            reliable: true,
            ..Timers::default()
        };
        let (mut machine, _) = ClientInvite::new(now, timers, packet("INVITE"));
        assert_eq!(machine.poll_timeout(), Some(now + timers.give_up()));
        machine.handle_response(now, 404, Some(packet("ACK")));
        assert_eq!(machine.poll_timeout(), Some(now));
        assert_eq!(machine.handle_timeout(now), [Output::Terminated]);
    }
}
