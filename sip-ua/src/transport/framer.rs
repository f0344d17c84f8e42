// SPDX-License-Identifier: MPL-2.0
//! Messages out of a stream of octets (RFC 3261 §18.3), and the keep-alives between them
//! (RFC 5626 §4.4.1).

use crate::wire::{FrameError, MAX_BODY_OCTETS, MAX_HEAD_OCTETS, body_length, head_end};

/// A head that is longer than the reader takes is still read to its end, so that it can be answered
/// and skipped; one longer than this is not.
const MAX_HEAD_SKIPPED: usize = 4 * MAX_HEAD_OCTETS;

/// A body that nobody wants is skipped up to this length.
const MAX_BODY_SKIPPED: u64 = 16 << 20;

/// One thing that stood in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// What should be a message, with its body; without it where that is too long to be kept.
    Message(Vec<u8>),
    /// Two line ends: the far end wants one back.
    Ping,
    /// Something of which nobody can tell where it ends. Nothing comes after it.
    Endless { message: Vec<u8>, why: EndlessError },
}

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndlessError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("its headers are longer than {MAX_HEAD_SKIPPED} octets")]
    Head,
    #[error("its body is longer than {MAX_BODY_SKIPPED} octets")]
    Body,
}

#[derive(Debug)]
enum State {
    /// Within a head, or between messages.
    Head {
        /// How far an end was looked for.
        seen: usize,
    },
    /// The head is there; the message has so many octets in all.
    Body {
        total: usize,
    },
    /// So many octets are still to be thrown away.
    Skip {
        left: u64,
    },
    Ended,
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// What of it was taken already. To move the rest up each time would cost who takes little pieces of
    /// much the square of it.
    taken: usize,
    state: State,
    /// Line ends since the last message that no ping was made of.
    line_ends: u8,
    /// A ping of ours is under way: the next line end answers it.
    pong_due: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Framer {
            buffer: Vec::new(),
            taken: 0,
            state: State::Head { seen: 0 },
            line_ends: 0,
            pong_due: false,
        }
    }
}

impl Framer {
    /// A ping was sent.
    pub fn expect_pong(&mut self) {
        self.pong_due = true;
    }

    /// No ping of ours waits for its answer.
    pub fn pong_came(&self) -> bool {
        !self.pong_due
    }

    /// How many octets wait for the rest of their message.
    pub fn buffered(&self) -> usize {
        self.waiting().len()
    }

