// SPDX-License-Identifier: MPL-2.0
//! Digits as SIP INFO, both kinds and both ways. Sans-IO: knows the time only as it is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::DigitsError;

/// A key and how long it is held, in milliseconds.
pub(in crate::call) type Press = (char, u32);

/// How long a key is held where its INFO does not say.
const DEFAULT_MS: u32 = 160;

/// What an INFO may claim a key was held for.
const LONGEST_MS: u32 = 60_000;

/// Between the end of one press and the next: an INFO that is sent again may come late, and who plays
/// it as a tone needs the time.
const PAUSE: Duration = Duration::from_millis(60);

/// Digits that may wait.
const QUEUE: usize = 64;

/// The two ways to write it. Neither is anybody's standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    /// `Signal=5`, `Duration=160`: what most take.
    #[default]
    Relay,
    /// The key alone.
    Plain,
}

impl Kind {
    fn content_type(self) -> &'static str {
        match self {
            Kind::Relay => "application/dtmf-relay",
            Kind::Plain => "application/dtmf",
        }
    }

    fn body(self, (digit, duration_ms): Press) -> Vec<u8> {
        match self {
            Kind::Relay => format!("Signal={digit}\r\nDuration={duration_ms}\r\n").into_bytes(),
            Kind::Plain => format!("{digit}\r\n").into_bytes(),
        }
    }
}

/// Reads the key of an INFO; `None` if it is of another kind.
pub(in crate::call) fn read_info(content_type: &str, body: &[u8]) -> Option<Press> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let is = |known: Kind| kind.eq_ignore_ascii_case(known.content_type());
    if !is(Kind::Relay) && !is(Kind::Plain) {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(['=', ':'])?;
            key.trim().eq_ignore_ascii_case(name).then_some(value)
        })
    };
    let duration_ms = value("Duration")
        .and_then(|ms| ms.trim().parse().ok())
        .filter(|ms| *ms > 0)
        .unwrap_or(DEFAULT_MS)
        .min(LONGEST_MS);
    // Some write the longer form under the shorter name.
    let signal = value("Signal").or_else(|| is(Kind::Plain).then_some(&*text))?;
    Some((digit(signal.trim())?, duration_ms))
}

/// Keys are written as themselves or, by some, as the numbers that RFC 4733 gives them.
fn digit(text: &str) -> Option<char> {
    const NUMBERED: [(&str, char); 6] = [
        ("10", '*'),
        ("11", '#'),
        ("12", 'A'),
        ("13", 'B'),
        ("14", 'C'),
        ("15", 'D'),
    ];
    if let Some((_, key)) = NUMBERED.into_iter().find(|(number, _)| *number == text) {
        return Some(key);
    }
    let mut keys = text.chars().map(|key| key.to_ascii_uppercase());
    match (keys.next(), keys.next()) {
        (Some(key @ ('0'..='9' | '*' | '#' | 'A'..='D')), None) => Some(key),
        _ => None,
    }
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::call) enum InfoStep {
    /// Send this, and report the answer.
    Send {
        content_type: &'static str,
        body: Vec<u8>,
    },
    /// Nothing before this instant.
    Wait(Instant),
    /// Nothing until there are digits, or the far end answers.
    Idle,
}

/// Sends digits one after the other: the next when the last was answered and its time is over, for
/// over UDP two that are sent at once may swap places.
#[derive(Debug, Default)]
pub(in crate::call) struct InfoSender {
    waiting: VecDeque<Press>,
    /// Sent and not answered yet.
    sent: Option<Press>,
    free_at: Option<Instant>,
    kind: Kind,
    refused: bool,
}

impl InfoSender {
    /// Queues checked digits behind those that wait.
    pub(in crate::call) fn queue(
        &mut self,
        digits: &str,
        duration_ms: u32,
    ) -> Result<(), DigitsError> {
        if self.waiting.len() + digits.len() > QUEUE {
            return Err(DigitsError::QueueFull);
        }
        self.waiting
            .extend(digits.chars().map(|digit| (digit, duration_ms)));
        Ok(())
    }

    /// The far end takes no INFO, whatever is in it.
    pub(in crate::call) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether the far end is known to take no digits this way.
    pub(in crate::call) fn is_refused(&self) -> bool {
        self.refused
    }

    /// What is to be done at `now`.
    pub(in crate::call) fn poll(&mut self, now: Instant) -> InfoStep {
        if self.sent.is_some() {
            return InfoStep::Idle;
        }
        if let Some(at) = self.free_at.filter(|at| now < *at) {
            return match self.waiting.is_empty() {
                true => InfoStep::Idle,
                false => InfoStep::Wait(at),
            };
        }
        let Some(press) = self.waiting.pop_front() else {
            return InfoStep::Idle;
        };
        self.sent = Some(press);
        self.free_at = Some(now + Duration::from_millis(press.1.into()) + PAUSE);
        InfoStep::Send {
            content_type: self.kind.content_type(),
            body: self.kind.body(press),
        }
    }

