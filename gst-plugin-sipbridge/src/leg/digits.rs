// SPDX-License-Identifier: MPL-2.0
//! Digits as RFC 4733 telephone events, both ways.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::DigitsError;

/// The event codes of keys are their places in this list (RFC 4733 section 3.2).
const KEYS: &str = "0123456789*#ABCD";

/// A digit whose end was lost is over when nothing was heard of it for this long: several packets
/// at the usual 20 to 50 ms.
const LOST_END: Duration = Duration::from_millis(250);

/// −10 dBm0: what telephones send.
const VOLUME: u8 = 10;

/// The final packet is sent three times (RFC 4733 section 2.5.1.4).
const END_PACKETS: u8 = 3;

/// Silence between two digits, so that the far end tells `11` from a long `1`.
const PAUSE: Duration = Duration::from_millis(60);

/// Digits that may wait.
const QUEUE: usize = 64;

/// The payload of one event packet.
const PAYLOAD_BYTES: usize = 4;

/// A digit the far end let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) digit: char,
    pub(super) duration_ms: u32,
}

#[derive(Debug, Clone, Copy)]
struct Pressed {
    digit: char,
    /// Of the first packet; a long event goes on under a later timestamp.
    timestamp: u32,
    /// The length of segments that are complete, and of the running one, in clock units.
    before: u32,
    duration: u16,
    clock_hz: u32,
    heard_at: Instant,
}

impl Pressed {
    fn heard(&self) -> Heard {
        let units = u64::from(self.before) + u64::from(self.duration);
        Heard {
            digit: self.digit,
            duration_ms: (units * 1000 / u64::from(self.clock_hz.max(1))) as u32,
        }
    }
}

/// Puts event packets together to digits: each told once, whatever was lost, repeated or reordered.
#[derive(Debug, Default)]
pub(super) struct DigitReceiver {
    pressed: Option<Pressed>,
    /// Timestamp of the last segment that ended: its repeated end packets mean nothing.
    over: Option<u32>,
}

impl DigitReceiver {
    /// One event packet. Returns a digit that ended.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        timestamp: u32,
        clock_hz: u32,
        payload: &[u8],
    ) -> Option<Heard> {
        let &[code, flags, high, low] = payload.first_chunk::<PAYLOAD_BYTES>()?;
        let digit = KEYS.chars().nth(usize::from(code))?;
        let end = flags & 0x80 != 0;
        let duration = u16::from_be_bytes([high, low]);
        if self
            .over
            .is_some_and(|over| (timestamp.wrapping_sub(over) as i32) <= 0)
        {
            return None;
        }
        let mut finished = None;
        match &mut self.pressed {
            Some(pressed) if pressed.timestamp == timestamp && pressed.digit == digit => {
                pressed.duration = pressed.duration.max(duration);
                pressed.heard_at = now;
            }
            // A digit longer than its 16 bits can say goes on in a new segment
            // (RFC 4733 section 2.5.1.3).
            Some(pressed)
                if pressed.digit == digit
                    && timestamp.wrapping_sub(pressed.timestamp) == u32::from(u16::MAX) =>
            {
                pressed.before += u32::from(u16::MAX);
                pressed.timestamp = timestamp;
                pressed.duration = duration;
                pressed.heard_at = now;
            }
            Some(pressed) if (timestamp.wrapping_sub(pressed.timestamp) as i32) < 0 => {
                return None;
            }
            other => {
                finished = other.take().map(|pressed| pressed.heard());
                *other = Some(Pressed {
                    digit,
                    timestamp,
                    before: 0,
                    duration,
                    clock_hz,
                    heard_at: now,
                });
            }
        }
        if end && finished.is_none() {
            finished = self.finish();
        }
        finished
    }

    fn finish(&mut self) -> Option<Heard> {
        let pressed = self.pressed.take()?;
        self.over = Some(pressed.timestamp);
        Some(pressed.heard())
    }

    /// When [`DigitReceiver::timeout`] wants to be called.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.pressed.map(|pressed| pressed.heard_at + LOST_END)
    }

    /// A digit of which nothing more was heard.
    pub(super) fn timeout(&mut self, now: Instant) -> Option<Heard> {
        if self.next_timeout()? <= now {
            self.finish()
        } else {
            None
        }
    }

    /// Another stream begins: its timestamps are its own.
    pub(super) fn reset(&mut self) -> Option<Heard> {
        let heard = self.finish();
        self.over = None;
        heard
    }
}

