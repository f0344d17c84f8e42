// SPDX-License-Identifier: MPL-2.0
//! What the phone tells: a line an event, as JSON or for people, each with the instant in monotonic
//! microseconds, which processes of one machine share.

use std::io::Write;
use std::time::Instant;

use gst::prelude::*;
use serde_json::{Value, json};

/// The machine's monotonic clock, in microseconds.
pub fn monotonic_us() -> u64 {
    // GStreamer's system clock is CLOCK_MONOTONIC unless set otherwise.
    gst::SystemClock::obtain().time().useconds()
}

/// Puts instants on the clock that all processes of the machine share.
#[derive(Clone, Copy)]
pub struct Clock {
    /// One instant on both clocks.
    origin: (Instant, u64),
}

impl Clock {
    /// Compares the clocks now.
    pub fn new() -> Clock {
        Clock {
            origin: (Instant::now(), monotonic_us()),
        }
    }

    /// An instant in monotonic microseconds.
    pub fn us(&self, at: Instant) -> u64 {
        let (instant, us) = self.origin;
        match at.checked_duration_since(instant) {
            Some(later) => us.saturating_add(later.as_micros() as u64),
            None => us.saturating_sub(instant.saturating_duration_since(at).as_micros() as u64),
        }
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

/// Writes events to standard output.
#[derive(Clone, Copy)]
pub struct Lines {
    json: bool,
    clock: Clock,
}

impl Lines {
    /// As JSON where asked, else for people.
    pub fn new(json: bool) -> Lines {
        Lines {
            json,
            clock: Clock::new(),
        }
    }

    /// An instant in monotonic microseconds.
    pub fn us(&self, at: Instant) -> u64 {
        self.clock.us(at)
    }

    /// Tells an event that happened now.
    pub fn tell(&self, event: &str, more: Value) {
        self.tell_at(monotonic_us(), event, more);
    }

    /// Tells an event that happened then.
    pub fn tell_at(&self, us: u64, event: &str, more: Value) {
        let mut out = std::io::stdout().lock();
        // A reader that went away does not concern the call.
        let _ = writeln!(out, "{}", line(self.json, us, event, more)).and_then(|()| out.flush());
    }
}

fn line(as_json: bool, us: u64, event: &str, more: Value) -> String {
    let mut all = json!({ "event": event, "us": us });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    if as_json {
        return all.to_string();
    }
    let mut text = format!("{:>14.3} ms  {event}", us as f64 / 1000.0);
    for (name, value) in all
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !matches!(name.as_str(), "event" | "us"))
    {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("  {name}={value}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_or_one_sentence() {
        let more = json!({ "status": 180, "reason": "a\nb" });
        assert_eq!(
            line(true, 1500, "ringing", more.clone()),
            r#"{"event":"ringing","reason":"a\nb","status":180,"us":1500}"#
        );
        assert_eq!(
            line(false, 1500, "ringing", json!({ "status": 180 })),
            "         1.500 ms  ringing  status=180"
        );
    }
}