    /// Octets that arrived. [`poll_frame`](Self::poll_frame) tells what they hold, and must be asked until it has
    /// nothing before more are given.
    pub fn push(&mut self, octets: &[u8]) {
        if let State::Skip { left } = &mut self.state {
            let skipped =
                usize::try_from(*left).map_or(octets.len(), |left| left.min(octets.len()));
            *left -= skipped as u64;
            if *left == 0 {
                self.state = State::Head { seen: 0 };
            }
            self.buffer.extend(octets.iter().skip(skipped));
        } else if !matches!(self.state, State::Ended) {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next thing in the stream, if it is there whole.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        loop {
            match self.state {
                State::Head { seen } => {
                    if seen == 0 && self.skip_line_ends() {
                        return Some(Frame::Ping);
                    }
                    let waiting = self.waiting();
                    if matches!(waiting, [] | [b'\r']) {
                        return None;
                    }
                    let Some(end) = head_end(waiting, seen) else {
                        return self.no_end_yet();
                    };
                    match body_length(waiting.get(..end)?) {
                        Ok(length) if length <= MAX_BODY_OCTETS as u64 => {
                            self.state = State::Body {
                                total: end + length as usize,
                            };
                        }
                        Ok(length) if length <= MAX_BODY_SKIPPED => {
                            let head = self.take(end);
                            let rest = self.take(self.buffered());
                            self.state = State::Skip { left: length };
                            self.push(&rest);
                            return Some(Frame::Message(head));
                        }
                        Ok(_) => return self.endless(end, EndlessError::Body),
                        Err(why) => return self.endless(end, why.into()),
                    }
                }
                State::Body { total } if self.buffered() >= total => {
                    self.state = State::Head { seen: 0 };
                    return Some(Frame::Message(self.take(total)));
                }
                State::Body { .. } | State::Skip { .. } | State::Ended => return None,
            }
        }
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// The first so many octets.
    fn take(&mut self, length: usize) -> Vec<u8> {
        if self.taken == 0 && length >= self.buffer.len() {
            return std::mem::take(&mut self.buffer);
        }
        let waiting = self.waiting();
        let taken = waiting.get(..length).unwrap_or(waiting).to_vec();
        self.pass(length);
        taken
    }

    /// Has done with the first so many octets.
    fn pass(&mut self, length: usize) {
        self.taken += length;
        if self.taken >= self.buffer.len() {
            // Most connections wait most of the time, and hold nothing meanwhile.
            (self.buffer, self.taken) = (Vec::new(), 0);
        } else if self.taken > self.buffer.len() / 2 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
    }

    fn no_end_yet(&mut self) -> Option<Frame> {
        let seen = self.buffered();
        if seen > MAX_HEAD_SKIPPED {
            return self.endless(MAX_HEAD_OCTETS, EndlessError::Head);
        }
        self.state = State::Head { seen };
        None
    }

    fn endless(&mut self, length: usize, why: EndlessError) -> Option<Frame> {
        self.state = State::Ended;
        let message = self.take(length);
        (self.buffer, self.taken) = (Vec::new(), 0);
        Some(Frame::Endless { message, why })
    }

    /// Line ends before a start line mean nothing (§7.5), but two at once are a ping.
    fn skip_line_ends(&mut self) -> bool {
        let mut skipped = 0;
        let mut ping = false;
        loop {
            let rest = self.waiting().get(skipped..).unwrap_or_default();
            match rest {
                [b'\r', b'\n', ..] => skipped += 2,
                [b'\n', ..] => skipped += 1,
                [b'\r'] | [] => break,
                _ => {
                    self.line_ends = 0;
                    break;
                }
            }
            if std::mem::take(&mut self.pong_due) {
                continue;
            }
            self.line_ends += 1;
            if self.line_ends == 2 {
                self.line_ends = 0;
                ping = true;
                break;
            }
        }
        self.pass(skipped);
        ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(framer: &mut Framer, octets: &[u8]) -> Vec<Frame> {
        framer.push(octets);
        std::iter::from_fn(|| framer.poll_frame()).collect()
    }

    fn message(text: &str) -> Frame {
        Frame::Message(text.as_bytes().to_vec())
    }

    const ONE: &str = "BYE sip:a SIP/2.0\r\nl: 4\r\n\r\n\r\n\r\n";
    const TWO: &str = "ACK sip:a SIP/2.0\r\nCSeq: 1 ACK\r\n\r\n";

    #[test]
    fn messages_come_out_whole_however_they_came_in() {
        let stream = format!("{ONE}\r\n{TWO}{ONE}");
        for step in 1..=stream.len() {
            let mut framer = Framer::default();
            let mut found = Vec::new();
            for chunk in stream.as_bytes().chunks(step) {
                found.extend(frames(&mut framer, chunk));
            }
            assert_eq!(found, [message(ONE), message(TWO), message(ONE)], "{step}");
            assert_eq!(framer.buffered(), 0);
        }
    }

    #[test]
    fn two_line_ends_are_a_ping_and_one_is_nothing() {
        let mut framer = Framer::default();
        assert_eq!(frames(&mut framer, b"\r\n\r\n"), [Frame::Ping]);
        assert_eq!(frames(&mut framer, b"\r\n"), []);
        assert_eq!(frames(&mut framer, TWO.as_bytes()), [message(TWO)]);
        assert_eq!(frames(&mut framer, b"\r\n\r"), []);
        assert_eq!(frames(&mut framer, b"\n"), [Frame::Ping]);
        assert_eq!(
            frames(&mut framer, b"\r\n\r\n\r\n\r\n"),
            [Frame::Ping, Frame::Ping]
        );
    }

    #[test]
    fn pings_in_a_crowd_cost_no_more_than_one_by_one() {
        let crowd = "\r\n".repeat(2_000_000);
        let began = std::time::Instant::now();
        let mut framer = Framer::default();
        assert_eq!(frames(&mut framer, crowd.as_bytes()).len(), 1_000_000);
        // Moving the rest up for each took minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(5));
        assert_eq!(framer.buffered(), 0);
    }

    #[test]
    fn the_answer_to_our_ping_is_no_half_of_theirs() {
        let mut framer = Framer::default();
        for _ in 0..3 {
            framer.expect_pong();
            assert_eq!(frames(&mut framer, b"\r\n"), []);
        }
        framer.expect_pong();
        assert_eq!(frames(&mut framer, b"\r\n\r\n\r\n"), [Frame::Ping]);
    }

    #[test]
    fn a_body_too_long_is_skipped_and_the_stream_goes_on() {
        let head = "BYE sip:a SIP/2.0\r\nl: 100000\r\n\r\n";
        let mut framer = Framer::default();
        let mut found = frames(&mut framer, head.as_bytes());
        for _ in 0..100 {
            found.extend(frames(&mut framer, &[b'\n'; 999]));
            assert_eq!(framer.buffered(), 0);
        }
        found.extend(frames(&mut framer, &[b'x'; 100]));
        found.extend(frames(&mut framer, ONE.as_bytes()));
        assert_eq!(found, [message(head), message(ONE)]);
    }

    #[test]
    fn what_has_no_end_ends_the_stream() {
        for head in [
            "A\r\nl: x\r\n\r\n",
            "A\r\nc: application/sdp\r\n\r\n",
            "A\r\nl: 99999999\r\n\r\n",
        ] {
            let mut framer = Framer::default();
            let found = frames(&mut framer, format!("{head}{ONE}").as_bytes());
            assert!(
                matches!(found.as_slice(), [Frame::Endless { message, .. }] if message == head.as_bytes()),
                "{found:?}"
            );
            assert_eq!(frames(&mut framer, ONE.as_bytes()), []);
            assert_eq!(framer.buffered(), 0);
        }
    }

    #[test]
    fn a_head_without_an_end_takes_no_more_than_its_bound() {
        let mut framer = Framer::default();
        let mut ended = false;
        for _ in 0..1_000 {
            for frame in frames(&mut framer, &[b'a'; 1_000]) {
                assert!(matches!(
                    frame,
                    Frame::Endless {
                        why: EndlessError::Head,
                        ..
                    }
                ));
                ended = true;
            }
            assert!(framer.buffered() <= MAX_HEAD_SKIPPED + 1_000);
        }
        assert!(ended);
        assert_eq!(framer.buffered(), 0);
    }
}
