// SPDX-License-Identifier: MPL-2.0
//! Order and time for what arrives on one media line.
//!
//! Packets that come in order pass at once. What is missing is waited for, half of the latency that is
//! promised downstream, and then reported lost. Times follow the sender's clock as the quickest packets
//! of the last seconds show it, so that neither jitter nor drift reaches them.

use std::time::Duration;

use super::transport::Packet;

/// More than can be waiting in any latency worth having.
const HELD_MAX: usize = 64;

/// A jump of sequence numbers that no loss explains.
const JUMP: u64 = 3_000;

/// Timestamps that disagree with arrival by this much begin a new timeline.
const BREAK: i64 = 1_000_000_000;

/// The quickest packet of how long shows the sender's clock.
const WINDOW: Duration = Duration::from_secs(2);

/// What goes downstream. Times are running times.
#[derive(Debug)]
pub enum Arrival {
    /// A packet, in its turn.
    Packet {
        /// The packet.
        packet: Packet,
        /// Its place in time.
        pts: Duration,
        /// It does not continue what came before.
        discont: bool,
    },
    /// A packet that did not come.
    Lost {
        /// Its sequence number.
        sequence: u16,
        /// Where it belonged in time.
        pts: Duration,
        /// How much of it is missing.
        duration: Duration,
    },
}

/// What a receiver counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ReceiverStats {
    /// The source, once something arrived.
    pub ssrc: Option<u32>,
    /// Packets that came.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Packets reported lost downstream.
    pub lost: u64,
    /// Packets that came when they were given up.
    pub late: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1), in seconds.
    pub jitter: f64,
}

/// Brings the packets of one line into order.
#[derive(Debug)]
pub struct Receiver {
    wait: Duration,
    next: Option<u64>,
    discont: bool,
    /// By sequence number.
    held: Vec<Held>,
    clock: Timeline,
    /// The spacing of packets, for the duration of lost ones.
    spacing: Duration,
    last: Option<(u64, Duration)>,
    stats: ReceiverStats,
}

#[derive(Debug)]
struct Held {
    packet: Packet,
    pts: Duration,
    at: Duration,
}

impl Receiver {
    /// For a promised latency.
    pub fn new(latency: Duration) -> Receiver {
        Receiver {
            wait: latency / 2,
            next: None,
            discont: true,
            held: Vec::new(),
            clock: Timeline::default(),
            spacing: Duration::from_millis(20),
            last: None,
            stats: ReceiverStats::default(),
        }
    }

    /// What it counts.
    pub fn stats(&self) -> ReceiverStats {
        self.stats
    }

