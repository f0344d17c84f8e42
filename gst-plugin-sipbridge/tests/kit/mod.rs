// SPDX-License-Identifier: MPL-2.0
//! Two ends of a call in one process, audio to tell them by, and waiting for what they say.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(dead_code, reason = "each test file uses the part it needs")]

pub mod codec;
pub mod memory;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use gst::prelude::*;

pub const PATIENCE: Duration = Duration::from_secs(10);
pub const RATE_HZ: usize = 8_000;

pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstsipbridge::register_once().unwrap();
    });
}

/// A pipeline with the bus messages it posted, in order.
pub struct Line {
    pub pipeline: gst::Pipeline,
    seen: Arc<Mutex<Vec<gst::Message>>>,
}

impl Line {
    pub fn new(launch: &str) -> Line {
        init();
        let parsed = gst::parse::launch(launch).unwrap();
        // One element alone comes without a pipeline around it.
        let pipeline = parsed
            .downcast::<gst::Pipeline>()
            .unwrap_or_else(|element| {
                let pipeline = gst::Pipeline::new();
                pipeline.add(&element).unwrap();
                pipeline
            });
        Line {
            pipeline,
            seen: Arc::default(),
        }
    }

    /// A sipbin named `s` that answers on a free loopback port, and the URI that reaches it.
    pub fn answering(launch: &str) -> (Line, String) {
        let line = Line::new(launch);
        line.play();
        let uri = line.uri();
        (line, uri)
    }

    pub fn uri(&self) -> String {
        let agent = self.element("s").property::<gst::glib::Object>("agent");
        format!("sip:bob@127.0.0.1:{}", agent.property::<u32>("local-port"))
    }

    pub fn element(&self, name: &str) -> gst::Element {
        self.pipeline.by_name(name).unwrap()
    }

    pub fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    /// The first message, from those seen on, for which `wanted` gives something.
    pub fn wait<T>(&self, what: &str, wanted: impl Fn(&gst::Message) -> Option<T>) -> T {
        if let Some(found) = self.seen.lock().unwrap().iter().find_map(&wanted) {
            return found;
        }
        let bus = self.pipeline.bus().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            let timeout = gst::ClockTime::from_nseconds(left.as_nanos() as u64);
            let Some(message) = bus.timed_pop(timeout) else {
                break;
            };
            let found = wanted(&message);
            self.seen.lock().unwrap().push(message);
            if let Some(found) = found {
                return found;
            }
        }
        let seen = self.seen.lock().unwrap();
        let words: Vec<String> = seen
            .iter()
            .filter(|message| message.type_() != gst::MessageType::StateChanged)
            .map(|message| format!("{:?} {:?}", message.type_(), message.structure()))
            .collect();
        panic!("no {what} within {PATIENCE:?}; seen: {words:#?}");
    }

    pub fn wait_state(&self, state: &str) -> gst::Structure {
        self.wait(&format!("sip-call-state {state}"), |message| {
            let structure = message.structure()?;
            let is =
                structure.name() == "sip-call-state" && structure.get::<&str>("state") == Ok(state);
            is.then(|| structure.to_owned())
        })
    }

    pub fn wait_eos(&self) {
        self.wait("EOS", |message| {
            (message.type_() == gst::MessageType::Eos).then_some(())
        });
    }

    pub fn wait_error(&self) -> (gst::glib::Error, Option<gst::Structure>) {
        self.wait("error", |message| match message.view() {
            gst::MessageView::Error(error) => Some((
                error.error(),
                error.details().map(|details| details.to_owned()),
            )),
            _ => None,
        })
    }

    /// The numbers of the next `count` dtmf-event messages.
    pub fn wait_digits(&self, count: usize) -> Vec<i32> {
        let presses = self.wait_presses(count).into_iter();
        presses.map(|(number, ..)| number).collect()
    }

    /// Number, length in milliseconds and form of the next `count` dtmf-event messages.
    pub fn wait_presses(&self, count: usize) -> Vec<(i32, u32, String)> {
        let heard = std::cell::RefCell::new(Vec::new());
        self.seen.lock().unwrap().clear();
        self.wait("dtmf-event", |message| {
            let structure = message.structure().filter(|s| s.name() == "dtmf-event")?;
            heard.borrow_mut().push((
                structure.get::<i32>("number").ok()?,
                structure.get::<u32>("duration").ok()?,
                structure.get::<String>("form").ok()?,
            ));
            (heard.borrow().len() == count).then_some(())
        });
        heard.into_inner()
    }

    pub fn no_errors(&self) {
        let bus = self.pipeline.bus().unwrap();
        while let Some(message) = bus.pop() {
            self.seen.lock().unwrap().push(message);
        }
        for message in self.seen.lock().unwrap().iter() {
            if let gst::MessageView::Error(error) = message.view() {
                panic!("{}: {:?}", error.error(), error.debug());
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Blocks a pad of a source that runs: when this returns its thread waits at it, until the probe is removed.
pub fn hold(pad: &gst::Pad) -> gst::PadProbeId {
    let (held, is_held) = std::sync::mpsc::channel();
    let probe = pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, move |_, _| {
        // The listener is gone when more than one item comes by.
        let _ = held.send(());
        gst::PadProbeReturn::Ok
    });
    is_held.recv_timeout(PATIENCE).unwrap();
    probe.unwrap()
}

/// Speech-like and deterministic: voiced syllables of a wandering pitch with pauses between, of which
/// no two seeds have the same.
pub fn voice(seed: u64, seconds: f64) -> Vec<i16> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 40) as f64 / f64::from(1 << 24)
    };
    let mut samples = Vec::new();
    while samples.len() < (seconds * RATE_HZ as f64) as usize {
        let length = RATE_HZ as f64 * (0.08 + 0.15 * next());
        let (pitch, bend, tilt) = (90.0 + 130.0 * next(), next() - 0.5, 0.3 + next());
        for n in 0..length as usize {
            let at = n as f64 / length;
            let phase =
                std::f64::consts::TAU * pitch * (1.0 + bend * at / 2.0) * n as f64 / 8_000.0;
            let harmonics: f64 = (1..9)
                .map(|h| (phase * f64::from(h)).sin() / f64::from(h).powf(tilt))
                .sum();
            samples.push((harmonics * (at * std::f64::consts::PI).sin() * 4_000.0) as i16);
        }
        samples.resize(samples.len() + (RATE_HZ as f64 * 0.06 * next()) as usize, 0);
    }
    samples
}

