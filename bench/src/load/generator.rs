// SPDX-License-Identifier: MPL-2.0
//! The thread that sends and receives.

use std::collections::{BTreeMap, HashMap};
use std::net::UdpSocket;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::network::Passage;
use super::tally::{Follower, HEADER, Heard, Packet, Tally};
use super::wire::{self, Batch};
use super::{Media, Schedule, Stream};
use crate::machine;

/// Sockets that the legs share. One alone would have all packets wait in one queue.
const SOCKETS: usize = 16;

/// Sending times within a frame of 20 ms.
const SLOTS: usize = 40;
const SLOT: Duration = Duration::from_micros(20_000 / SLOTS as u64);

/// RTCP that comes is of no interest, but somebody has to take it.
const DRAIN_EVERY: usize = 500;

/// When something of interest happens in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Begin,
    End,
}

/// What a run came to.
#[derive(Default)]
pub struct Outcome {
    /// In the order of the streams.
    pub tallies: Vec<Tally>,
    /// Of the recorded streams, by their place.
    pub heard: HashMap<usize, Heard>,
    /// How the generator itself fared.
    pub generator: Fitness,
}

/// What the generator cost, and how punctual it was.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Fitness {
    /// Of a core, in percent.
    pub cpu_percent: f64,
    /// The longest it was late to send, in microseconds.
    pub late_max_us: u64,
    /// Slots it began more than 2 ms late, of a thousand.
    pub late_permille: f64,
    /// Packets the system did not take.
    pub refused: u64,
}

impl Outcome {
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in &self.tallies {
            total.add(tally);
        }
        total
    }

    /// Takes a later run's streams behind its own.
    pub fn append(&mut self, later: Outcome) {
        let before = self.tallies.len();
        self.tallies.extend(later.tallies);
        let heard = later.heard.into_iter();
        self.heard
            .extend(heard.map(|(place, heard)| (before + place, heard)));
        self.generator = later.generator;
    }
}

/// Sockets, and the means to run streams through them.
pub struct Generator {
    rtp: Vec<UdpSocket>,
    rtcp: Vec<UdpSocket>,
    batch: Batch,
}

impl Generator {
    pub fn new() -> Result<Generator> {
        let (mut rtp, mut rtcp) = (Vec::new(), Vec::new());
        for _ in 0..SOCKETS * 20 {
            let socket = wire::open(0).context("cannot open a socket on loopback")?;
            let port = socket.local_addr()?.port();
            if port.is_multiple_of(2)
                && let Ok(companion) = wire::open(port + 1)
            {
                rtp.push(socket);
                rtcp.push(companion);
            }
            if rtp.len() == SOCKETS {
                return Ok(Generator {
                    rtp,
                    rtcp,
                    batch: Batch::new(),
                });
            }
        }
        bail!("there are no pairs of free ports on loopback")
    }

    /// The ports of the sockets, by their number.
    pub fn ports(&self) -> Result<Vec<u16>> {
        self.rtp
            .iter()
            .map(|socket| Ok(socket.local_addr()?.port()))
            .collect()
    }

    /// Sends and receives for as long as `schedule` says, and tells `marks` when what counts begins
    /// and ends. Blocks.
    pub fn run(
        &mut self,
        streams: &[Stream],
        schedule: Schedule,
        marks: &Sender<Mark>,
    ) -> Result<Outcome> {
        let mut run = Run::new(streams);
        for socket in self.rtp.iter().chain(&self.rtcp) {
            self.batch.receive(socket, |_| {})?;
        }
        let frames = |time: Duration| time.as_millis() as usize / 20;
        let warm_up = frames(schedule.warm_up);
        let total = warm_up + frames(schedule.measured);
        let started = Instant::now();
        let mut cpu_before = Duration::ZERO;
        for frame in 0..total {
            if frame == warm_up {
                run.begin();
                cpu_before = machine::thread_cpu_time();
                // Nobody listens: then nobody wants to know.
                let _ = marks.send(Mark::Begin);
            }
            for slot in 0..SLOTS {
                let tick = frame * SLOTS + slot;
                let due = started + SLOT * tick as u32;
                sleep_until(due);
                run.punctual(due.elapsed());
                run.send(frame, slot, &self.rtp, &mut self.batch)?;
                // A millisecond is soon enough: the kernel has the time of each packet.
                if tick.is_multiple_of(2) {
                    run.receive(&self.rtp, &mut self.batch)?;
                }
                if tick.is_multiple_of(DRAIN_EVERY) {
                    for socket in &self.rtcp {
                        self.batch.receive(socket, |_| {})?;
                    }
                }
            }
        }
        let cpu = machine::thread_cpu_time().saturating_sub(cpu_before);
        let _ = marks.send(Mark::End);
        run.receive(&self.rtp, &mut self.batch)?;
        Ok(run.outcome(cpu, schedule.measured))
    }
}

fn sleep_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

/// One stream on its way.
struct Sending<'a> {
    stream: &'a Stream,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// Frames, those among them that are not sent.
    sent: u64,
    /// The next packet begins a talkspurt.
    talkspurt: bool,
    passage: Passage,
    kept: Vec<Packet>,
    /// The sequence numbers of those among them that the network lost.
    lost: Vec<u16>,
}

