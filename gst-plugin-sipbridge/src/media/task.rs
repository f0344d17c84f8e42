// SPDX-License-Identifier: MPL-2.0
//! The task of a call's media: sockets around the leg, on a context.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use sip_ua::sdp::{Codec, Negotiated, OpusFmtp};

use super::api::{AudioOut, Format, MediaConfig, MediaEvent};
use super::ears::{Ears, Nobody};
use super::feed::Feed;
use super::handle::Shared;
use super::output::Output;
use super::pace::Pace;
use super::paths::Paths;
use super::sockets::{Pair, RTP, Sockets};
use crate::codec::{Decoder, Encoder, OpusSettings};
use crate::context::{Cx, Task};
use crate::leg::{Leg, LegConfig};
use crate::rtcp::ntp_now;

/// How often the counters are put where others can read them.
const SNAPSHOT: Duration = Duration::from_millis(200);

/// A call is with one far end at a time.
const PARTY: usize = 0;

/// What the owner asks.
pub(super) enum Command {
    Apply(Box<Negotiated>, Prepared),
    Output(Option<(Format, Box<dyn AudioOut>)>),
    Mute(bool),
    Opus(OpusSettings),
    Digits(String, u32),
    Tones(String, u32),
    Listen(bool),
}

/// Codecs of stock elements, brought up off the context.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) decoders: Vec<(Codec, Decoder)>,
    pub(super) encoders: Vec<(Codec, Encoder)>,
}

pub(super) struct Media {
    sockets: Sockets,
    leg: Leg,
    /// Where keys come from a handshake.
    paths: Paths,
    pace: Pace,
    feed: Feed,
    output: Option<Output>,
    /// Decoders that came before there was an output to use them.
    decoders: Vec<(Codec, Decoder)>,
    opus: OpusSettings,
    /// How the far end wants it.
    wanted: OpusFmtp,
    /// Whether digits may come as tones.
    listens: bool,
    /// Digits that came so.
    tones_heard: u64,
    singing: bool,
    shared: Arc<Shared>,
    snapshot_due: Instant,
    phase_us: u32,
    failed: bool,
}

impl Media {
    pub(super) fn new(
        now: Instant,
        pair: Pair,
        config: &MediaConfig,
        shared: Arc<Shared>,
    ) -> Media {
        let leg = Leg::new(now, leg_config(config));
        Media {
            sockets: pair.sockets,
            leg,
            paths: Paths::new(now, pair.local),
            pace: Pace::new(),
            feed: Feed::new(shared.queue.clone(), config.opus, config.dtx),
            output: None,
            decoders: Vec::new(),
            opus: config.opus,
            wanted: OpusFmtp::OURS,
            listens: false,
            tones_heard: 0,
            singing: false,
            shared,
            snapshot_due: now,
            phase_us: 0,
            failed: false,
        }
    }

    fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Apply(negotiated, prepared) => {
                self.leg.apply(now, &negotiated);
                let agreed = self.paths.agree(now, PARTY, &negotiated, &mut self.leg);
                if let Err(reason) = agreed {
                    self.fail(reason);
                }
                self.feed.prepare(prepared.encoders);
                self.wanted = negotiated.opus_fmtp;
                self.feed.set_opus(self.opus.heeding(&self.wanted));
                match &mut self.output {
                    Some(output) => output.prepare(prepared.decoders),
                    None => self.decoders.extend(prepared.decoders),
                }
            }
            Command::Output(output) => {
                let sink = output.or_else(|| self.listens.then(nobody));
                self.output = sink.map(|sink| self.lead_to(now, sink));
            }
            Command::Listen(listens) => self.listen(now, listens),
            Command::Tones(digits, duration_ms) => {
                self.feed.queue_tones(&digits, duration_ms);
                self.singing = self.feed.is_singing();
            }
            Command::Mute(mute) => self.pace.set_mute(mute),
            Command::Opus(settings) => {
                self.opus = settings;
                self.feed.set_opus(settings.heeding(&self.wanted));
            }
            Command::Digits(digits, duration_ms) => {
                // Checked when they were asked for. An agreement that changed since has no use for
                // them any more.
                if let Err(error) = self.leg.queue_digits(&digits, duration_ms) {
                    tracing::debug!(%error, "digits are not sent");
                }
            }
        }
    }

    fn lead_to(&mut self, now: Instant, (format, sink): (Format, Box<dyn AudioOut>)) -> Output {
        let mut output = Output::new(now, self.phase_us, format, sink, self.opus);
        output.prepare(std::mem::take(&mut self.decoders));
        output.set_ears(self.listens.then(Ears::default));
        output
    }

    fn listen(&mut self, now: Instant, listens: bool) {
        if self.listens == listens {
            return;
        }
        self.listens = listens;
        match &mut self.output {
            Some(output) => output.set_ears(listens.then(Ears::default)),
            None => self.output = listens.then(|| self.lead_to(now, nobody())),
        }
    }

    /// Everything that is due, and when the next thing is.
    fn run(&mut self, cx: &mut Cx<'_>) {
        if self.failed {
            return;
        }
        let now = cx.now();
        let tick = self
            .output
            .as_ref()
            .is_some_and(|output| output.due() <= now);
        if tick {
            self.look_for_rtp(cx);
        }
        self.paths.timeout(now);
        let failed = self.paths.settle(now, &mut self.leg, &mut self.sockets);
        if let Some(reason) = failed {
            return self.fail(reason);
        }
        let muxed = self.leg.rtcp_mux();
        if let Some(datagram) = self.leg.timeout(now) {
            self.sockets.report(muxed, datagram);
        }
        let pace = self
            .pace
            .run(now, &mut self.leg, &mut self.feed, &mut self.sockets);
        if let Some(output) = &mut self.output {
            cx.skipped(output.tick(now, &mut self.leg));
        }
        self.tell();
        if self.snapshot_due <= now {
            self.snapshot_due = now + SNAPSHOT;
            self.snapshot(now);
        }
        let next = [
            pace,
            self.output.as_ref().map(Output::due),
            self.leg.next_timeout(),
            self.paths.due(),
            Some(self.snapshot_due),
        ];
        if let Some(at) = next.into_iter().flatten().min() {
            cx.set_timer(at);
        }
    }

    /// Where audio is taken at ticks, packets are looked for then: they could not be of use before, and a
    /// call less often looked after is a cheaper one.
    fn look_for_rtp(&mut self, cx: &mut Cx<'_>) {
        let more = self.sockets.read_rtp(cx, |at, from, bytes| {
            self.paths.receive(at, from, bytes, &mut self.leg);
        });
        if more {
            cx.again(RTP);
        }
    }

    /// The far end will never be heard.
    fn fail(&mut self, reason: String) {
        self.failed = true;
        self.event(MediaEvent::Failed(reason));
    }

    fn watch(&mut self, cx: &mut Cx<'_>) {
        let watched = match self.output {
            Some(_) => self.sockets.watch_rtcp(cx),
            None => self.sockets.watch(cx, 0),
        };
        if let Err(error) = watched {
            self.fail(format!("cannot watch the media sockets: {error}"));
        }
    }

    fn snapshot(&self, now: Instant) {
        let mut stats = self.leg.stats();
        let heard_at = self.leg.heard_at();
        stats.heard_ago = heard_at.map(|at| now.saturating_duration_since(at));
        stats.silence_sent = self.pace.silence_sent();
        stats.digits_sent += self.feed.sung();
        stats.digits_received += self.tones_heard;
        stats.input_overflows = self.shared.queue.lock().overflows;
        // Who reads them does so for a moment; if it is now, the next snapshot will do.
        if let Ok(mut place) = self.shared.stats.try_lock() {
            *place = stats;
        }
    }

    fn tell(&mut self) {
        while let Some(event) = self.leg.poll_event() {
            self.event(event.into());
        }
        while let Some(press) = self
            .output
            .as_mut()
            .and_then(Output::ears)
            .and_then(Ears::poll)
        {
            self.tones_heard += 1;
            self.event(MediaEvent::Tone {
                digit: press.digit,
                duration_ms: press.duration_ms,
            });
        }
        if self.singing && !self.feed.is_singing() {
            self.singing = false;
            self.event(MediaEvent::DigitsSent);
        }
        let failed = self
            .feed
            .failed()
            .or_else(|| self.output.as_mut().and_then(Output::failed));
        if let Some(error) = failed {
            self.fail(error.to_string());
        }
    }

    fn event(&self, event: MediaEvent) {
        let mut events = self
            .shared
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        events(event);
    }
}

impl Task for Media {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.phase_us = cx.phase_us();
        self.arrive(cx);
    }

    fn arrive(&mut self, cx: &mut Cx<'_>) {
        self.notified(cx);
    }

    fn leave(&mut self, cx: &mut Cx<'_>) {
        self.sockets.unwatch(cx);
    }

    fn readable(&mut self, cx: &mut Cx<'_>, token: usize) {
        if token == RTP {
            self.look_for_rtp(cx);
        } else if self.sockets.read(token, cx, &mut self.leg) {
            cx.again(token);
        }
        self.tell();
        // The timer is set for all else already.
        if self.paths.is_stirred() {
            self.run(cx);
        }
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        self.run(cx);
    }

    fn notified(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        for command in self.shared.commands.take() {
            self.obey(now, command);
        }
        self.watch(cx);
        self.run(cx);
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        let muxed = self.leg.rtcp_mux();
        if let Some(datagram) = self.leg.goodbye(cx.now()) {
            self.sockets.report(muxed, datagram);
        }
        self.paths.close(&mut self.sockets);
        self.snapshot(cx.now());
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

/// What a leg starts from.
pub(super) fn leg_config(config: &MediaConfig) -> LegConfig {
    LegConfig {
        ssrc: rand::random(),
        // Low, so that a lost first packet hides no wrap from SRTP (RFC 4568 section 6.4).
        sequence: rand::random::<u16>() & 0x7fff,
        timestamp: rand::random(),
        cname: config.cname.clone(),
        ntp_epoch: ntp_now(),
        latency: config.latency,
        silent_peer: config.silent_peer,
        media_timeout: config.media_timeout,
    }
}

/// For tones that are listened for where nobody takes the audio.
fn nobody() -> (Format, Box<dyn AudioOut>) {
    let format = Format::Raw { rate_hz: 8_000 };
    (format, Box::new(Nobody(Instant::now())))
}
