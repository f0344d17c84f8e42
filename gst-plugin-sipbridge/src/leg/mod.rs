// SPDX-License-Identifier: MPL-2.0
//! The phone leg, sans-IO: RTP and RTCP, jitter buffer, digits and statistics of one call.
//!
//! A [`Leg`] is plain data. What comes off the wire goes in with the time it came; what to play is
//! pulled out by whoever keeps the tick; what to send comes out as bytes and an address. It owns
//! the RTP headers of both directions, because digits (RFC 4733), reports (RFC 3550), hold and
//! re-offers share them.

mod api;
mod arrival;
mod digits;
mod doubt;
mod foresight;
mod jitter;
mod liveness;
mod playout;
mod quality;
mod receive;
mod reports;
mod send;
mod sender;
mod sequencer;
mod source;
mod srtp;
mod stats;
mod streams;
mod tempo;
mod track;
mod way;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip_ua::sdp::{Codec, Direction, Negotiated};

pub use api::{Datagram, DigitsError, LegConfig, LegEvent};
pub use digits::check_digits;
pub use playout::{Frame, Listener, Playable, Playout};
pub use sequencer::Relayed;
pub use source::{Source, Verdict};
pub use stats::LegStats;
pub use tempo::Tempo;
pub use track::{Track, TrackStats};

use digits::{DigitReceiver, DigitSender};
use doubt::Doubt;
use jitter::{Done, JitterBuffer};
use liveness::Liveness;
use reports::Reports;
use sender::Sender;
use sequencer::Sequencer;
use streams::Streams;

use crate::rtcp::reception::Reception;
use crate::srtp::Srtp;

/// The media of one call with a telephone.
#[derive(Debug)]
pub struct Leg {
    negotiated: Option<Negotiated>,
    /// What payload types meant before, until something comes as it is agreed on now.
    former: Vec<(u8, Codec)>,
    source: Source,
    streams: Streams,
    jitter: JitterBuffer,
    /// In the jitter buffer's place, where what comes is passed on and not played.
    sequencer: Option<Box<Sequencer>>,
    digits_in: DigitReceiver,
    digits_out: DigitSender,
    sender: Sender,
    reports: Reports,
    /// Keys and places of SRTP, where it was agreed on.
    srtp: Option<Box<Srtp>>,
    doubt: Doubt,
    /// A packet that was protected; kept for its memory.
    opened: Vec<u8>,
    events: VecDeque<LegEvent>,
    silent_peer: Duration,
    liveness: Liveness,
    sending_since: Option<Instant>,
    heard: bool,
    peer_silent: bool,
    heard_at: Option<Instant>,
    receive_codec: Option<Codec>,
    stats: LegStats,
}

impl Leg {
    /// A leg that neither sends nor takes anything before [`Leg::apply`].
    pub fn new(now: Instant, config: LegConfig) -> Leg {
        Leg {
            negotiated: None,
            former: Vec::new(),
            source: Source::default(),
            streams: Streams::default(),
            jitter: JitterBuffer::new(now, config.latency),
            sequencer: None,
            digits_in: DigitReceiver::default(),
            digits_out: DigitSender::default(),
            sender: Sender::new(config.ssrc, config.sequence, config.timestamp),
            reports: Reports::new(config.ssrc, config.cname, config.ntp_epoch, now),
            srtp: None,
            doubt: Doubt::default(),
            opened: Vec::new(),
            events: VecDeque::new(),
            silent_peer: config.silent_peer,
            liveness: Liveness::new(config.media_timeout),
            sending_since: None,
            heard: false,
            peer_silent: false,
            heard_at: None,
            receive_codec: None,
            stats: LegStats::default(),
        }
    }

    /// The same leg as one side of a bridge: what comes is passed on by [`Leg::relay`], and
    /// [`Leg::playout`] has nothing to play.
    pub fn bridged(self) -> Leg {
        Leg {
            sequencer: Some(Box::default()),
            ..self
        }
    }

    /// Puts an agreement into force: the first, or that of a re-offer.
    pub fn apply(&mut self, now: Instant, negotiated: &Negotiated) {
        self.source.describe(
            negotiated.remote_rtp,
            negotiated.remote_rtcp,
            negotiated.rtcp_mux,
        );
        self.reports.begin(now);
        // A far end that holds us ("sendonly") may have no music to send.
        self.liveness
            .agreed(now, negotiated.direction == Direction::SendRecv);
        self.agree_on_way(negotiated);
        let before = self.sending();
        if negotiated.telephone_event_send.is_none() {
            self.digits_out.clear();
        }
        if !negotiated.direction.receives() {
            self.restart_playout();
        }
        self.remember_formats(negotiated);
        self.negotiated = Some(negotiated.clone());
        self.send_after(now, before);
    }

