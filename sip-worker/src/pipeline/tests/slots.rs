// SPDX-License-Identifier: MPL-2.0
//! The mixer of room-stock.toml: tracks come, go and come again on a running pipeline, and the phone
//! hears each without a gap and at a constant delay.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use sipbridge_measure::steady::asserted_steadily;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/room-stock.toml");
const RATE: usize = 48_000;

/// What the phone hears: each buffer's timestamp, its delay against the clock, its level.
#[derive(Debug, Clone, Copy)]
struct Heard {
    at_ms: u64,
    delay_ms: i64,
    rms: f64,
}

struct Bench {
    pipeline: gst::Pipeline,
    call: gst::Bin,
    heard: Arc<Mutex<Vec<Heard>>>,
}

struct Track {
    bin: gst::Bin,
    funnel: gst::Element,
    entry: gst::GhostPad,
    funnel_pad: gst::Pad,
    sender: gst::Pipeline,
}

fn text(part: &str) -> String {
    let file: toml::Table = std::fs::read_to_string(FILE).unwrap().parse().unwrap();
    file[part]["text"].as_str().unwrap().to_owned()
}

/// The file's own mixer, with an appsink where the phone is.
fn mixer() -> String {
    let text = text("call");
    let from = text.find("audiomixer").unwrap();
    format!(
        "appsink name=phone sync=false {}",
        text[from..].replace(
            "! sip.",
            "! audio/x-raw,format=S16LE,rate=48000,channels=1 ! phone."
        )
    )
}

/// The file's own decoder, behind a jitter buffer as deep as webrtcbin's.
fn track() -> String {
    let text = text("track");
    let from = text.find("rtpopusdepay").unwrap();
    format!(
        "udpsrc name=net address=127.0.0.1 port=0 caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload=111 \
         ! rtpjitterbuffer latency=40 do-lost=true ! depay. {}",
        &text[from..]
    )
}