/// A packet that a network keeps for a while.
struct Kept {
    socket: usize,
    to: u16,
    bytes: Vec<u8>,
}

struct Run<'a> {
    sending: Vec<Sending<'a>>,
    /// The streams of each slot, by socket.
    slots: Vec<Vec<usize>>,
    /// What the network delivers at later ticks.
    under_way: BTreeMap<usize, Vec<Kept>>,
    by_port: Vec<Option<u32>>,
    following: Vec<Follower>,
    begun: bool,
    ticks: u64,
    late: u64,
    late_max: Duration,
    refused: u64,
}

impl<'a> Run<'a> {
    fn new(streams: &'a [Stream]) -> Run<'a> {
        let mut by_port = vec![None; 1 << 16];
        let mut slots = vec![Vec::new(); SLOTS];
        for (index, stream) in streams.iter().enumerate() {
            if let Some(place) = by_port.get_mut(usize::from(stream.from)) {
                *place = Some(index as u32);
            }
            // Both legs of a call, and neighbours, at quite different times.
            if let Some(slot) = slots.get_mut(index * 17 % SLOTS) {
                slot.push(index);
            }
        }
        for slot in &mut slots {
            slot.sort_by_key(|index| streams.get(*index).map(|stream| stream.socket));
        }
        let sending = streams.iter().enumerate().map(|(index, stream)| Sending {
            stream,
            sequence: (index * 977) as u16,
            timestamp: (index * 7_919) as u32,
            ssrc: 0x5150_0000 + index as u32,
            sent: 0,
            talkspurt: true,
            passage: Passage::new(stream.network, index as u64),
            kept: Vec::new(),
            lost: Vec::new(),
        });
        Run {
            sending: sending.collect(),
            slots,
            under_way: BTreeMap::new(),
            by_port,
            following: streams
                .iter()
                .map(|stream| match stream.media.has_pauses {
                    true => Follower::of_pauses(stream.media.step()),
                    false => Follower::default(),
                })
                .collect(),
            begun: false,
            ticks: 0,
            late: 0,
            late_max: Duration::ZERO,
            refused: 0,
        }
    }

    fn begin(&mut self) {
        self.begun = true;
        self.refused = 0;
        for sending in &mut self.sending {
            sending.sent = 0;
        }
        for following in &mut self.following {
            following.begin();
        }
    }

    fn punctual(&mut self, late: Duration) {
        if self.begun {
            self.ticks += 1;
            self.late += u64::from(late > Duration::from_millis(2));
            self.late_max = self.late_max.max(late);
        }
    }

    fn send(
        &mut self,
        frame: usize,
        slot: usize,
        sockets: &[UdpSocket],
        batch: &mut Batch,
    ) -> Result<()> {
        let mut pending: Option<usize> = None;
        let (mut given, mut taken) = (0, 0);
        let mut flush = |batch: &mut Batch, socket: Option<usize>| -> Result<()> {
            if let Some(socket) = socket.and_then(|socket| sockets.get(socket)) {
                taken += batch.send(socket).context("cannot send to loopback")?;
            }
            Ok(())
        };
        let tick = frame * SLOTS + slot;
        let delivered = self.under_way.remove(&tick).unwrap_or_default();
        for kept in delivered {
            if pending != Some(kept.socket) || batch.is_full() {
                flush(batch, pending)?;
                pending = Some(kept.socket);
            }
            batch.push(kept.to, |bytes| put(bytes, &kept.bytes));
            given += 1;
        }
        for index in self.slots.get(slot).into_iter().flatten() {
            let Some(sending) = self.sending.get_mut(*index) else {
                continue;
            };
            let Some(packet) = sending.packet(frame, self.begun) else {
                continue;
            };
            let Some(delay) = sending.pass(packet.sequence, self.begun) else {
                continue;
            };
            let (socket, to) = (sending.stream.socket, sending.stream.to);
            let ticks = (delay.as_nanos() / SLOT.as_nanos()) as usize;
            if ticks > 0 {
                let mut bytes = vec![0; HEADER + packet.payload.len()];
                packet.write(&mut bytes);
                let kept = Kept { socket, to, bytes };
                self.under_way.entry(tick + ticks).or_default().push(kept);
                continue;
            }
            if pending != Some(socket) || batch.is_full() {
                flush(batch, pending)?;
                pending = Some(socket);
            }
            batch.push(to, |bytes| packet.write(bytes));
            given += 1;
        }
        flush(batch, pending)?;
        self.refused += (given - taken) as u64;
        Ok(())
    }

    fn receive(&mut self, sockets: &[UdpSocket], batch: &mut Batch) -> Result<()> {
        let Run {
            by_port,
            following,
            sending,
            begun,
            ..
        } = self;
        for socket in sockets {
            batch.receive(socket, |datagram| {
                let index = by_port.get(usize::from(datagram.from)).copied().flatten();
                let Some(index) = index.map(|index| index as usize) else {
                    return;
                };
                let recorded = *begun && sending.get(index).is_some_and(|one| one.stream.recorded);
                if let Some(following) = following.get_mut(index) {
                    following.packet(datagram.at_ns, datagram.bytes, recorded);
                }
            })?;
        }
        Ok(())
    }

    fn outcome(self, cpu: Duration, measured: Duration) -> Outcome {
        let mut outcome = Outcome {
            generator: Fitness {
                cpu_percent: 100.0 * cpu.as_secs_f64() / measured.as_secs_f64().max(0.001),
                late_max_us: self.late_max.as_micros() as u64,
                late_permille: 1_000.0 * self.late as f64 / self.ticks.max(1) as f64,
                refused: self.refused,
            },
            ..Outcome::default()
        };
        let streams = self.sending.into_iter().zip(self.following);
        for (index, (sending, following)) in streams.enumerate() {
            outcome.tallies.push(following.tally(sending.sent));
            if sending.stream.recorded {
                outcome.heard.insert(
                    index,
                    Heard {
                        sent: sending.kept,
                        lost: sending.lost,
                        received: following.heard,
                    },
                );
            }
        }
        outcome
    }
}

/// The packet that a stream sends next.
struct Next<'a> {
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: &'a [u8],
}

