// SPDX-License-Identifier: MPL-2.0
//! The client transaction of everything but INVITE and ACK: RFC 3261 §17.1.2.

use std::time::{Duration, Instant};

use super::{Output, Outputs, Packet, Timers};

#[derive(Debug)]
enum State {
    /// Trying, and Proceeding once a provisional response came: they differ in Timer E's pace only.
    Waiting {
        proceeding: bool,
        resend_at: Option<Instant>,
        interval: Duration,
        give_up_at: Instant,
    },
    Completed {
        until: Instant,
    },
    Terminated,
}

/// One request other than INVITE that we sent.
#[derive(Debug)]
pub struct ClientNonInvite {
    timers: Timers,
    /// Kept only as long as it may have to be sent again.
    request: Option<Packet>,
    state: State,
}

impl ClientNonInvite {
    /// Starts the transaction; the first output sends the request.
    pub fn new(now: Instant, timers: Timers, request: Packet) -> (Self, Outputs) {
        let outputs = vec![Output::Send(request.clone())];
        let state = State::Waiting {
            proceeding: false,
            resend_at: (!timers.reliable).then(|| now + timers.t1),
            interval: timers.t1,
            give_up_at: now + timers.give_up(),
        };
        (
            ClientNonInvite {
                timers,
                request: Some(request),
                state,
            },
            outputs,
        )
    }

    pub fn handle_response(&mut self, now: Instant, status: u16) -> Outputs {
        let State::Waiting { proceeding, .. } = &mut self.state else {
            return Vec::new();
        };
        match status {
            100..200 => {
                *proceeding = true;
                vec![Output::Deliver]
            }
            200..700 => {
                // Timer K
                let until = now + self.timers.linger(self.timers.t4);
                self.request = None;
                self.state = State::Completed { until };
                vec![Output::Deliver]
            }
            _ => Vec::new(),
        }
    }

    /// The request once more, over a transport that should not have needed it.
    pub fn resend(&mut self) -> Option<Packet> {
        self.request.take()
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Outputs {
        match &mut self.state {
            State::Waiting { give_up_at, .. } if *give_up_at <= now => {
                self.request = None;
                self.state = State::Terminated;
                vec![Output::TimedOut, Output::Terminated]
            }
            State::Waiting {
                proceeding,
                resend_at: Some(at),
                interval,
                ..
            } if *at <= now => {
                let t2 = self.timers.t2;
                *interval = if *proceeding {
                    t2
                } else {
                    (*interval * 2).min(t2)
                };
                *at = now + *interval;
                self.request.iter().cloned().map(Output::Send).collect()
            }
            State::Completed { until } if *until <= now => {
                self.state = State::Terminated;
                vec![Output::Terminated]
            }
            _ => Vec::new(),
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting {
                resend_at,
                give_up_at,
                ..
            } => Some(resend_at.map_or(*give_up_at, |at| at.min(*give_up_at))),
            State::Completed { until } => Some(*until),
            State::Terminated => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> (ClientNonInvite, Instant) {
        let now = Instant::now();
        let (machine, outputs) =
            ClientNonInvite::new(now, Timers::default(), b"BYE".as_slice().into());
        assert_eq!(outputs.len(), 1);
        (machine, now)
    }

    fn run_out(machine: &mut ClientNonInvite, start: Instant) -> (Vec<u128>, u128) {
        let mut sent_at = Vec::new();
        loop {
            let at = machine.poll_timeout().expect("a timer runs");
            let outputs = machine.handle_timeout(at);
            let millis = at.duration_since(start).as_millis();
            match outputs.as_slice() {
                [Output::Send(_)] => sent_at.push(millis),
                [Output::TimedOut, Output::Terminated] => return (sent_at, millis),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn timer_e_doubles_up_to_t2_until_timer_f() {
        let (mut machine, start) = started();
        let (sent_at, ended) = run_out(&mut machine, start);
        assert_eq!(
            sent_at,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
        assert_eq!(ended, 32_000);
    }

    #[test]
    fn a_provisional_response_slows_timer_e_to_t2() {
        let (mut machine, start) = started();
        assert_eq!(machine.handle_response(start, 100), [Output::Deliver]);
        let (sent_at, ended) = run_out(&mut machine, start);
        assert_eq!(
            sent_at,
            [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500]
        );
        assert_eq!(ended, 32_000);
    }

    #[test]
    fn the_final_response_is_delivered_once() {
        let (mut machine, start) = started();
        assert_eq!(machine.handle_response(start, 200), [Output::Deliver]);
        assert_eq!(machine.handle_response(start, 200), []);
        let k = start + Duration::from_secs(5);
        assert_eq!(machine.poll_timeout(), Some(k));
        assert_eq!(machine.handle_timeout(k), [Output::Terminated]);
        assert_eq!(machine.poll_timeout(), None);
    }
}
