// SPDX-License-Identifier: MPL-2.0
//! The task of a bridge: two pairs of sockets around two legs, on a context.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sip_ua::sdp::Negotiated;

use super::super::api::{MediaConfig, MediaEvent};
use super::super::paths::Paths;
use super::super::sockets::{Pair, RTP, Sockets};
use super::super::task::leg_config;
use super::instead::{Passing, Recording};
use super::tap::Listener;
use super::way::{Codecs, Way};
use super::{Shared, Side};
use crate::context::{Cx, Task};
use crate::leg::Leg;

/// How often the counters are put where others can read them.
const SNAPSHOT: Duration = Duration::from_millis(200);

/// A side has a token for its socket of RTP and one for that of RTCP.
const TOKENS: usize = 2;

/// What is news with sides A and B, and with whom of them.
pub(super) type Agreements = [Option<(usize, Box<Negotiated>)>; 2];

/// What the owner asks.
pub(super) enum Command {
    /// Agreements, and what each direction then needs.
    Apply(Agreements, Box<[Option<Codecs>; 2]>),
    /// A candidate of one of a side.
    Candidate(Side, usize, String),
    /// What becomes of what a side says.
    Pass(Side, Passing),
    /// Who hears what a side says.
    Listen(Side, Option<Listener>),
    /// What a side is played; whether again and again.
    Play(Side, Option<(Recording, bool)>),
    /// Digits for a side, each of this length.
    Digits(Side, String, u32),
}

struct End {
    sockets: Sockets,
    leg: Leg,
    /// Where keys come from handshakes.
    paths: Paths,
    /// From this side to the other.
    way: Way,
}

pub(super) struct Bridge {
    ends: [End; 2],
    shared: Arc<Shared>,
    snapshot_due: Instant,
    failed: bool,
}

impl Bridge {
    pub(super) fn new(
        now: Instant,
        pairs: [Pair; 2],
        configs: &[MediaConfig; 2],
        shared: Arc<Shared>,
    ) -> Bridge {
        let [a, b] = pairs;
        let [config_a, config_b] = configs;
        let end = |pair: Pair, config: &MediaConfig, across: &MediaConfig| End {
            sockets: pair.sockets,
            leg: Leg::new(now, leg_config(config)).bridged(),
            paths: Paths::new(now, pair.local),
            way: Way::new(across),
        };
        Bridge {
            ends: [end(a, config_a, config_b), end(b, config_b, config_a)],
            shared,
            snapshot_due: now,
            failed: false,
        }
    }

    /// An end and the one across.
    fn ends(&mut self, side: Side) -> (&mut End, &mut End) {
        let [a, b] = &mut self.ends;
        match side {
            Side::A => (a, b),
            Side::B => (b, a),
        }
    }

    /// Passes on what came from one side, and tells of it.
    fn pass_on(&mut self, now: Instant, side: Side) {
        let [a, b] = &mut self.ends;
        let (end, across) = match side {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        let mut wrong = None;
        end.way
            .run(now, &mut end.leg, &mut across.leg, &mut across.sockets);
        while let Some(event) = end.leg.poll_event() {
            let event = MediaEvent::from(event);
            if let MediaEvent::Digit { digit, duration_ms } = event
                && !end.way.instead().is_set()
            {
                let mut text = [0; 4];
                let text = digit.encode_utf8(&mut text);
                if let Err(error) = across.leg.queue_digits(text, duration_ms) {
                    // The owner is told of the digit, and may pass it on in another form.
                    tracing::debug!(%error, "a digit is not passed on");
                }
            }
            match event {
                MediaEvent::WrongKey(from) => wrong = Some(from),
                event => self.shared.tell(side, event),
            }
        }
        if let Some(error) = end.way.failed() {
            self.failed = true;
            self.shared
                .tell(side, MediaEvent::Failed(error.to_string()));
        }
        if let Some(from) = wrong {
            let reason = format!(
                "what comes from {from} is not authentic: it is protected with another key than that of the \
                 description (a=crypto)"
            );
            self.fail(side, &reason);
        }
    }

    /// Puts what was agreed on into force.
    fn agree(&mut self, now: Instant, agreements: Agreements, codecs: [Option<Codecs>; 2]) {
        for (end, codecs) in self.ends.iter_mut().zip(codecs) {
            end.way.prepare(codecs);
        }
        for (side, news) in Side::BOTH.into_iter().zip(agreements) {
            let Some((party, negotiated)) = news else {
                continue;
            };
            let (end, _) = self.ends(side);
            end.leg.apply(now, &negotiated);
            if let Err(reason) = end.paths.agree(now, party, &negotiated, &mut end.leg) {
                self.fail(side, &reason);
            }
        }
    }

    /// A side will never be heard.
    fn fail(&mut self, side: Side, reason: &str) {
        self.failed = true;
        let reason = format!("side {}: {reason}", side.name());
        self.shared.tell(side, MediaEvent::Failed(reason));
    }

    /// Everything that is due on both sides, and when the next thing is.
    fn run(&mut self, cx: &mut Cx<'_>) {
        if self.failed {
            return;
        }
        let now = cx.now();
        for side in Side::BOTH {
            let (end, _) = self.ends(side);
            end.paths.timeout(now);
            let failed = end.paths.settle(now, &mut end.leg, &mut end.sockets);
            if let Some(reason) = failed {
                self.fail(side, &reason);
                return;
            }
            let (end, _) = self.ends(side);
            let muxed = end.leg.rtcp_mux();
            if let Some(datagram) = end.leg.timeout(now) {
                end.sockets.report(muxed, datagram);
            }
            self.pass_on(now, side);
        }
        if self.snapshot_due <= now {
            self.snapshot_due = now + SNAPSHOT;
            self.snapshot(now);
        }
        let mut next = self.snapshot_due;
        for side in Side::BOTH {
            let (end, across) = self.ends(side);
            let digit = end.way.digits(now, &mut across.leg, &mut across.sockets);
            let instead = end.way.speak(now, &mut across.leg, &mut across.sockets);
            let ended = end.way.instead().take_end();
            let due = [
                digit,
                instead,
                end.leg.next_timeout(),
                end.leg.relay_due(),
                end.paths.due(),
            ];
            next = due.into_iter().flatten().fold(next, Instant::min);
            if ended {
                self.shared.tell(side.other(), MediaEvent::Played);
            }
        }
        cx.set_timer(next);
    }

    fn snapshot(&self, now: Instant) {
        let stats = self.ends.each_ref().map(|end| {
            let mut stats = end.leg.stats();
            let heard_at = end.leg.heard_at();
            stats.heard_ago = heard_at.map(|at| now.saturating_duration_since(at));
            stats
        });
        // Who reads them does so for a moment; if it is now, the next snapshot will do.
        if let Ok(mut place) = self.shared.stats.try_lock() {
            *place = stats;
        }
    }
}

impl Task for Bridge {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.arrive(cx);
    }