impl Next<'_> {
    /// Writes it, and says how long it is.
    fn write(&self, bytes: &mut [u8]) -> usize {
        let length = HEADER + self.payload.len();
        if let Some(packet) = bytes.get_mut(..length) {
            packet[0] = 0x80;
            packet[1] = u8::from(self.marker) << 7 | self.payload_type;
            packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
            packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
            packet[HEADER..].copy_from_slice(self.payload);
        }
        length
    }
}

fn put(into: &mut [u8], bytes: &[u8]) -> usize {
    if let Some(place) = into.get_mut(..bytes.len()) {
        place.copy_from_slice(bytes);
    }
    bytes.len()
}

impl<'a> Sending<'a> {
    /// The next frame; none where it is not sent.
    fn packet(&mut self, frame: usize, begun: bool) -> Option<Next<'a>> {
        let media: &'a Media = &self.stream.media;
        let at = (self.stream.first_frame + frame) % media.frames.len().max(1);
        let payload = media.frames.get(at).map(Vec::as_slice).unwrap_or_default();
        self.sent += 1;
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(media.step());
        if payload.is_empty() {
            self.talkspurt = true;
            return None;
        }
        let packet = Next {
            marker: std::mem::take(&mut self.talkspurt),
            payload_type: self.stream.payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload,
        };
        if begun && self.stream.recorded {
            self.kept.push(Packet {
                at_ns: wire::now_ns(),
                sequence: self.sequence,
                timestamp,
                payload: payload.to_vec(),
            });
        }
        self.sequence = self.sequence.wrapping_add(1);
        Some(packet)
    }

    /// How long the network takes with it; none: it loses it.
    fn pass(&mut self, sequence: u16, begun: bool) -> Option<Duration> {
        let delay = self.passage.next();
        if delay.is_none() && begun && self.stream.recorded {
            self.lost.push(sequence);
        }
        delay
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::super::{Network, Sound, Speech, delays};
    use super::*;
    use sip_ua::sdp::Codec;

    /// A hundred streams that go from one socket of the generator to another: what it says of itself
    /// must be that nothing was lost and nothing took any time.
    #[test]
    fn through_nothing_nothing_is_lost_or_delayed() {
        gst::init().unwrap();
        let mut generator = Generator::new().unwrap();
        let ports = generator.ports().unwrap();
        let speech = Speech::load().unwrap();
        let media = speech.encode(Sound::Sweeps, Codec::Pcmu).unwrap();
        // A stream is known by the port it comes from, so each socket can carry one.
        let streams: Vec<Stream> = (0..SOCKETS)
            .map(|index| Stream {
                socket: index,
                to: ports[(index + 1) % SOCKETS],
                from: ports[index],
                payload_type: 0,
                media: media.clone(),
                first_frame: index,
                recorded: index == 0,
                network: Network::Clean,
            })
            .collect();
        let schedule = Schedule {
            warm_up: Duration::from_millis(100),
            measured: Duration::from_millis(1_500),
        };
        let (marks, marked) = channel();
        let outcome = generator.run(&streams, schedule, &marks).unwrap();
        assert_eq!(
            marked.try_iter().collect::<Vec<_>>(),
            [Mark::Begin, Mark::End]
        );
        let total = outcome.total();
        assert_eq!(total.sent, SOCKETS as u64 * 75);
        assert_eq!((total.lost, total.silent), (0, 0));
        // Some of the warm-up is still under way when counting begins.
        let under_way = total.received - total.sent;
        assert!(under_way <= SOCKETS as u64, "{under_way}");
        assert_eq!(outcome.generator.refused, 0);
        let delays = delays(&outcome.heard[&0], Codec::Pcmu, Codec::Pcmu).unwrap();
        assert!(delays.percentile(50.0).unwrap().abs() < 2.0);
    }
}
