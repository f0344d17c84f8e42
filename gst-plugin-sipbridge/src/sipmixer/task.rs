// SPDX-License-Identifier: MPL-2.0
//! A room on a media thread: every 20 ms all intakes are emptied, mixed, and all outputs fed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;

use super::beat::Beat;
use super::participant::Participant;
use crate::codec::CodecError;
use crate::codec::noise::{Noise, NoiseMaker};
use crate::context::{Cx, Task};
use crate::mixer::{Heard, Mixer, MixerSettings, Rate, Work};
use crate::ticks::{Tick, Ticks};

/// Seconds from one tick to the next.
const TICK_S: f64 = 0.02;

/// The largest thing a tick makes for one participant: 20 ms of samples at 48 kHz.
const BUFFER_BYTES: u32 = 1_920;

/// Ticks between two messages about who speaks.
const SPEAKERS_EVERY: u32 = 10;

/// Ticks over which the load is told: a second.
const LOAD_OVER: f64 = 50.0;

/// Who does not hear the room in time is told so once in so many ticks: ten seconds.
pub(super) const LATE_EVERY: u64 = 500;

/// Comfort noise, below the loudest there can be.
const COMFORT_DB: u8 = 50;

/// What a level is told as that is to be heard whatever it is: a room has no part in comfort noise.
const SPEAKS_DBFS: f32 = -20.0;

/// What the element and its task share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) playing: AtomicBool,
    /// Comfort noise is wanted.
    pub(super) comfort: AtomicBool,
    participants: Mutex<Vec<Arc<Participant>>>,
    revision: AtomicU64,
    settings: Mutex<MixerSettings>,
    figures: Mutex<Figures>,
    pub(super) beat: Arc<Beat>,
}

/// What the `stats` property tells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) ticks: u64,
    pub(super) skipped: u64,
    pub(super) work: Work,
    pub(super) room_hz: u32,
    /// The share of its media thread's time that mixing took of late.
    pub(super) load: f64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn participants(&self) -> MutexGuard<'_, Vec<Arc<Participant>>> {
        lock(&self.participants)
    }

    /// Somebody came or went, or a setting changed: the next tick looks.
    pub(super) fn changed(&self) {
        self.revision.fetch_add(1, Ordering::Release);
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, MixerSettings> {
        lock(&self.settings)
    }

    pub(super) fn figures(&self) -> Figures {
        *lock(&self.figures)
    }
}

struct Seat {
    participant: Arc<Participant>,
    id: crate::mixer::Participant,
    seen: u64,
    spoke: bool,
    over: bool,
}

/// The room.
pub(super) struct Room {
    element: glib::WeakRef<gst::Element>,
    shared: Arc<Shared>,
    revision: u64,
    settings: MixerSettings,
    mixer: Mixer,
    seats: Vec<Seat>,
    noise: NoiseMaker,
    /// Who makes the comfort noise, while there is some.
    comfort: Option<crate::mixer::Participant>,
    ticks: Option<Ticks>,
    count: u64,
    frame: Vec<i16>,
    pool: Option<gst::BufferPool>,
    /// What those hear who share, by number, in this tick.
    sent: Vec<Option<gst::Buffer>>,
    told_speakers: u32,
    load: f64,
    /// Ticks that were left out, when that was last told, and when that was.
    told_late: (u64, u64),
    failed: bool,
}

impl Room {
    pub(super) fn new(element: &gst::Element, shared: Arc<Shared>) -> Room {
        let settings = *shared.settings();
        *lock(&shared.figures) = Figures::default();
        Room {
            element: element.downgrade(),
            shared,
            revision: u64::MAX,
            settings,
            mixer: Mixer::new(settings),
            seats: Vec::new(),
            noise: NoiseMaker::new(rand::random()),
            comfort: None,
            ticks: None,
            count: 0,
            frame: Vec::with_capacity(960),
            pool: buffer_pool(),
            sent: Vec::new(),
            told_speakers: 0,
            load: 0.0,
            told_late: (0, 0),
            failed: false,
        }
    }

    fn run(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        let phase = Duration::from_micros(u64::from(cx.phase_us()));
        let ticks = self.ticks.get_or_insert_with(|| Ticks::new(now + phase));
        let tick = ticks.tick(now, || {
            let playing = self.shared.playing.load(Ordering::Acquire);
            let element = self.element.upgrade().filter(|_| playing)?;
            element.current_running_time()
        });
        let due = ticks.due();
        self.shared.beat.is_at(due);
        if let Some(tick) = tick.filter(|_| !self.failed) {
            // Of real time, whatever the context's clock: it is the machine's burden.
            let began = Instant::now();
            self.follow_element();
            if let Err(error) = self.tick(now, tick) {
                self.fail(&error);
            }
            let share = began.elapsed().as_secs_f64() / TICK_S;
            self.load += (share - self.load) / LOAD_OVER;
            cx.skipped(tick.skipped);
            self.tell_late();
        }
        cx.set_timer(due);
    }