    /// The far end answered the one that was sent. Returns the digits that will not reach it as INFO,
    /// in order.
    pub(in crate::call) fn answered(&mut self, status: u16) -> Vec<Press> {
        let Some(press) = self.sent.take() else {
            return Vec::new();
        };
        match (status, self.kind) {
            (..300, _) => Vec::new(),
            // The other kind may do.
            (415, Kind::Relay) => {
                self.kind = Kind::Plain;
                self.waiting.push_front(press);
                self.free_at = None;
                Vec::new()
            }
            _ => {
                // What is not taken now will not be later: Method Not Allowed, Unsupported Media Type,
                // Bad Info Package, Not Implemented. Anything else may be a passing trouble.
                self.refused |= matches!(status, 405 | 415 | 469 | 501);
                let mut unsent = vec![press];
                if self.refused {
                    unsent.extend(self.waiting.drain(..));
                }
                unsent
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: &str = "application/dtmf-relay";

    #[test]
    fn both_kinds_are_read_as_telephones_write_them() {
        for (content_type, body, press) in [
            (RELAY, "Signal=5\r\nDuration=250\r\n", Some(('5', 250))),
            (RELAY, "Signal= 5\r\nDuration= 250", Some(('5', 250))),
            (
                "Application/DTMF-Relay;x=y",
                "signal = #\n",
                Some(('#', 160)),
            ),
            ("application/dtmf", "*\r\n", Some(('*', 160))),
            ("application/dtmf", "d", Some(('D', 160))),
            (
                "application/dtmf",
                "Signal=7\r\nDuration=90",
                Some(('7', 90)),
            ),
            (RELAY, "Signal=11\r\n", Some(('#', 160))),
            (RELAY, "Signal=15\r\n", Some(('D', 160))),
            (RELAY, "Signal=1\r\nDuration=0\r\n", Some(('1', 160))),
            (
                RELAY,
                "Signal=1\r\nDuration=4294967295\r\n",
                Some(('1', 60_000)),
            ),
            (RELAY, "Signal=1\r\nDuration=-5\r\n", Some(('1', 160))),
            ("application/dtmf", "55", None),
            ("application/dtmf", "", None),
            ("text/plain", "5", None),
            (RELAY, "Signal=\r\n", None),
            (RELAY, "Signal=16\r\n", None),
            (RELAY, "Duration=160\r\n", None),
        ] {
            assert_eq!(read_info(content_type, body.as_bytes()), press, "{body:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for kind in [Kind::Relay, Kind::Plain] {
            let body = kind.body(('#', DEFAULT_MS));
            assert_eq!(
                read_info(kind.content_type(), &body),
                Some(('#', DEFAULT_MS))
            );
        }
    }

    fn sent(step: InfoStep) -> (String, String) {
        match step {
            InfoStep::Send { content_type, body } => {
                (content_type.to_owned(), String::from_utf8(body).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_next_goes_out_when_the_last_is_answered_and_over() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut sender = InfoSender::default();
        sender.queue("12", 100).unwrap();
        assert_eq!(sent(sender.poll(at(0))).1, "Signal=1\r\nDuration=100\r\n");
        // However long the far end takes.
        assert_eq!(sender.poll(at(1_000)), InfoStep::Idle);
        assert!(sender.answered(200).is_empty());
        assert_eq!(
            sent(sender.poll(at(1_001))).1,
            "Signal=2\r\nDuration=100\r\n"
        );
        assert!(sender.answered(200).is_empty());
        sender.queue("3", 100).unwrap();
        assert_eq!(sender.poll(at(1_010)), InfoStep::Wait(at(1_161)));
        assert!(matches!(sender.poll(at(1_161)), InfoStep::Send { .. }));
    }

    #[test]
    fn a_far_end_that_knows_the_other_kind_gets_the_other_kind() {
        let now = Instant::now();
        let mut sender = InfoSender::default();
        sender.queue("56", 160).unwrap();
        assert_eq!(sent(sender.poll(now)).0, RELAY);
        assert!(sender.answered(415).is_empty());
        let plain = ("application/dtmf".to_owned(), "5\r\n".to_owned());
        assert_eq!(sent(sender.poll(now)), plain);
        assert!(sender.answered(200).is_empty());
        let later = now + Duration::from_secs(1);
        assert_eq!(sent(sender.poll(later)).1, "6\r\n");
        assert!(!sender.is_refused());
    }

    #[test]
    fn a_far_end_that_takes_none_gives_all_digits_back_in_order() {
        let now = Instant::now();
        let mut sender = InfoSender::default();
        sender.queue("123", 80).unwrap();
        sender.poll(now);
        assert_eq!(sender.answered(501), [('1', 80), ('2', 80), ('3', 80)]);
        assert!(sender.is_refused());
        assert_eq!(sender.poll(now), InfoStep::Idle);
    }

    #[test]
    fn a_passing_trouble_costs_one_digit() {
        let now = Instant::now();
        let mut sender = InfoSender::default();
        sender.queue("12", 80).unwrap();
        sender.poll(now);
        assert_eq!(sender.answered(503), [('1', 80)]);
        assert!(!sender.is_refused());
        let later = now + Duration::from_secs(1);
        assert_eq!(sent(sender.poll(later)).1, "Signal=2\r\nDuration=80\r\n");
    }

    #[test]
    fn too_many_are_refused_and_a_stray_answer_means_nothing() {
        let mut sender = InfoSender::default();
        assert!(sender.queue(&"5".repeat(64), 80).is_ok());
        assert_eq!(sender.queue("5", 80), Err(DigitsError::QueueFull));
        assert!(sender.answered(500).is_empty());
    }
}
