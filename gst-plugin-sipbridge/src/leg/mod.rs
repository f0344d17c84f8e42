// SPDX-License-Identifier: MPL-2.0
//! The phone leg, sans-IO: RTP and RTCP, jitter buffer, digits and statistics of one call.
//!
//! A [`Leg`] is plain data. What comes off the wire goes in with the time it came; what to play is
//! pulled out by whoever keeps the tick; what to send comes out as bytes and an address. It owns
//! the RTP headers of both directions, because digits (RFC 4733), reports (RFC 3550), hold and
//! re-offers share them.

mod arrival;
mod digits;
mod jitter;
mod reception;
mod reports;
mod sender;
mod source;
mod stats;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtp_types::RtpPacket;
use sip_ua::sdp::{Codec, Negotiated};

pub use jitter::{Frame, Playout};
pub use stats::LegStats;

pub use digits::check_digits;

use digits::{DigitReceiver, DigitSender, Heard};
use jitter::{Arrived, Inserted, JitterBuffer};
use reception::{Reception, Sequenced};
use reports::{Reports, Sent};
use sender::Sender;
use source::{Source, Verdict};

/// Comfort noise (RFC 3389): says that there is no audio. What it should sound like is left to the
/// silence around it.
const COMFORT_NOISE: u8 = 13;

/// A packet of more audio than this is none.
const PACKET_MAX_MS: u32 = 200;

/// Why digits cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigitsError {
    /// There is no such key.
    #[error("{0:?} is no telephone key: 0-9, *, # and A-D are")]
    NotADigit(char),
    /// The far end takes no RFC 4733 events.
    #[error("the far end did not agree to RFC 4733 telephone events")]
    NotNegotiated,
    /// Too many are waiting.
    #[error("too many digits are waiting to be sent")]
    QueueFull,
}

/// What a leg starts from. All numbers but the durations should be random
/// (RFC 3550 section 5.1).
#[derive(Debug, Clone)]
pub struct LegConfig {
    /// Our SSRC.
    pub ssrc: u32,
    /// The first sequence number sent.
    pub sequence: u16,
    /// The first timestamp sent.
    pub timestamp: u32,
    /// Our name in RTCP reports.
    pub cname: String,
    /// Wall-clock time at the leg's creation as NTP writes it (RFC 3550 section 4).
    pub ntp_epoch: u64,
    /// The most delay the jitter buffer may add.
    pub latency: Duration,
    /// Sending stops when this long nothing ever came back.
    pub silent_peer: Duration,
}

/// Something to tell the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEvent {
    /// A key was let go of.
    Digit {
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was held.
        duration_ms: u32,
    },
    /// The far end's address is settled.
    Latched(SocketAddr),
    /// The first audio came in.
    Started,
    /// The first packet goes out.
    Sending,
    /// Audio comes in another codec than before, or for the first time.
    CodecChanged(Codec),
    /// The last waiting digit was sent.
    DigitsSent,
    /// Nothing ever came back: sending stopped.
    PeerSilent,
}

/// A datagram to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}