    /// A packet arrived, at this running time.
    pub fn push(&mut self, now: Duration, packet: Packet, clock_hz: u32) {
        if self.stats.ssrc != Some(packet.ssrc) {
            self.restart(packet.ssrc);
        }
        self.stats.packets += 1;
        self.stats.bytes += packet.payload.len() as u64;
        let sequence = packet.sequence;
        if let Some(next) = self.next
            && sequence.abs_diff(next) > JUMP
        {
            self.restart(packet.ssrc);
        }
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            self.stats.late += 1;
            return;
        }
        let place = self
            .held
            .partition_point(|held| held.packet.sequence < sequence);
        if self
            .held
            .get(place)
            .is_some_and(|held| held.packet.sequence == sequence)
        {
            return;
        }
        let (pts, broke) = self.clock.place(now, packet.timestamp, clock_hz.max(1));
        self.discont |= broke;
        self.stats.jitter = self.clock.jitter;
        let held = Held {
            packet,
            pts,
            at: now,
        };
        self.held.insert(place, held);
    }

    fn restart(&mut self, ssrc: u32) {
        self.held.clear();
        self.next = None;
        self.last = None;
        self.discont = true;
        self.clock = Timeline::default();
        self.stats.ssrc = Some(ssrc);
    }

    /// When [`Receiver::poll`] has something even if nothing more arrives.
    pub fn deadline(&self) -> Option<Duration> {
        self.held.first().map(|held| held.at + self.wait)
    }

    /// What can go downstream at this running time.
    pub fn poll(&mut self, now: Duration) -> Option<Arrival> {
        let first = self.held.first()?;
        let next = self.next?;
        let missing = first.packet.sequence.saturating_sub(next);
        if missing > 0 {
            if now < first.at + self.wait && self.held.len() < HELD_MAX {
                return None;
            }
            return Some(self.give_up(next, missing, first.pts));
        }
        let held = self.held.remove(0);
        self.next = Some(next + 1);
        if let Some((sequence, pts)) = self.last
            && sequence + 1 == held.packet.sequence
            && let Some(spacing) = held.pts.checked_sub(pts)
            && (Duration::from_millis(2)..=Duration::from_millis(120)).contains(&spacing)
        {
            self.spacing = spacing;
        }
        // Never backwards, whatever a quicker packet has just taught us.
        let pts = self.last.map_or(held.pts, |(_, last)| held.pts.max(last));
        self.last = Some((held.packet.sequence, pts));
        Some(Arrival::Packet {
            packet: held.packet,
            pts,
            discont: std::mem::take(&mut self.discont),
        })
    }

    /// Reports the packets before `pts` lost, one at a time.
    fn give_up(&mut self, sequence: u64, missing: u64, pts: Duration) -> Arrival {
        self.next = Some(sequence + 1);
        self.stats.lost += 1;
        let back = self.spacing * u32::try_from(missing).unwrap_or(u32::MAX).min(1_000);
        let earliest = self.last.map_or(Duration::ZERO, |(_, last)| last);
        Arrival::Lost {
            sequence: sequence as u16,
            pts: pts.saturating_sub(back).max(earliest),
            duration: self.spacing,
        }
    }
}

/// From RTP timestamps to running time.
#[derive(Debug, Default)]
struct Timeline {
    origin: Option<Origin>,
    jitter: f64,
}

#[derive(Debug)]
struct Origin {
    timestamp: u32,
    /// Nanoseconds of media before `timestamp`.
    media: i64,
    clock_hz: u32,
    /// The least difference between arrival and media, in this window and the one before.
    least: i64,
    before: i64,
    window_ends: Duration,
    transit: i64,
}

