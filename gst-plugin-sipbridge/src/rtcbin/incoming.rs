// SPDX-License-Identifier: MPL-2.0
//! What arrives on one media line, on its way to a pad.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::caps;
use super::source::Source;
use crate::handover::Item;
use crate::rtc::description::Format;
use crate::rtc::{Arrival, HeaderExtension, Packet, Plan, Receiver, ReceiverStats};

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
    /// The header extensions that they say.
    extensions: Vec<(u8, HeaderExtension)>,
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
            extensions: Vec::new(),
        }
    }

    /// What was agreed on is another: the caps say so before the next packet.
    pub(super) fn follow(&mut self, plan: &Plan) {
        if self.extensions != plan.extensions {
            self.format = None;
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
                self.extensions.clone_from(&plan.extensions);
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use gst::prelude::*;

    use super::*;
    use crate::handover::{Handover, Outlet as _};
    use crate::rtc::{MediaPlan, Payload, ReceivePlan, credentials};

    const PACKET: Duration = Duration::from_millis(20);

    /// What came out of a pad.
    #[derive(Debug, PartialEq, Eq)]
    enum Seen {
        /// The packet with this number in its payload.
        Packet(u8),
        /// A packet did not come: its number, its place in time, and its length.
        Lost(u32, Duration, Duration),
    }

    /// A pad of line 0, and what comes out of it.
    fn pad() -> (Arc<Source>, Arc<Mutex<Vec<Seen>>>, gst::Pad) {
        gst::init().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (packets, events) = (seen.clone(), seen.clone());
        let sink = gst::Pad::builder(gst::PadDirection::Sink)
            // Whatever caps it had before.
            .flags(gst::PadFlags::ACCEPT_INTERSECT)
            .chain_function(move |_, _, buffer| {
                let map = buffer.map_readable().unwrap();
                packets.lock().unwrap().push(Seen::Packet(map[0]));
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(move |_, _, event| {
                let lost = event.structure().filter(|s| s.name() == PACKET_LOST);
                if let Some(lost) = lost {
                    let time = |field: &str| Duration::from_nanos(lost.get::<u64>(field).unwrap());
                    let number = lost.get::<u32>("seqnum").unwrap();
                    let lost = Seen::Lost(number, time("timestamp"), time("duration"));
                    events.lock().unwrap().push(lost);
                }
                true
            })
            .build();
        sink.set_active(true).unwrap();
        let any = gst::Caps::new_any();
        let template = gst::PadTemplate::new(
            "src_%u",
            gst::PadDirection::Src,
            gst::PadPresence::Sometimes,
            &any,
        );
        let element = gst::Bin::new();
        let source = Source::new(
            element.upcast_ref(),
            &template.unwrap(),
            0,
            gst::ClockTime::from_mseconds(40),
            &caps::caps_of(&caps::usual()[0], &[]),
        )
        .unwrap();
        source.pad().link(&sink).unwrap();
        source.begin(Handover::Direct).unwrap();
        (source, seen, sink)
    }

    fn plan() -> Plan {
        Plan {
            credentials: credentials(),
            cname: String::new(),
            formats: caps::usual(),
            extensions: Vec::new(),
            remote: None,
            media: vec![MediaPlan {
                line: 0,
                mid: "audio0".to_owned(),
                send: None,
                receive: Some(ReceivePlan {
                    formats: caps::usual(),
                    sources: Vec::new(),
                }),
            }],
        }
    }

    fn packet(number: u8) -> Packet {
        Packet {
            line: 0,
            ssrc: 7,
            sequence: u64::from(number),
            timestamp: u32::from(number) * 960,
            marker: false,
            pt: 111,
            level: None,
            payload: Payload::from([number]),
            at: Instant::now(),
        }
    }

    /// As webrtcbin's jitter buffer tells depayloaders, who tell decoders of a gap.
    #[test]
    fn a_pad_tells_what_did_not_come_and_where_it_belonged() {
        let (source, seen, _sink) = pad();
        let plan = plan();
        let mut incoming = Incoming::new(0, PACKET * 2);
        incoming.lead_to(source);
        for number in [0, 1, 3, 4] {
            let running = PACKET * u32::from(number);
            incoming.take(&plan, running, packet(number));
            incoming.hand_on(running);
        }
        let expected = [
            Seen::Packet(0),
            Seen::Packet(1),
            Seen::Lost(2, PACKET * 2, PACKET),
            Seen::Packet(3),
            Seen::Packet(4),
        ];
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    /// Levels that are agreed on later are found by the caps, as those of the beginning are.
    #[test]
    fn a_header_extension_that_is_agreed_on_later_is_told() {
        let (source, seen, sink) = pad();
        let mut plan = plan();
        let mut incoming = Incoming::new(0, PACKET * 2);
        incoming.lead_to(source);
        let mut come = |number: u8, plan: &Plan| {
            let running = PACKET * u32::from(number);
            incoming.follow(plan);
            incoming.take(plan, running, packet(number));
            incoming.hand_on(running);
            let caps = sink.current_caps().unwrap();
            let caps = caps.structure(0).unwrap();
            (caps.has_field("extmap-5"), caps.get::<i32>("payload"))
        };
        assert_eq!(come(0, &plan), (false, Ok(111)));
        plan.extensions = vec![(5, HeaderExtension::AudioLevel)];
        assert_eq!(come(1, &plan), (true, Ok(111)));
        plan.extensions.clear();
        assert_eq!(come(2, &plan), (false, Ok(111)));
        let packets = [0, 1, 2].map(Seen::Packet);
        assert_eq!(*seen.lock().unwrap(), packets);
    }
}