impl Bench {
    fn start() -> Bench {
        gst::init().unwrap();
        let call = super::super::launch::parse(&mixer()).unwrap();
        let pipeline = gst::Pipeline::new();
        pipeline.add(&call).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = call
            .by_name("phone")
            .unwrap()
            .downcast::<gst_app::AppSink>()
            .unwrap();
        let (notes, clocked) = (heard.clone(), pipeline.downgrade());
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    let pipeline = clocked.upgrade().ok_or(gst::FlowError::Eos)?;
                    let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
                    let now = pipeline
                        .current_running_time()
                        .unwrap_or_default()
                        .mseconds();
                    let pts = buffer.pts().unwrap_or_default().mseconds();
                    let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                    let squares: f64 = map
                        .chunks_exact(2)
                        .map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])).powi(2))
                        .sum();
                    let rms = (squares / (map.len() as f64 / 2.0)).sqrt();
                    notes
                        .lock()
                        .map_err(|_| gst::FlowError::Error)?
                        .push(Heard {
                            at_ms: pts,
                            delay_ms: now as i64 - pts as i64,
                            rms,
                        });
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        pipeline.set_state(gst::State::Playing).unwrap();
        Bench {
            pipeline,
            call,
            heard,
        }
    }

    fn add(&self, slot: usize, frequency: f64) -> Track {
        let bin = super::super::launch::parse(&track()).unwrap();
        let out = bin.by_name("out").unwrap().static_pad("src").unwrap();
        let exit = gst::GhostPad::with_target(&out).unwrap();
        bin.add_pad(&exit).unwrap();
        let funnel = self.call.by_name(&format!("slot_{slot}")).unwrap();
        let funnel_pad = funnel.request_pad_simple("sink_%u").unwrap();
        let entry = gst::GhostPad::with_target(&funnel_pad).unwrap();
        entry.set_active(true).unwrap();
        self.call.add_pad(&entry).unwrap();
        self.pipeline.add(&bin).unwrap();
        exit.link(&entry).unwrap();
        bin.sync_state_with_parent().unwrap();

        let port: i32 = bin.by_name("net").unwrap().property("port");
        let sender = gst::parse::launch(&format!(
            "audiotestsrc is-live=true freq={frequency} samplesperbuffer=960 volume=0.3 \
             ! audio/x-raw,rate={RATE},channels=1 ! opusenc frame-size=20 ! rtpopuspay pt=111 \
             ! udpsink host=127.0.0.1 port={port} sync=false async=false"
        ))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
        sender.set_state(gst::State::Playing).unwrap();
        // As the worker does when a part came.
        self.pipeline.recalculate_latency().unwrap();
        Track {
            bin,
            funnel,
            entry,
            funnel_pad,
            sender,
        }
    }

    /// As the worker takes a track out.
    fn remove(&self, track: Track) {
        track.sender.set_state(gst::State::Null).unwrap();
        let exit = track.entry.peer().unwrap();
        exit.add_probe(gst::PadProbeType::DATA_DOWNSTREAM, |_, _| {
            gst::PadProbeReturn::Drop
        });
        exit.unlink(&track.entry).unwrap();
        track.bin.set_locked_state(true);
        track.bin.set_state(gst::State::Null).unwrap();
        self.pipeline.remove(&track.bin).unwrap();
        self.call.remove_pad(&track.entry).unwrap();
        track.funnel.release_request_pad(&track.funnel_pad);
        self.pipeline.recalculate_latency().unwrap();
    }

    /// Waits for so much more to be heard, and returns it.
    fn hear(&self, ms: u64) -> Vec<Heard> {
        let before = self.heard.lock().unwrap().len();
        let wanted = before + usize::try_from(ms / 10).unwrap();
        let deadline = Instant::now() + Duration::from_millis(ms + 5_000);
        loop {
            let heard = self.heard.lock().unwrap();
            if heard.len() >= wanted {
                return heard[before..wanted].to_vec();
            }
            drop(heard);
            assert!(Instant::now() < deadline, "the mixer stalled");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// From the first loud buffer on, none is quiet.
fn without_gaps(heard: &[Heard], rms: std::ops::Range<f64>) {
    let onset = heard
        .iter()
        .position(|buffer| buffer.rms > 1_000.0)
        .expect("nothing was heard");
    assert!(onset < 50, "heard only after {} ms", onset * 10);
    // The first ones carry the codec's own rise.
    for buffer in &heard[onset + 4..] {
        assert!(
            rms.contains(&buffer.rms),
            "a gap at {} ms: {buffer:?}",
            buffer.at_ms
        );
    }
}

#[test]
fn tracks_come_and_go_without_gaps_or_delay() {
    asserted_steadily(|| {
        let bench = Bench::start();
        let idle = bench.hear(500);
        assert!(
            idle.iter().all(|buffer| buffer.rms < 1.0),
            "idle slots are silent"
        );

        // A sine of 0.3 full scale has an RMS of 6951.
        let one = 4_000.0..9_000.0;
        let first = bench.add(0, 440.0);
        without_gaps(&bench.hear(2_000), one.clone());
        let second = bench.add(3, 1_000.0);
        let both = bench.hear(1_500);
        assert!(
            both.iter().all(|buffer| buffer.rms > 2_500.0),
            "the second joins without a gap"
        );
        assert!(both.last().unwrap().rms > 8_500.0, "both are heard");
        bench.remove(first);
        let left = bench.hear(500);
        assert!(
            left.iter().all(|buffer| buffer.rms > 2_500.0),
            "the first leaves without a gap"
        );
        bench.remove(second);
        bench.hear(400);
        assert!(
            bench.hear(300).iter().all(|buffer| buffer.rms < 1.0),
            "nobody is left"
        );
        let third = bench.add(0, 700.0);
        without_gaps(&bench.hear(2_000), one);
        bench.remove(third);

        let heard = bench.heard.lock().unwrap();
        let step = |pair: &[Heard]| pair[1].at_ms.checked_sub(pair[0].at_ms);
        // How it starts, before there is a track, is heard by nobody.
        let odd: Vec<&[Heard]> = heard[10..]
            .windows(2)
            .filter(|pair| step(pair) != Some(10))
            .collect();
        assert!(odd.is_empty(), "the mixer loses its pace: {odd:?}");
        let mut delays: Vec<i64> = heard[10..].iter().map(|buffer| buffer.delay_ms).collect();
        delays.sort_unstable();
        let median = delays[delays.len() / 2];
        println!(
            "from the network to the mixer's output: median {median} ms, {} to {}",
            delays[0],
            delays[delays.len() - 1]
        );
        assert!(median <= 65, "{median} ms");
    })
}
