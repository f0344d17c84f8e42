// SPDX-License-Identifier: MPL-2.0
//! Two calls' media talking to each other over loopback, on one context and in real time.

mod a_bridge_joins_two_phones;
mod a_call_moves;
mod a_thread_that_is_held_up_is_not_heard;
mod changes_codec_under_fixed_caps;
mod closes_at_once;
mod delay_is_given_back;
mod digits_cross;
mod impulse_comes_through_soon;
mod jitter_of_sixty_milliseconds;
mod keys_of_rtpdtmfsrc;
mod losses_are_filled;
mod opus_is_as_it_is_wanted;
mod paces_what_comes_in_lumps;
mod passes_encoded_through;
mod pauses_are_not_sent;
mod sends_every_packet_time;
mod silence_nobody_hears_is_not_decoded;
mod speaks_both_ways;
mod ticks_follow_the_clock;
mod tones_cross;
mod wired;
mod words_after_rest_are_clear;

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use sip_ua::sdp::{Codec, Direction, Negotiated};
use sipbridge_measure::steady::asserted_steadily;

use super::*;
use crate::context::MAX_WAIT;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

struct Ear {
    since: Instant,
    frames: Sender<OutFrame>,
}

impl AudioOut for Ear {
    fn running_time(&self) -> Option<gst::ClockTime> {
        let ns = self.since.elapsed().as_nanos() as u64;
        Some(gst::ClockTime::from_nseconds(ns))
    }

    fn frame(&mut self, frame: OutFrame) {
        // A test that has heard enough has left.
        let _ = self.frames.send(frame);
    }
}

/// One end of a call.
struct End {
    media: MediaHandle,
    events: Receiver<MediaEvent>,
}

impl End {
    fn open(context: &Context) -> End {
        gst::init().unwrap();
        let (told, events) = channel();
        let config = MediaConfig {
            ports: 20_000..=60_000,
            ..MediaConfig::default()
        };
        let events_to = Box::new(move |event| {
            let _ = told.send(event);
        });
        let media = open(context, config, events_to).unwrap();
        End { media, events }
    }

    fn agree(&self, with: SocketAddr, codec: Codec) {
        self.media.apply(agreement(with, codec)).unwrap();
    }

    fn listen(&self, format: Format) -> Receiver<OutFrame> {
        let (frames, heard) = channel();
        let ear = Ear {
            since: Instant::now(),
            frames,
        };
        self.media.set_output(Some((format, Box::new(ear))));
        heard
    }

    fn wait_for(&self, wanted: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
        loop {
            let event = self.events.recv_timeout(PATIENCE).unwrap();
            if wanted(&event) {
                return event;
            }
        }
    }
}

fn agreement(with: SocketAddr, codec: Codec) -> Negotiated {
    let receive = vec![
        (0, Codec::Pcmu),
        (8, Codec::Pcma),
        (9, Codec::G722),
        (112, Codec::L16),
        (111, Codec::Opus),
    ];
    let send_pt = receive.iter().find(|(_, known)| *known == codec).unwrap().0;
    Negotiated {
        remote_rtp: with,
        remote_rtcp: SocketAddr::new(with.ip(), with.port() + 1),
        rtcp_mux: false,
        direction: Direction::SendRecv,
        codec,
        send_pt,
        receive,
        telephone_event_send: Some((101, codec.clock_rate())),
        telephone_event_receive: vec![(101, codec.clock_rate())],
        comfort_noise_send: None,
        comfort_noise_receive: vec![13],
        ptime_ms: 20,
        srtp: None,
        dtls: None,
        opus_fmtp: sip_ua::sdp::OpusFmtp::OURS,
    }
}

/// Two ends of one call.
fn call(codec: Codec) -> (Context, End, End) {
    let context = Context::acquire("media-test", MAX_WAIT).unwrap();
    let (a, b) = (End::open(&context), End::open(&context));
    a.agree(b.media.local_rtp(), codec);
    b.agree(a.media.local_rtp(), codec);
    (context, a, b)
}

/// A tone pushed in live: 20 ms each 20 ms, from a thread of its own, until it is dropped.
struct Mouth {
    stop: Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Mouth {
    fn speak(end: &End, rate_hz: u32, hz: f64) -> Mouth {
        let input = end.media.input();
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            for frame in 0u32.. {
                let due = begin + Duration::from_millis(20) * frame;
                let wait = due.saturating_duration_since(Instant::now());
                // The pace of a live source; ends when the mouth is dropped.
                if !matches!(
                    stopped.recv_timeout(wait),
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                ) {
                    return;
                }
                let bytes = tone(rate_hz, hz, frame);
                input.push(Format::Raw { rate_hz }, gst::Buffer::from_slice(bytes));
            }
        });
        Mouth {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn tone(rate_hz: u32, hz: f64, frame: u32) -> Vec<u8> {
    let samples = rate_hz / 50;
    (0..samples)
        .flat_map(|i| {
            let t = f64::from(frame * samples + i) / f64::from(rate_hz);
            ((f64::sin(t * hz * std::f64::consts::TAU) * 8_000.0) as i16).to_le_bytes()
        })
        .collect()
}

/// What was heard from the first loud frame on, until it is this long.
fn listen_to(heard: &Receiver<OutFrame>, wanted: Duration, rate_hz: u32) -> Vec<i16> {
    let wanted = (wanted.as_secs_f64() * f64::from(rate_hz)) as usize;
    let mut pcm: Vec<i16> = Vec::new();
    let mut next: Option<gst::ClockTime> = None;
    while pcm.len() < wanted {
        let OutFrame::Audio(buffer) = heard.recv_timeout(PATIENCE).unwrap() else {
            panic!("raw audio has no gaps");
        };
        let pts = buffer.pts().unwrap();
        if let Some(next) = next
            && !buffer.flags().contains(gst::BufferFlags::DISCONT)
        {
            assert_eq!(pts, next);
        }
        next = Some(pts + buffer.duration().unwrap());
        let map = buffer.map_readable().unwrap();
        assert_eq!(map.len() as u32, rate_hz / 50 * 2);
        let mut frame = Vec::new();
        crate::codec::chain::append_samples(&map, &mut frame);
        if !pcm.is_empty() || frame.iter().any(|sample| sample.abs() > 4_000) {
            pcm.extend(frame);
        }
    }
    pcm
}

/// The frequency, by counting how often the wave goes up through zero.
fn pitch(pcm: &[i16], rate_hz: u32) -> f64 {
    let ups = pcm.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    ups as f64 * f64::from(rate_hz) / pcm.len() as f64
}

/// The longest run of near silence.
fn longest_gap(pcm: &[i16], rate_hz: u32) -> Duration {
    let longest = pcm
        .split(|sample| sample.abs() > 500)
        .map(<[i16]>::len)
        .max();
    Duration::from_secs_f64(longest.unwrap_or(0) as f64 / f64::from(rate_hz))
}