impl Timeline {
    /// Where a packet belongs, and whether that begins a new timeline.
    fn place(&mut self, now: Duration, timestamp: u32, clock_hz: u32) -> (Duration, bool) {
        let arrival = nanos(now);
        if let Some(origin) = &mut self.origin
            && origin.clock_hz == clock_hz
        {
            let step = timestamp.wrapping_sub(origin.timestamp) as i32;
            origin.media += i64::from(step) * 1_000_000_000 / i64::from(clock_hz);
            origin.timestamp = timestamp;
            let transit = arrival - origin.media;
            if (transit - origin.least.min(origin.before)).abs() < BREAK {
                let change = (transit - origin.transit).abs() as f64 / 1e9;
                self.jitter += (change - self.jitter) / 16.0;
                origin.transit = transit;
                if now >= origin.window_ends {
                    origin.before = std::mem::replace(&mut origin.least, transit);
                    origin.window_ends = now + WINDOW;
                }
                origin.least = origin.least.min(transit);
                let at = origin.media + origin.least.min(origin.before);
                return (Duration::from_nanos(at.max(0) as u64), false);
            }
        }
        self.origin = Some(Origin {
            timestamp,
            media: 0,
            clock_hz,
            least: arrival,
            before: arrival,
            window_ends: now + WINDOW,
            transit: arrival,
        });
        (now, true)
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: u32 = 48_000;

    fn packet(ssrc: u32, sequence: u64, timestamp: u32) -> Packet {
        Packet {
            line: 0,
            ssrc,
            sequence,
            timestamp,
            marker: false,
            pt: 111,
            level: None,
            payload: [1, 2, 3].into(),
            at: std::time::Instant::now(),
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn receiver() -> Receiver {
        Receiver::new(ms(40))
    }

    /// `(sequence, pts)` of packets, negative sequence for lost ones.
    fn drain(receiver: &mut Receiver, now: Duration) -> Vec<(i64, Duration)> {
        std::iter::from_fn(|| receiver.poll(now))
            .map(|arrival| match arrival {
                Arrival::Packet { packet, pts, .. } => (packet.sequence as i64, pts),
                Arrival::Lost { sequence, pts, .. } => (-i64::from(sequence), pts),
            })
            .collect()
    }

    #[test]
    fn what_comes_in_order_passes_at_once_and_evenly() {
        let mut receiver = receiver();
        // Jitter of up to 7 ms; the first packet is as quick as any.
        for (n, late) in [0, 3, 7, 1, 5].into_iter().enumerate() {
            let n = n as u64;
            let now = ms(1000 + 20 * n + late);
            receiver.push(now, packet(1, 10 + n, (960 * n) as u32), CLOCK);
            assert_eq!(
                drain(&mut receiver, now),
                [(10 + n as i64, ms(1000 + 20 * n))]
            );
        }
        assert!(receiver.stats().jitter > 0.0005);
    }

    #[test]
    fn a_swapped_pair_comes_out_right() {
        let mut receiver = receiver();
        receiver.push(ms(0), packet(1, 1, 0), CLOCK);
        drain(&mut receiver, ms(0));
        receiver.push(ms(40), packet(1, 3, 1920), CLOCK);
        assert_eq!(drain(&mut receiver, ms(40)), []);
        receiver.push(ms(45), packet(1, 2, 960), CLOCK);
        assert_eq!(drain(&mut receiver, ms(45)), [(2, ms(20)), (3, ms(40))]);
        assert_eq!(receiver.stats().lost, 0);
    }

    #[test]
    fn what_does_not_come_is_reported_in_its_place() {
        let mut receiver = receiver();
        for n in 0..2 {
            receiver.push(ms(20 * n), packet(1, n, (960 * n) as u32), CLOCK);
            drain(&mut receiver, ms(20 * n));
        }
        receiver.push(ms(80), packet(1, 4, 960 * 4), CLOCK);
        assert_eq!(receiver.deadline(), Some(ms(100)));
        assert_eq!(drain(&mut receiver, ms(99)), []);
        assert_eq!(
            drain(&mut receiver, ms(100)),
            [(-2, ms(40)), (-3, ms(60)), (4, ms(80))]
        );
        receiver.push(ms(101), packet(1, 2, 960 * 2), CLOCK);
        assert_eq!(drain(&mut receiver, ms(101)), []);
        assert_eq!((receiver.stats().lost, receiver.stats().late), (2, 1));
    }

    #[test]
    fn a_drifting_clock_is_followed() {
        let mut receiver = receiver();
        let mut last = Duration::ZERO;
        // The sender's clock is 0.1 % fast for five minutes: 300 ms ahead at the end.
        for n in 0..15_000_u64 {
            let now = Duration::from_micros(19_980 * n);
            receiver.push(now, packet(1, n, (960 * n) as u32), CLOCK);
            for (_, pts) in drain(&mut receiver, now) {
                assert!(pts >= last);
                last = pts;
            }
            assert!(last.abs_diff(now) < ms(10), "{last:?} at {now:?}");
        }
    }

    #[test]
    fn a_new_source_begins_anew() {
        let mut receiver = receiver();
        receiver.push(ms(0), packet(1, 60_000, 7), CLOCK);
        drain(&mut receiver, ms(0));
        receiver.push(ms(500), packet(2, 3, 4_000_000_000), CLOCK);
        let Some(Arrival::Packet { pts, discont, .. }) = receiver.poll(ms(500)) else {
            panic!("nothing");
        };
        assert_eq!((pts, discont), (ms(500), true));
    }

    #[test]
    fn a_pause_in_speech_is_a_pause_in_time() {
        let mut receiver = receiver();
        receiver.push(ms(0), packet(1, 1, 0), CLOCK);
        drain(&mut receiver, ms(0));
        // Discontinuous transmission: the next number, five seconds on.
        receiver.push(ms(5_004), packet(1, 2, 240_000), CLOCK);
        assert_eq!(drain(&mut receiver, ms(5_004)), [(2, ms(5_000))]);
    }
}
