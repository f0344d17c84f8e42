// SPDX-License-Identifier: MPL-2.0
//! When to send: on arrival where input comes in time, evenly where it comes in lumps, silence
//! where it does not come.

use std::time::{Duration, Instant};

use sip_ua::sdp::Codec;

use super::feed::{Feed, Ready};
use crate::leg::{Datagram, Leg};

/// Input may be this much ahead of the even pace and is still sent at once: the jitter of a live
/// source.
const SLACK: Duration = Duration::from_millis(10);

/// Input this late has run dry. Until then the far end's jitter buffer bridges the gap.
const DRY: Duration = Duration::from_millis(80);

/// Input that only begins may begin with a hiccup: until it has come for so many packets, it runs dry
/// at once, and silence keeps the far end's clock.
const BEGINNING: u32 = 50;

/// After this long without a look at it, the pace starts over.
const OVERRUN: Duration = Duration::from_millis(200);

/// Input that waited this long for a whole second is behind for good: a quiet packet of it is left
/// out, and any packet beyond the second measure.
const BEHIND_US: u64 = 40_000;
const FAR_BEHIND_US: u64 = 120_000;
const BEHIND_PACKETS: u32 = 50;

/// Takes packets to the wire.
pub(super) trait Wire {
    fn send(&mut self, datagram: Datagram<'_>);
}

/// The pace of one call's packets. Knows the time only as it is told.
pub(super) struct Pace {
    /// When the next packet time begins; `None`: not sending.
    due: Option<Instant>,
    /// Whether input comes; else silence is sent.
    fed: bool,
    /// Packets of input since it came.
    came: u32,
    muted: bool,
    payload: Vec<u8>,
    least_backlog_us: u64,
    packets: u32,
    silence_sent: u64,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace {
            due: None,
            fed: false,
            came: 0,
            muted: false,
            payload: Vec::new(),
            least_backlog_us: u64::MAX,
            packets: 0,
            silence_sent: 0,
        }
    }

    pub(super) fn set_mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    pub(super) fn silence_sent(&self) -> u64 {
        self.silence_sent
    }

    /// Sends what is due, and says when to come back at the latest.
    pub(super) fn run(
        &mut self,
        now: Instant,
        leg: &mut Leg,
        feed: &mut Feed,
        wire: &mut impl Wire,
    ) -> Option<Instant> {
        let agreed = leg.negotiated().filter(|_| leg.sends()).map(|agreed| {
            let ptime_ms = u32::from(agreed.ptime_ms.max(10));
            (agreed.codec, ptime_ms, agreed.comfort_noise_send.is_some())
        });
        let Some((codec, ptime_ms, noise)) = agreed else {
            self.due = None;
            self.fed = false;
            feed.discard();
            return None;
        };
        let samples = codec.clock_rate() / 1000 * ptime_ms;
        let ptime = Duration::from_millis(u64::from(ptime_ms));
        feed.set_codec(codec, noise);

        let mut due = match self.due {
            Some(due) if now.saturating_duration_since(due) < OVERRUN => due,
            _ => {
                leg.resume_sending(now);
                now
            }
        };
        // More than a lump's worth in one round would be a burst; the rest follows at once.
        for _ in 0..8 {
            if leg.sending_digits() {
                if now < due {
                    break;
                }
                if let Some(datagram) = leg.send_digit(samples) {
                    wire.send(datagram);
                    // What was to be said meanwhile is not said later.
                    feed.skip(samples);
                    due += ptime;
                    continue;
                }
            }
            if feed.is_singing() {
                if now < due {
                    break;
                }
                let sung = feed.sing(samples, &mut self.payload);
                due += units(self.send(sung, samples, leg, wire), codec);
                continue;
            }
            let ready = feed.is_ready(samples);
            if ready {
                if self.fed && now + slack(feed, ptime) < due {
                    break;
                }
                if !self.fed {
                    self.fed = true;
                    self.came = 0;
                    due = now;
                }
                self.came = self.came.saturating_add(1);
                let length = self.send_input(samples, leg, feed, wire);
                let length = units(length, codec);
                // The pace follows the input: slowly to earlier times, so that a live source is sent
                // on arrival; fast to later ones, so that lumps are spread until the next comes.
                let early = due.saturating_duration_since(now).min(length / 100);
                let late = now.saturating_duration_since(due) / 2;
                leg.shift_clock(late, early);
                due = due + length + late - early;
                continue;
            }
            if self.fed {
                if now < due + self.dry(feed, ptime) {
                    break;
                }
                self.fed = false;
                leg.resume_sending(now);
                due = now;
            }
            if now < due {
                break;
            }
            let rest = feed.rest(samples, &mut self.payload);
            self.silence_sent += u64::from(matches!(rest, Ready::Packet(_)));
            due += units(self.send(rest, samples, leg, wire), codec);
        }
        self.due = Some(due);
        Some(if leg.sending_digits() || feed.is_singing() || !self.fed {
            due
        } else if feed.is_ready(samples) {
            due - slack(feed, ptime)
        } else {
            due + self.dry(feed, ptime)
        })
    }

    /// How late input may be before silence goes out in its place.
    fn dry(&self, feed: &Feed, ptime: Duration) -> Duration {
        if self.came < BEGINNING && feed.lump() <= ptime * 2 {
            ptime
        } else {
            DRY
        }
    }

    /// Sends one packet of input and says how long it was.
    fn send_input(
        &mut self,
        samples: u32,
        leg: &mut Leg,
        feed: &mut Feed,
        wire: &mut impl Wire,
    ) -> u32 {
        let ready = if self.muted {
            feed.skip(samples);
            feed.rest(samples, &mut self.payload)
        } else {
            feed.take(samples, &mut self.payload)
        };
        let length = self.send(ready, samples, leg, wire);
        self.catch_up(samples, feed);
        length
    }

    /// Sends what is ready and says how long it was.
    fn send(&self, ready: Ready, samples: u32, leg: &mut Leg, wire: &mut impl Wire) -> u32 {
        let (datagram, length) = match ready {
            Ready::Packet(length) => (leg.send_audio(&self.payload, length), length),
            Ready::Noise(length) => (leg.send_noise(&self.payload, length), length),
            Ready::Pass(length) => {
                leg.pass(length);
                return length;
            }
            Ready::Nothing => return samples,
        };
        if let Some(datagram) = datagram {
            wire.send(datagram);
        }
        length
    }

    /// Audio that once came late would lag for the rest of the call.
    fn catch_up(&mut self, samples: u32, feed: &mut Feed) {
        self.least_backlog_us = self.least_backlog_us.min(feed.backlog_us());
        self.packets += 1;
        if self.packets < BEHIND_PACKETS {
            return;
        }
        let behind = self.least_backlog_us;
        if behind < BEHIND_US {
            self.packets = 0;
            self.least_backlog_us = u64::MAX;
        } else if feed.was_quiet() || behind > FAR_BEHIND_US {
            feed.take(samples, &mut self.payload);
            self.packets = 0;
            self.least_backlog_us = u64::MAX;
        }
    }
}

/// How much before its time a packet may be sent.
fn slack(feed: &Feed, ptime: Duration) -> Duration {
    if feed.lump() > ptime * 2 {
        Duration::ZERO
    } else {
        SLACK
    }
}

fn units(samples: u32, codec: Codec) -> Duration {
    Duration::from_micros(u64::from(samples) * 1_000_000 / u64::from(codec.clock_rate()))
}