    fn fail(&mut self, error: &CodecError) {
        self.failed = true;
        if let Some(element) = self.element.upgrade() {
            gst::element_error!(
                element,
                gst::LibraryError::Init,
                ("The room cannot be mixed: {error}")
            );
        }
    }

    /// A room that is more than its thread carries says so.
    fn tell_late(&mut self) {
        let skipped = self.ticks.as_ref().map_or(0, Ticks::skipped);
        let (told, at) = self.told_late;
        if skipped == told || (told > 0 && self.count < at + LATE_EVERY) {
            return;
        }
        self.told_late = (skipped, self.count);
        if let Some(element) = self.element.upgrade() {
            gst::element_warning!(
                element,
                gst::ResourceError::Busy,
                ("The room is late: its media thread has too much to do"),
                [
                    "{} ticks left out so far; mixing takes {:.0} % of the thread's time",
                    skipped,
                    self.load * 100.0
                ]
            );
        }
    }

    /// Takes up who came, who went, and what was set.
    fn follow_element(&mut self) {
        let revision = self.shared.revision.load(Ordering::Acquire);
        if std::mem::replace(&mut self.revision, revision) == revision {
            return;
        }
        let settings = *self.shared.settings();
        if std::mem::replace(&mut self.settings, settings) != settings {
            self.mixer.set(settings);
        }
        let present = self.shared.participants();
        let mixer = &mut self.mixer;
        self.seats.retain(|seat| {
            let stays = present
                .iter()
                .any(|other| Arc::ptr_eq(other, &seat.participant));
            if !stays {
                mixer.leave(seat.id);
            }
            stays
        });
        for participant in present.iter() {
            if !self
                .seats
                .iter()
                .any(|seat| Arc::ptr_eq(&seat.participant, participant))
            {
                self.seats.push(Seat {
                    participant: participant.clone(),
                    id: mixer.join(),
                    seen: 0,
                    spoke: false,
                    over: false,
                });
            }
        }
    }

    fn tick(&mut self, now: Instant, tick: Tick) -> Result<(), CodecError> {
        self.take_in(now);
        self.comfort();
        self.mixer.tick()?;
        self.sent.clear();
        for index in 0..self.seats.len() {
            self.give_out(index, tick);
        }
        self.tell(tick);
        Ok(())
    }

    fn comfort(&mut self) {
        let wanted = self.shared.comfort.load(Ordering::Acquire);
        match (wanted, self.comfort) {
            (false, Some(id)) => {
                self.mixer.leave(id);
                self.comfort = None;
            }
            (true, None) => self.comfort = Some(self.mixer.join()),
            _ => {}
        }
        if let Some(id) = self.comfort {
            let rate = Rate::Hz8000;
            self.frame.clear();
            self.noise
                .make(&Noise::white(COMFORT_DB), rate.frame(), &mut self.frame);
            self.mixer.hear(id, rate, &self.frame, Some(SPEAKS_DBFS));
        }
    }

    fn take_in(&mut self, now: Instant) {
        let mut ended = 0;
        let mut open = 0;
        for seat in &mut self.seats {
            let participant = &seat.participant;
            if let Some(listening) = participant.changed_listening(&mut seat.seen) {
                if let Some((format, _)) = listening {
                    participant.output.begin(format);
                }
                self.mixer
                    .listen(seat.id, listening.map(|(_, listening)| listening));
            }
            self.mixer
                .mute(seat.id, participant.muted.load(Ordering::Relaxed));
            let heard = participant.is_heard();
            match participant.intake.take(now, heard, &mut self.frame) {
                Some((rate, told)) => {
                    self.mixer.hear(seat.id, rate, &self.frame, told);
                    open += 1;
                }
                None => match participant.intake.rate() {
                    Some(_) if participant.intake.is_over() => ended += 1,
                    // The room encodes at the rate of who may speak, before they do.
                    Some(rate) => {
                        self.mixer.speak(seat.id, rate);
                        open += 1;
                    }
                    None => {}
                },
            }
        }
        if ended > 0 && open == 0 {
            for seat in &mut self.seats {
                if !std::mem::replace(&mut seat.over, true) {
                    seat.participant.output.end();
                }
            }
        } else if open > 0 {
            self.seats.iter_mut().for_each(|seat| seat.over = false);
        }
    }