    /// A far end goes on in the codec it had until it knows of another and is ready for it: who ceases to
    /// want a format is still prepared for it for a while (RFC 3264 section 8.3.2). A bridge is not: nothing
    /// that it is made of now would understand it.
    fn remember_formats(&mut self, negotiated: &Negotiated) {
        if self.sequencer.is_some() {
            return;
        }
        let before = self.negotiated.iter().flat_map(|before| &before.receive);
        self.former.extend(before);
        let audio = negotiated.receive.iter().map(|(number, _)| *number);
        let events = negotiated.telephone_event_receive.iter();
        let events = events.map(|(number, _)| *number);
        let noise = negotiated.comfort_noise_receive.iter().copied();
        let now: Vec<u8> = audio.chain(events).chain(noise).collect();
        self.former.retain(|(number, _)| !now.contains(number));
    }

    /// By which clock we send, if we do.
    fn sending(&self) -> Option<u32> {
        self.sends().then(|| self.send_clock_hz())
    }

    /// Something changed; whether we sent until then, and by which clock, is `before`.
    fn send_after(&mut self, now: Instant, before: Option<u32>) {
        if self.sends() {
            self.sending_since.get_or_insert(now);
            if before != self.sending() {
                self.sender.resume(now, self.send_clock_hz());
            }
        }
    }

    /// Whether the agreement has us send, and the far end is there.
    pub fn sends(&self) -> bool {
        self.negotiated
            .as_ref()
            .is_some_and(|negotiated| negotiated.direction.sends())
            && self.source.rtp().is_some()
            && !self.waits_for_keys()
            && !self.peer_silent
    }

    /// Whether the agreement has us play what comes.
    pub fn receives(&self) -> bool {
        self.negotiated
            .as_ref()
            .is_some_and(|negotiated| negotiated.direction.receives())
    }

