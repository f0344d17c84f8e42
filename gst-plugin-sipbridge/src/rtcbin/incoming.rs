// SPDX-License-Identifier: MPL-2.0
//! What arrives on one media line, on its way to a pad.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::caps;
use super::source::Source;
use crate::handover::Item;
use crate::rtc::description::Format;
use crate::rtc::{Arrival, Packet, Plan, Receiver, ReceiverStats};

/// Kept until the application has linked the new pad: half a second.
const WAITING_MAX: usize = 25;

/// What depayloaders know a lost packet by.
const PACKET_LOST: &str = "GstRTPPacketLost";

pub(super) struct Incoming {
    line: usize,
    receiver: Receiver,
    source: Option<Arc<Source>>,
    waiting: VecDeque<Item>,
    announced: bool,
    /// The format that the pad's caps say.
    format: Option<Format>,
}

impl Incoming {
    pub(super) fn new(line: usize, latency: Duration) -> Incoming {
        Incoming {
            line,
            receiver: Receiver::new(latency),
            source: None,
            waiting: VecDeque::new(),
            announced: false,
            format: None,
        }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn stats(&self) -> ReceiverStats {
        self.receiver.stats()
    }

    pub(super) fn is_in(&self, plan: &Plan) -> bool {
        plan.media
            .iter()
            .any(|media| media.line == self.line && media.receive.is_some())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.receiver.deadline().is_none()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.receiver.deadline()
    }

    /// The pad is there.
    pub(super) fn lead_to(&mut self, source: Arc<Source>) {
        for item in self.waiting.drain(..) {
            source.hand_over(item);
        }
        self.source = Some(source);
    }

    /// A packet. `true`: it is the first, and there is no pad.
    pub(super) fn take(&mut self, plan: &Plan, running: Duration, packet: Packet) -> bool {
        let known = self.format.as_ref().filter(|format| format.pt == packet.pt);
        let clock_hz = match known {
            Some(format) => format.clock_hz,
            None => {
                let receive = plan
                    .media
                    .iter()
                    .find(|media| media.line == self.line)
                    .and_then(|media| media.receive.as_ref());
                let format =
                    receive.and_then(|receive| receive.formats.iter().find(|f| f.pt == packet.pt));
                let Some(format) = format else {
                    // Never agreed on.
                    return false;
                };
                let event = gst::event::Caps::new(&caps::caps_of(format, &plan.extensions));
                self.send(Item::Event(event));
                let clock_hz = format.clock_hz;
                self.format = Some(format.clone());
                clock_hz
            }
        };
        self.receiver.push(running, packet, clock_hz);
        !std::mem::replace(&mut self.announced, true)
    }

    /// Sends on what is in order or given up.
    pub(super) fn hand_on(&mut self, running: Duration) {
        while let Some(arrival) = self.receiver.poll(running) {
            self.send(match arrival {
                Arrival::Packet {
                    packet,
                    pts,
                    discont,
                } => Item::Buffer(buffer(&packet, pts, discont)),
                Arrival::Lost {
                    sequence,
                    pts,
                    duration,
                } => Item::Event(lost(sequence, pts, duration)),
            });
        }
    }

    fn send(&mut self, item: Item) {
        match &self.source {
            Some(source) => source.hand_over(item),
            None => {
                if self.waiting.len() == WAITING_MAX {
                    let oldest = self
                        .waiting
                        .iter()
                        .position(|item| matches!(item, Item::Buffer(_)));
                    self.waiting.remove(oldest.unwrap_or(0));
                }
                self.waiting.push_back(item);
            }
        }
    }
}

/// An RTP packet as depayloaders take it: as the far end sent it.
fn buffer(packet: &Packet, pts: Duration, discont: bool) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(packet.payload.packet().clone());
    let fresh = buffer.make_mut();
    fresh.set_pts(time(pts));
    if discont {
        fresh.set_flags(gst::BufferFlags::DISCONT);
    }
    if packet.marker {
        fresh.set_flags(gst::BufferFlags::MARKER);
    }
    buffer
}

/// What rtpjitterbuffer tells depayloaders of a packet that did not come.
fn lost(sequence: u16, pts: Duration, duration: Duration) -> gst::Event {
    let structure = gst::Structure::builder(PACKET_LOST)
        .field("seqnum", u32::from(sequence))
        .field("timestamp", time(pts).nseconds())
        .field("duration", time(duration).nseconds())
        .field("retry", 0_u32)
        .build();
    gst::event::CustomDownstream::new(structure)
}

fn time(time: Duration) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1))
}