/// Feeds `samples` to the appsrc of this name, as one file-like stream, and ends it if `end`.
pub fn say(line: &Line, appsrc: &str, samples: &[i16], end: bool) {
    say_at(line, appsrc, samples, gst::ClockTime::ZERO);
    if end {
        let appsrc = line.element(appsrc).downcast::<gst_app::AppSrc>().unwrap();
        appsrc.end_of_stream().unwrap();
    }
}

/// The same from this running time on, without an end.
pub fn say_at(line: &Line, appsrc: &str, samples: &[i16], at: gst::ClockTime) {
    let appsrc = line.element(appsrc).downcast::<gst_app::AppSrc>().unwrap();
    let bytes: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    buffer.get_mut().unwrap().set_pts(at);
    appsrc.push_buffer(buffer).unwrap();
}

/// Makes the payloader `pay` write levels into its packets (RFC 6464), so far as the capsfilter `extmap` after it
/// lets it: what is in the number that is returned, and that is 127, silence, for now.
pub fn tell_levels(line: &Line) -> Arc<AtomicU8> {
    // As a payloader writes it: RFC 8285's direction, name and attributes.
    let extmap = ["", "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "vad=on"];
    let caps = gst::Caps::builder("application/x-rtp").field("extmap-1", gst::Array::new(extmap));
    line.element("extmap").set_property("caps", caps.build());
    let told = Arc::new(AtomicU8::new(127));
    let tell = told.clone();
    let payloader = line.element("pay").static_pad("sink").unwrap();
    payloader.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let level = tell.load(Ordering::Relaxed);
        let buffer = info.buffer_mut().unwrap().make_mut();
        gst_audio::AudioLevelMeta::add(buffer, level, false);
        gst::PadProbeReturn::Ok
    });
    told
}

/// What an appsink heard so far, with the PTS of each frame.
#[derive(Clone, Default)]
pub struct Ear(Arc<Mutex<(Vec<i16>, Vec<gst::ClockTime>)>>);

impl Ear {
    pub fn on(line: &Line, appsink: &str) -> Ear {
        Ear::of(&line.element(appsink))
    }

    pub fn of(appsink: &gst::Element) -> Ear {
        let ear = Ear::default();
        let heard = ear.0.clone();
        let appsink = appsink.downcast_ref::<gst_app::AppSink>().unwrap();
        appsink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |appsink| {
                    let sample = appsink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
                    let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                    let mut heard = heard.lock().unwrap();
                    heard.0.extend(
                        map.chunks_exact(2)
                            .map(|pair| i16::from_le_bytes([pair[0], pair[1]])),
                    );
                    heard.1.extend(buffer.pts());
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        ear
    }

    pub fn samples(&self) -> Vec<i16> {
        self.0.lock().unwrap().0.clone()
    }

    pub fn times(&self) -> Vec<gst::ClockTime> {
        self.0.lock().unwrap().1.clone()
    }
}

/// The best normalised correlation of half a second of `sent`, from `from` on, anywhere in `heard`.
pub fn match_of(sent: &[i16], heard: &[i16], from: usize) -> f64 {
    match_of_piece(&sent[from..from + RATE_HZ / 2], heard)
}

/// How well two seconds of `sent`, from `from` on, are found in `heard`: all of their fifths of a second but the
/// worst two. A machine that is held up costs a piece its timing, and another where delay is given back.
pub fn most_of(sent: &[i16], heard: &[i16], from: usize) -> f64 {
    let pieces = sent[from..from + 2 * RATE_HZ].chunks_exact(RATE_HZ / 5);
    let mut found: Vec<f64> = pieces.map(|piece| match_of_piece(piece, heard)).collect();
    found.sort_by(f64::total_cmp);
    found[2]
}

/// The best normalised correlation of a piece of what was sent anywhere in `heard`.
fn match_of_piece(piece: &[i16], heard: &[i16]) -> f64 {
    let probe: Vec<f32> = piece.iter().map(|s| f32::from(*s)).collect();
    let heard: Vec<f32> = heard.iter().map(|s| f32::from(*s)).collect();
    let power = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>().max(1.0);
    let probe_power = power(&probe);
    let mut best = 0.0f32;
    for window in heard.windows(probe.len()).step_by(1) {
        // Every eighth sample tells whether the window is worth a closer look.
        let coarse: f32 = probe
            .iter()
            .zip(window)
            .step_by(8)
            .map(|(a, b)| a * b)
            .sum();
        if coarse * 8.0 < best * probe_power * 0.2 {
            continue;
        }
        let product: f32 = probe.iter().zip(window).map(|(a, b)| a * b).sum();
        best = best.max(product / (probe_power * power(window)).sqrt());
    }
    f64::from(best)
}

pub fn count_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Threads of this process that carry this name.
pub fn threads_named(name: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.trim() == name)
        .count()
}

pub fn count_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Waits until `true`, looking every few milliseconds; what is waited for has no event to wait on.
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