/// One event packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventPacket {
    pub(super) payload: [u8; PAYLOAD_BYTES],
    /// The timestamp of the whole digit.
    pub(super) timestamp: u32,
    /// Set on the first packet.
    pub(super) marker: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sending {
    code: u8,
    timestamp: u32,
    /// In clock units.
    length: u32,
    sent: u32,
    ends: u8,
}

/// Sends digits one after the other, a packet each packet time.
#[derive(Debug, Default)]
pub(super) struct DigitSender {
    queue: VecDeque<(u8, u32)>,
    sending: Option<Sending>,
    /// No digit begins before this timestamp.
    resume: Option<u32>,
    sent: u64,
}

impl DigitSender {
    pub(super) fn queue(&mut self, digits: &str, duration_ms: u32) -> Result<(), DigitsError> {
        let codes = digits.chars().map(code).collect::<Result<Vec<u8>, _>>()?;
        if self.queue.len() + codes.len() > QUEUE {
            return Err(DigitsError::QueueFull);
        }
        let duration_ms = duration_ms.clamp(40, 6_000);
        self.queue
            .extend(codes.into_iter().map(|code| (code, duration_ms)));
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.sending = None;
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.sending.is_none()
    }

    /// What goes out in the packet time that begins at `timestamp` and is `samples` long, in place
    /// of audio.
    pub(super) fn step(
        &mut self,
        timestamp: u32,
        samples: u32,
        clock_hz: u32,
    ) -> Option<EventPacket> {
        if self.sending.is_none() {
            if self
                .resume
                .is_some_and(|resume| (timestamp.wrapping_sub(resume) as i32) < 0)
            {
                return None;
            }
            let (code, duration_ms) = self.queue.pop_front()?;
            self.sending = Some(Sending {
                code,
                timestamp,
                length: (u64::from(duration_ms) * u64::from(clock_hz) / 1000) as u32,
                sent: 0,
                ends: 0,
            });
        }
        let sending = self.sending.as_mut()?;
        let marker = sending.sent == 0;
        sending.sent = (sending.sent + samples).min(sending.length);
        let end = sending.sent == sending.length;
        // At 48 kHz 16 bits say 1.36 s: longer digits go on in segments of their own.
        let segment = sending.sent.saturating_sub(1) / u32::from(u16::MAX);
        let duration = (sending.sent - segment * u32::from(u16::MAX)) as u16;
        let [high, low] = duration.to_be_bytes();
        let packet = EventPacket {
            payload: [
                sending.code,
                if end { 0x80 | VOLUME } else { VOLUME },
                high,
                low,
            ],
            timestamp: sending
                .timestamp
                .wrapping_add(segment * u32::from(u16::MAX)),
            marker,
        };
        if end {
            sending.ends += 1;
            if sending.ends == END_PACKETS {
                self.sending = None;
                self.sent += 1;
                let pause = clock_hz / 1000 * PAUSE.as_millis() as u32;
                self.resume = Some(timestamp.wrapping_add(samples).wrapping_add(pause));
            }
        }
        Some(packet)
    }
}

/// Whether each of these is a telephone key: `0`–`9`, `*`, `#`, `A`–`D`, in either case.
pub fn check_digits(digits: &str) -> Result<(), DigitsError> {
    digits.chars().try_for_each(|digit| code(digit).map(drop))
}

fn code(digit: char) -> Result<u8, DigitsError> {
    KEYS.chars()
        .position(|key| key == digit.to_ascii_uppercase())
        .map(|code| code as u8)
        .ok_or(DigitsError::NotADigit(digit))
}