    fn arrive(&mut self, cx: &mut Cx<'_>) {
        for side in Side::BOTH {
            let (end, _) = self.ends(side);
            if let Err(error) = end.sockets.watch(cx, side.index() * TOKENS) {
                self.failed = true;
                self.shared.tell(
                    side,
                    MediaEvent::Failed(format!("cannot watch the media sockets: {error}")),
                );
            }
        }
        self.notified(cx);
    }

    fn leave(&mut self, cx: &mut Cx<'_>) {
        for end in &mut self.ends {
            end.sockets.unwatch(cx);
        }
    }

    fn readable(&mut self, cx: &mut Cx<'_>, token: usize) {
        if self.failed {
            return;
        }
        let now = cx.now();
        let side = if token < TOKENS { Side::A } else { Side::B };
        let which = token % TOKENS;
        let [a, b] = &mut self.ends;
        let end = if side == Side::A { a } else { b };
        let more = match which {
            RTP => end.sockets.read_rtp(cx, |at, from, bytes| {
                end.paths.receive(at, from, bytes, &mut end.leg);
            }),
            _ => end.sockets.read(which, cx, &mut end.leg),
        };
        if more {
            cx.again(token);
        }
        if which == RTP {
            self.pass_on(now, side);
            let (end, across) = self.ends(side);
            // The timer is set for all else already.
            let hurries = across.leg.sending_digits()
                || end.leg.relay_due().is_some()
                || end.paths.is_stirred();
            if hurries {
                self.run(cx);
            }
        }
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        self.run(cx);
    }

    fn notified(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        for command in self.shared.commands.take() {
            match command {
                Command::Apply(agreements, codecs) => self.agree(now, agreements, *codecs),
                Command::Candidate(side, party, candidate) => {
                    let (end, _) = self.ends(side);
                    end.paths.add_candidate(party, &candidate);
                }
                Command::Pass(side, passing) => {
                    self.ends(side).0.way.instead().set_passing(passing);
                }
                Command::Listen(side, listener) => {
                    self.ends(side).0.way.set_listener(listener);
                }
                Command::Play(side, recording) => {
                    self.ends(side).1.way.instead().play(recording);
                }
                Command::Digits(side, digits, duration_ms) => {
                    // It was agreed to when this was asked for; by now it may be another far end.
                    if let Err(error) = self.ends(side).0.leg.queue_digits(&digits, duration_ms) {
                        tracing::debug!(%error, "digits are not played");
                    }
                }
            }
        }
        self.run(cx);
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        for end in &mut self.ends {
            let muxed = end.leg.rtcp_mux();
            if let Some(datagram) = end.leg.goodbye(now) {
                end.sockets.report(muxed, datagram);
            }
            end.paths.close(&mut end.sockets);
        }
        self.snapshot(now);
    }
}