    /// Whether RTCP leaves by the socket of RTP (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.negotiated
            .as_ref()
            .is_some_and(|negotiated| negotiated.rtcp_mux)
    }

    /// What was agreed on last.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    fn send_clock_hz(&self) -> u32 {
        self.negotiated
            .as_ref()
            .map_or(8_000, |negotiated| negotiated.codec.clock_rate())
    }

    /// Forgets what waits to be played: nobody listened for a while.
    pub fn restart_playout(&mut self) {
        self.restart_at(self.jitter.clock_hz());
    }

    fn restart_at(&mut self, clock_hz: u32) {
        self.jitter.reset(clock_hz);
        if let Some(sequencer) = &mut self.sequencer {
            sequencer.reset();
        }
    }

    /// What a bridge passes on now, if anything. To be asked until there is no more, each time
    /// something came and at [`Leg::relay_due`].
    pub fn relay(&mut self, now: Instant) -> Option<Relayed<'_>> {
        self.sequencer.as_mut()?.relay(now)
    }

    /// When what waits behind a hole is passed on at the latest.
    pub fn relay_due(&self) -> Option<Instant> {
        self.sequencer.as_ref()?.due()
    }

    fn done(&self) -> Done {
        match &self.sequencer {
            Some(sequencer) => sequencer.done(),
            None => self.jitter.done(),
        }
    }

    /// When [`Leg::timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        [
            self.reports.due(),
            self.digits_in.next_timeout(),
            self.silent_at(),
            self.liveness.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn silent_at(&self) -> Option<Instant> {
        let waits = !self.heard && !self.peer_silent && self.receives();
        self.sending_since
            .filter(|_| waits)
            .map(|since| since + self.silent_peer)
    }

    /// Time passed. Returns the RTCP report that is due, if one is.
    pub fn timeout(&mut self, now: Instant) -> Option<Datagram<'_>> {
        let heard = self.digits_in.timeout(now);
        self.digit(heard);
        if self.silent_at().is_some_and(|at| at <= now) {
            self.peer_silent = true;
            self.events.push_back(LegEvent::PeerSilent);
        }
        if let Some(silent) = self.liveness.timeout(now) {
            self.events.push_back(LegEvent::TimedOut(silent));
        }
        self.report(now, false)
    }

    /// The last report of the call: it says goodbye.
    pub fn goodbye(&mut self, now: Instant) -> Option<Datagram<'_>> {
        self.report(now, true)
    }

    fn report(&mut self, now: Instant, bye: bool) -> Option<Datagram<'_>> {
        let sent = self.sender.report(now);
        let waits = self.waits_for_keys();
        let to = self.source.rtcp().filter(|_| !waits);
        let bytes = self
            .reports
            .write(now, sent, self.streams.current_mut(), bye)?;
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.protect_rtcp(bytes)?,
            None => bytes,
        };
        // A far end that never showed itself gets no reports either.
        Some(Datagram {
            to: to.filter(|_| !self.peer_silent)?,
            bytes,
        })
    }

    /// The next thing to tell the call.
    pub fn poll_event(&mut self) -> Option<LegEvent> {
        self.events.pop_front()
    }

    /// When a packet of the far end last came.
    pub fn heard_at(&self) -> Option<Instant> {
        self.heard_at
    }

    /// What is heard of the far end: by what was played, so that a packet that came too late counts
    /// like one that never came, and one whose copy was found does not.
    fn way_in(&self) -> quality::Way {
        let done = self.done();
        let network = self.reports.remote.round_trip.unwrap_or_default() / 2;
        quality::Way {
            heard: done.played + done.recovered,
            missed: done.missed.saturating_sub(done.recovered),
            runs: done.missed_runs,
            delay_ms: network.as_secs_f64() * 1000.0
                + (self.jitter.delay_us() + self.jitter.usual_us()) as f64 / 1000.0,
        }
    }

    /// What the far end hears of us, by its reports. Of its jitter buffer nothing is known but what
    /// it must hold back at least: a packet and the jitter.
    fn way_out(&self) -> quality::Way {
        let remote = self.reports.remote;
        let Some(negotiated) = self.negotiated.as_ref().filter(|_| remote.lost.is_some()) else {
            return quality::Way::default();
        };
        let missed = u64::from(remote.lost.unwrap_or_default());
        let jitter = f64::from(remote.jitter_units.unwrap_or_default()) * 1000.0
            / f64::from(self.send_clock_hz());
        let network = remote.round_trip.unwrap_or_default() / 2;
        quality::Way {
            heard: self.sender.packets().saturating_sub(missed),
            missed,
            runs: 0,
            delay_ms: network.as_secs_f64() * 1000.0
                + 2.0 * f64::from(negotiated.ptime_ms)
                + jitter,
        }
    }

    /// The counters.
    pub fn stats(&self) -> LegStats {
        let done = self.done();
        let ms = |us: i64| (us / 1000) as u64;
        let remote = self.reports.remote;
        let send_hz = f64::from(self.send_clock_hz());
        LegStats {
            send_codec: self.negotiated.as_ref().map(|agreed| agreed.codec),
            receive_codec: self.receive_codec,
            srtp_suite: self.srtp.as_ref().map(|srtp| srtp.suite()),
            remote: self.source.latched().or(self.source.rtp()),
            described: self.source.described(),
            packets_sent: self.sender.packets(),
            bytes_sent: self.sender.bytes(),
            lost: self.streams.lost(),
            jitter_ms: self.streams.current().map_or(0.0, Reception::jitter_ms),
            depth_ms: self.jitter.delay_us() as f64 / 1000.0,
            target_ms: self.jitter.target_us() as f64 / 1000.0,
            concealed_ms: ms(done.concealed_us),
            concealed_frames: done.concealed_frames,
            recovered_frames: done.recovered,
            skipped_ms: ms(done.skipped_us),
            stretched_ms: ms(done.stretched_us),
            remote_lost: remote.lost,
            remote_loss_percent: remote.loss_percent,
            remote_jitter_ms: remote
                .jitter_units
                .map(|units| f64::from(units) * 1000.0 / send_hz),
            round_trip: remote.round_trip,
            mos: quality::mos(&self.way_in()),
            remote_mos: quality::mos(&self.way_out()),
            digits_sent: self.digits_out.sent(),
            ..self.stats.clone()
        }
    }
}

impl Playable for Leg {
    fn playout(&mut self, now: Instant, listener: Listener) -> Playout<'_> {
        self.jitter.pull(now, listener)
    }

    fn stretched(&mut self, out: Duration, put_in: Duration) {
        self.jitter.stretched(out, put_in);
    }

    fn codec(&self) -> Option<Codec> {
        self.receive_codec
    }

    fn is_open(&self) -> bool {
        self.receives()
    }
}