/// The media of one call with a telephone.
#[derive(Debug)]
pub struct Leg {
    negotiated: Option<Negotiated>,
    source: Source,
    reception: Option<Reception>,
    /// SSRC and sequence of a packet that may begin another stream, if the next one agrees.
    intruder: Option<(u32, u16)>,
    jitter: JitterBuffer,
    digits_in: DigitReceiver,
    digits_out: DigitSender,
    sender: Sender,
    reports: Reports,
    events: VecDeque<LegEvent>,
    silent_peer: Duration,
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
            source: Source::default(),
            reception: None,
            intruder: None,
            jitter: JitterBuffer::new(now, config.latency),
            digits_in: DigitReceiver::default(),
            digits_out: DigitSender::default(),
            sender: Sender::new(config.ssrc, config.sequence, config.timestamp),
            reports: Reports::new(config.ssrc, config.cname, config.ntp_epoch, now),
            events: VecDeque::new(),
            silent_peer: config.silent_peer,
            sending_since: None,
            heard: false,
            peer_silent: false,
            heard_at: None,
            receive_codec: None,
            stats: LegStats::default(),
        }
    }

    /// Puts an agreement into force: the first, or that of a re-offer.
    pub fn apply(&mut self, now: Instant, negotiated: &Negotiated) {
        self.source
            .describe(negotiated.remote_rtp, negotiated.remote_rtcp);
        self.reports.begin(now);
        let sent_before = self.sends();
        let clock_before = self.send_clock_hz();
        if negotiated.telephone_event_send.is_none() {
            self.digits_out.clear();
        }
        if !negotiated.direction.receives() {
            self.jitter.reset(self.jitter.clock_hz());
        }
        self.negotiated = Some(negotiated.clone());
        if self.sends() {
            self.sending_since.get_or_insert(now);
            if !sent_before || clock_before != self.send_clock_hz() {
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
            && !self.peer_silent
    }

    /// Whether the agreement has us play what comes.
    pub fn receives(&self) -> bool {
        self.negotiated
            .as_ref()
            .is_some_and(|negotiated| negotiated.direction.receives())
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

    /// One datagram from the RTP socket.
    pub fn receive_rtp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(negotiated) = &self.negotiated else {
            return;
        };
        let Ok(packet) = RtpPacket::parse(bytes) else {
            self.stats.malformed += 1;
            return;
        };
        let payload_type = packet.payload_type();
        // RTCP on the RTP port (RFC 5761 section 4): some send it so unasked.
        if (64..=95).contains(&payload_type) && packet.marker_bit() {
            self.receive_rtcp(now, from, bytes);
            return;
        }
        let codec = negotiated
            .receive
            .iter()
            .find(|(number, _)| *number == payload_type)
            .map(|(_, codec)| *codec);
        let event_clock = negotiated
            .telephone_event_receive
            .iter()
            .find(|(number, _)| *number == payload_type)
            .map(|(_, clock_hz)| *clock_hz);
        let audio = match codec {
            Some(codec) => match packet_samples(codec, packet.payload()) {
                Some(samples) => Some((codec, packet.payload(), samples)),
                None => {
                    self.stats.malformed += 1;
                    return;
                }
            },
            None if event_clock.is_some() || payload_type == COMFORT_NOISE => None,
            None => {
                self.stats.malformed += 1;
                return;
            }
        };
        let receives = negotiated.direction.receives();
        match self
            .source
            .judge(from, packet.ssrc(), packet.sequence_number())
        {
            Verdict::Foreign => {
                self.stats.foreign += 1;
                self.stats.foreign_from = Some(from);
                return;
            }
            Verdict::Latched => self.events.push_back(LegEvent::Latched(from)),
            Verdict::Known => {}
        }
        self.heard_from(now);
        let Some(sequence) = self.sequence(packet.ssrc(), packet.sequence_number()) else {
            return;
        };
        self.stats.packets_received += 1;
        self.stats.bytes_received += packet.payload().len() as u64;
        if let Some(clock_hz) = event_clock {
            let heard = self
                .digits_in
                .receive(now, packet.timestamp(), clock_hz, packet.payload());
            self.digit(heard);
        }
        if let Some((codec, _, _)) = audio {
            if let Some(reception) = &mut self.reception {
                reception.arrived(now, packet.timestamp(), codec.clock_rate());
            }
            self.heard_codec(codec);
        }
        if receives {
            let arrived = Arrived {
                sequence,
                timestamp: packet.timestamp(),
                marker: packet.marker_bit(),
                audio,
            };
            match self.jitter.insert(now, arrived) {
                Inserted::Kept => {}
                Inserted::Duplicate => self.stats.duplicates += 1,
                Inserted::Late => self.stats.late += 1,
            }
        }
        self.heard_at = Some(now);
    }

    fn heard_from(&mut self, now: Instant) {
        self.heard = true;
        if self.peer_silent {
            self.peer_silent = false;
            self.sender.resume(now, self.send_clock_hz());
        }
    }

    /// The extended sequence number, where SSRC and sequence are plausible.
    fn sequence(&mut self, ssrc: u32, sequence: u16) -> Option<i64> {
        let changed = match &self.reception {
            Some(reception) if reception.ssrc == ssrc => {
                self.intruder = None;
                false
            }
            // A stray packet must not end a stream: the second in a row counts.
            Some(_) => {
                if self.intruder != Some((ssrc, sequence.wrapping_sub(1))) {
                    self.intruder = Some((ssrc, sequence));
                    return None;
                }
                true
            }
            None => false,
        };
        let lost_before = self.reception.as_ref().map_or(0, Reception::lost);
        if changed {
            self.begin_source(lost_before);
            self.reception = None;
        }
        let reception = self
            .reception
            .get_or_insert_with(|| Reception::new(ssrc, sequence));
        match reception.sequence(sequence) {
            Sequenced::Fits(extended) => Some(extended),
            Sequenced::Restarted(extended) => {
                self.begin_source(lost_before);
                Some(extended)
            }
            Sequenced::Duplicate => {
                self.stats.duplicates += 1;
                None
            }
            Sequenced::Implausible => None,
        }
    }

    /// Another stream: its numbers have nothing to do with those before.
    fn begin_source(&mut self, lost_before: i64) {
        self.stats.lost += lost_before;
        self.intruder = None;
        self.jitter.reset(self.jitter.clock_hz());
        self.reports.forget_source();
        let heard = self.digits_in.reset();
        self.digit(heard);
    }

    fn heard_codec(&mut self, codec: Codec) {
        if self.receive_codec == Some(codec) {
            return;
        }
        if self.receive_codec.is_none() {
            self.events.push_back(LegEvent::Started);
        }
        self.receive_codec = Some(codec);
        if codec.clock_rate() != self.jitter.clock_hz() {
            self.jitter.reset(codec.clock_rate());
        }
        self.events.push_back(LegEvent::CodecChanged(codec));
    }

    fn digit(&mut self, heard: Option<Heard>) {
        if let Some(Heard { digit, duration_ms }) = heard {
            self.stats.digits_received += 1;
            self.events
                .push_back(LegEvent::Digit { digit, duration_ms });
        }
    }

    /// One datagram from the RTCP socket.
    pub fn receive_rtcp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        if self.negotiated.is_none() {
            return;
        }
        if !self.source.judge_rtcp(from) {
            self.stats.foreign += 1;
            return;
        }
        let ssrc = self.reception.as_ref().map(|reception| reception.ssrc);
        if self.reports.receive(now, bytes, ssrc) {
            self.heard_from(now);
        } else {
            self.stats.malformed += 1;
        }
    }

    /// What to play at `at`: now, or a little later where audio taken before lasts until then.
    /// `quiet`: the last audio played was near silence, so that a piece of it may be left out or
    /// drawn out to catch up with the far end's clock.
    pub fn playout(&mut self, at: Instant, quiet: bool) -> Playout<'_> {
        self.jitter.pull(at, quiet)
    }

    /// Whether digits wait or are being sent.
    pub fn sending_digits(&self) -> bool {
        !self.digits_out.is_idle()
    }

    /// The packet of a digit for the packet time that begins now, `samples` RTP clock units long;
    /// `None`: no digit is being sent, it is audio's turn.
    pub fn send_digit(&mut self, samples: u32) -> Option<Datagram<'_>> {
        if !self.sends() {
            return None;
        }
        let (payload_type, clock_hz) = self.negotiated.as_ref()?.telephone_event_send?;
        let to = self.source.rtp()?;
        let timestamp = self.sender.timestamp();
        let packet = self.digits_out.step(timestamp, samples, clock_hz)?;
        if self.digits_out.is_idle() {
            self.events.push_back(LegEvent::DigitsSent);
        }
        self.tell_of_first_packet();
        let bytes = self.sender.event(
            payload_type,
            &packet.payload,
            packet.timestamp,
            packet.marker,
            samples,
        );
        Some(Datagram { to, bytes })
    }

    /// A packet of audio in the codec agreed on, `samples` RTP clock units long.
    pub fn send_audio(&mut self, payload: &[u8], samples: u32) -> Option<Datagram<'_>> {
        if !self.sends() {
            return None;
        }
        let payload_type = self.negotiated.as_ref()?.send_pt;
        let to = self.source.rtp()?;
        self.tell_of_first_packet();
        let bytes = self.sender.audio(payload_type, payload, samples);
        Some(Datagram { to, bytes })
    }

    fn tell_of_first_packet(&mut self) {
        if self.sender.packets() == 0 {
            self.events.push_back(LegEvent::Sending);
        }
    }

    /// The packet time that begins now stays empty (DTX): `samples` RTP clock units pass.
    pub fn pass(&mut self, samples: u32) {
        self.sender.pass(samples);
    }

    /// The source of what we send runs a little later or earlier than thought: what timestamps say
    /// of now moves with it.
    pub fn shift_clock(&mut self, later: Duration, earlier: Duration) {
        self.sender.shift_clock(later, earlier);
    }

    /// Forgets what waits to be played: nobody listened for a while.
    pub fn restart_playout(&mut self) {
        self.jitter.reset(self.jitter.clock_hz());
    }

    /// Time passed in which nothing was sent: what follows is stamped with now and marked as the
    /// begin of a talkspurt.
    pub fn resume_sending(&mut self, now: Instant) {
        self.sender.resume(now, self.send_clock_hz());
    }

    /// Queues digits behind those that wait, each `duration_ms` long (40 to 6000).
    pub fn queue_digits(&mut self, digits: &str, duration_ms: u32) -> Result<(), DigitsError> {
        if self
            .negotiated
            .as_ref()
            .is_none_or(|negotiated| negotiated.telephone_event_send.is_none())
        {
            return Err(DigitsError::NotNegotiated);
        }
        self.digits_out.queue(digits, duration_ms)
    }

    /// When [`Leg::timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        [
            self.reports.due(),
            self.digits_in.next_timeout(),
            self.silent_at(),
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
        self.report(now, false)
    }

    /// The last report of the call: it says goodbye.
    pub fn goodbye(&mut self, now: Instant) -> Option<Datagram<'_>> {
        self.report(now, true)
    }

    fn report(&mut self, now: Instant, bye: bool) -> Option<Datagram<'_>> {
        let sent = Sent {
            packets: self.sender.packets(),
            bytes: self.sender.bytes(),
            rtp_now: self.sender.timestamp_at(now),
        };
        let to = self.source.rtcp();
        let bytes = self
            .reports
            .write(now, sent, self.reception.as_mut(), bye)?;
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

    /// The counters.
    pub fn stats(&self) -> LegStats {
        let done = self.jitter.done();
        let ms = |us: i64| (us / 1000) as u64;
        let remote = self.reports.remote;
        let send_hz = f64::from(self.send_clock_hz());
        LegStats {
            send_codec: self.negotiated.as_ref().map(|agreed| agreed.codec),
            receive_codec: self.receive_codec,
            remote: self.source.latched().or(self.source.rtp()),
            described: self.source.described(),
            packets_sent: self.sender.packets(),
            bytes_sent: self.sender.bytes(),
            lost: self.stats.lost + self.reception.as_ref().map_or(0, Reception::lost),
            jitter_ms: self.reception.as_ref().map_or(0.0, Reception::jitter_ms),
            depth_ms: self.jitter.delay_us() as f64 / 1000.0,
            target_ms: self.jitter.target_us() as f64 / 1000.0,
            concealed_ms: ms(done.concealed_us),
            concealed_frames: done.concealed_frames,
            skipped_ms: ms(done.skipped_us),
            stretched_ms: ms(done.stretched_us),
            remote_lost: remote.lost,
            remote_loss_percent: remote.loss_percent,
            remote_jitter_ms: remote
                .jitter_units
                .map(|units| f64::from(units) * 1000.0 / send_hz),
            round_trip: remote.round_trip,
            digits_sent: self.digits_out.sent(),
            ..self.stats.clone()
        }
    }
}

/// How much audio a payload holds, in RTP clock units; `None`: it cannot be one.
fn packet_samples(codec: Codec, payload: &[u8]) -> Option<u32> {
    let samples = match codec {
        // G.722 carries two samples a byte, at a clock that counts half of them.
        Codec::Pcmu | Codec::Pcma | Codec::G722 => payload.len() as u32,
        Codec::L16 => payload.len() as u32 / 2,
        Codec::Opus => crate::codec::opus_packet_samples(payload)?,
    };
    (1..=codec.clock_rate() / 1000 * PACKET_MAX_MS)
        .contains(&samples)
        .then_some(samples)
}