    fn give_out(&mut self, index: usize, tick: Tick) {
        let Some(seat) = self.seats.get(index).filter(|seat| !seat.over) else {
            return;
        };
        let (id, output) = (seat.id, &seat.participant.output);
        let buffer = match self.mixer.shares(id) {
            Some(number) => {
                if self.sent.len() <= number {
                    self.sent.resize(number + 1, None);
                }
                let made = self.sent.get(number).cloned().flatten();
                match made {
                    Some(buffer) => Some(buffer),
                    None => {
                        let heard = self.mixer.heard_by_all(number);
                        let buffer = heard.and_then(|heard| self.buffer(heard, tick));
                        if let Some(place) = self.sent.get_mut(number) {
                            place.clone_from(&buffer);
                        }
                        buffer
                    }
                }
            }
            None => match self.mixer.heard(id) {
                Some(heard) => self.buffer(heard, tick),
                None => return,
            },
        };
        match buffer {
            Some(buffer) => output.give(buffer),
            None => output.give_nothing(tick.pts),
        }
    }

    fn buffer(&self, heard: Heard<'_>, tick: Tick) -> Option<gst::Buffer> {
        let length = match heard {
            Heard::Samples(samples) => samples.len() * 2,
            Heard::Packet(packet) => packet.len(),
            Heard::Nothing => return None,
        };
        let mut buffer = self.empty_buffer(length)?;
        {
            let buffer = buffer.get_mut()?;
            let mut map = buffer.map_writable().ok()?;
            match heard {
                Heard::Samples(samples) => {
                    let (pairs, _) = map.as_chunks_mut::<2>();
                    for (pair, sample) in pairs.iter_mut().zip(samples) {
                        *pair = sample.to_le_bytes();
                    }
                }
                Heard::Packet(packet) => {
                    for (to, from) in map.iter_mut().zip(packet) {
                        *to = *from;
                    }
                }
                Heard::Nothing => {}
            }
        }
        let made = buffer.get_mut()?;
        made.set_pts(tick.pts);
        made.set_duration(super::TICK);
        if tick.discont {
            made.set_flags(gst::BufferFlags::DISCONT);
        }
        Some(buffer)
    }

    fn empty_buffer(&self, length: usize) -> Option<gst::Buffer> {
        let pooled = self
            .pool
            .as_ref()
            .filter(|_| length <= BUFFER_BYTES as usize)
            .and_then(|pool| pool.acquire_buffer(None).ok());
        match pooled {
            Some(mut buffer) => {
                buffer.get_mut()?.set_size(length);
                Some(buffer)
            }
            None => gst::Buffer::with_size(length).ok(),
        }
    }

    /// Levels and speakers to whoever asks, and to the bus where that changed.
    fn tell(&mut self, tick: Tick) {
        self.count += 1;
        self.told_speakers = self.told_speakers.saturating_add(1);
        let mut changed = false;
        for seat in &mut self.seats {
            let speaks = self.mixer.is_speaking(seat.id);
            seat.participant
                .tell(speaks, self.mixer.level_dbfs(seat.id));
            changed |= speaks != seat.spoke;
        }
        if changed && self.told_speakers >= SPEAKERS_EVERY {
            self.told_speakers = 0;
            self.post_speakers(tick);
        }
        // Who reads them does so for a moment; if it is now, the next tick will do.
        if let Ok(mut figures) = self.shared.figures.try_lock() {
            *figures = Figures {
                ticks: self.count,
                skipped: self.ticks.as_ref().map_or(0, Ticks::skipped),
                work: self.mixer.work(),
                room_hz: self.mixer.rate().hz(),
                load: self.load,
            };
        }
    }

    fn post_speakers(&mut self, tick: Tick) {
        let Some(element) = self.element.upgrade() else {
            return;
        };
        let mut speakers: Vec<(f64, u32)> = Vec::new();
        for seat in &mut self.seats {
            seat.spoke = seat.participant.is_speaking();
            if seat.spoke {
                speakers.push((seat.participant.level_dbfs(), seat.participant.number));
            }
        }
        speakers.sort_by(|a, b| b.0.total_cmp(&a.0));
        let names = speakers.iter().map(|(_, number)| format!("sink_{number}"));
        // sip-speakers: element message: those who speak are others than before; at most five times a
        // second. `speakers` is an array of the names of their sink pads, the loudest first,
        // `running-time` when they were heard so.
        let structure = gst::Structure::builder("sip-speakers")
            .field("speakers", gst::Array::new(names))
            .field("running-time", tick.pts)
            .build();
        let message = gst::message::Element::builder(structure)
            .src(&element)
            .build();
        // A bus that is flushing has nobody to tell.
        let _ = element.post_message(message);
    }
}

impl Task for Room {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.run(cx);
    }

    fn timeout(&mut self, cx: &mut Cx<'_>) {
        self.run(cx);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.beat.rests();
        if let Some(pool) = &self.pool {
            // Buffers that are still on their way come back to nothing.
            let _ = pool.set_active(false);
        }
    }
}

/// Where buffers come from, and where they return to when they have been heard.
fn buffer_pool() -> Option<gst::BufferPool> {
    let pool = gst::BufferPool::new();
    let mut config = pool.config();
    config.set_params(None, BUFFER_BYTES, 4, 0);
    pool.set_config(config).ok()?;
    pool.set_active(true).ok()?;
    Some(pool)
}
