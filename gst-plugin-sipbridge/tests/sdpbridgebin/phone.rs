// SPDX-License-Identifier: MPL-2.0
//! A phone without signalling, and the bridge between two of them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gstsipbridge::context::Context;
use gstsipbridge::media::{self, AudioOut, Format, MediaConfig, MediaEvent, MediaHandle, OutFrame};
use sip_ua::sdp::{self, Codec, LocalMedia, LocalSrtp, Negotiated, SrtpPolicy};

use crate::kit::{Line, PATIENCE, RATE_HZ, eventually, init, match_of};

const PTIME: Duration = Duration::from_millis(20);
const FRAME: usize = RATE_HZ / 50;

type Heard = Arc<Mutex<Vec<i16>>>;

struct Ear {
    since: Instant,
    heard: Heard,
}

impl AudioOut for Ear {
    fn running_time(&self) -> Option<gst::ClockTime> {
        let ns = self.since.elapsed().as_nanos() as u64;
        Some(gst::ClockTime::from_nseconds(ns))
    }

    fn frame(&mut self, frame: OutFrame) {
        let OutFrame::Audio(buffer) = frame else {
            return;
        };
        let map = buffer.map_readable().unwrap();
        let samples = map
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
        self.heard.lock().unwrap().extend(samples);
    }
}

pub struct Phone {
    pub media: MediaHandle,
    pub local: LocalMedia,
    offered: Vec<u8>,
    heard: Heard,
    events: Receiver<MediaEvent>,
    /// Ends what it says.
    mouth: Option<(Sender<()>, std::thread::JoinHandle<()>)>,
}

impl Phone {
    pub fn new(codecs: &[Codec]) -> Phone {
        Phone::at(IpAddr::from([127, 0, 0, 1]), codecs)
    }

    pub fn secure(codecs: &[Codec]) -> Phone {
        let mut phone = Phone::new(codecs);
        phone.local.srtp = LocalSrtp::new(SrtpPolicy::Required);
        phone
    }

    pub fn at(address: IpAddr, codecs: &[Codec]) -> Phone {
        init();
        let (media, events) = open(address);
        let port = media.local_rtp().port();
        let phone = Phone {
            media,
            local: LocalMedia::new(address, port, codecs.to_vec()),
            offered: Vec::new(),
            heard: Heard::default(),
            events,
            mouth: None,
        };
        phone.listen();
        phone
    }

    fn listen(&self) {
        let ear = Ear {
            since: Instant::now(),
            heard: self.heard.clone(),
        };
        let format = Format::Raw {
            rate_hz: RATE_HZ as u32,
        };
        self.media.set_output(Some((format, Box::new(ear))));
    }

    /// Goes on at another port; to be told by the next description.
    pub fn move_away(&mut self) {
        let (media, events) = open(self.local.address);
        self.local.rtp_port = media.local_rtp().port();
        (self.media, self.events) = (media, events);
        self.listen();
    }

    pub fn offer(&mut self) -> String {
        self.local.session = self.local.session.next();
        self.offered = match self.offered.is_empty() {
            true => sdp::offer(&self.local),
            false => sdp::reoffer(&self.local, &self.offered),
        };
        String::from_utf8(self.offered.clone()).unwrap()
    }

    pub fn answer(&mut self, offer: &str) -> String {
        let (answer, agreed) = sdp::answer(&self.local, offer.as_bytes()).unwrap();
        self.apply(agreed);
        self.offered = answer.clone();
        String::from_utf8(answer).unwrap()
    }

    pub fn accept(&self, answer: &str) -> Negotiated {
        let agreed = sdp::accept_answer(&self.local, &self.offered, answer.as_bytes()).unwrap();
        self.apply(agreed.clone());
        agreed
    }

    fn apply(&self, agreed: Negotiated) {
        self.media.apply(agreed).unwrap();
    }

    /// Begins to say this, from now on at the pace of speech, in place of what it said before.
    pub fn say(&mut self, samples: &[i16]) {
        self.hush();
        let mut left: VecDeque<i16> = samples.iter().copied().collect();
        let (stop, stopped) = channel::<()>();
        let input = self.media.input();
        let thread = std::thread::spawn(move || {
            let begin = Instant::now();
            for number in 0_u32.. {
                let wait = (begin + PTIME * number).saturating_duration_since(Instant::now());
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout)
                    || left.len() < FRAME
                {
                    return;
                }
                let bytes: Vec<u8> = left.drain(..FRAME).flat_map(i16::to_le_bytes).collect();
                let format = Format::Raw {
                    rate_hz: RATE_HZ as u32,
                };
                input.push(format, gst::Buffer::from_slice(bytes));
            }
        });
        self.mouth = Some((stop, thread));
    }

    /// Stops saying anything.
    pub fn hush(&mut self) {
        if let Some((stop, thread)) = self.mouth.take() {
            // It may have said all.
            let _ = stop.send(());
            thread.join().unwrap();
        }
    }

    pub fn heard(&self) -> Vec<i16> {
        self.heard.lock().unwrap().clone()
    }

    /// What was heard so far does not count.
    pub fn forget(&self) {
        self.heard.lock().unwrap().clear();
    }

    /// Waits until half a second of what was `said` was heard. Returns how much like it that was, 1 at the most.
    pub fn wait_heard(&self, said: &[i16]) -> f64 {
        let mut judged = 0;
        let mut found = None;
        eventually("words that arrive whole", || {
            let heard = self.heard();
            // Not with every packet: to judge takes time that those who speak need.
            if heard.len() < judged + RATE_HZ / 2 {
                return false;
            }
            judged = heard.len();
            let mut matches = (0..=3).map(|second| match_of(said, &heard, second * RATE_HZ));
            found = matches.find(|alike| *alike >= 0.8);
            found.is_some()
        });
        found.unwrap()
    }

    pub fn wait_digit(&self) -> char {
        loop {
            if let MediaEvent::Digit { digit, .. } = self.events.recv_timeout(PATIENCE).unwrap() {
                return digit;
            }
        }
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.hush();
    }
}

fn open(address: IpAddr) -> (MediaHandle, Receiver<MediaEvent>) {
    let context = Context::default_for_new_call().unwrap();
    let (tell, events) = channel();
    let config = MediaConfig {
        bind: address,
        ports: 20_000..=60_000,
        ..MediaConfig::default()
    };
    let told = Box::new(move |event| {
        // The phone may have moved away.
        let _ = tell.send(event);
    });
    let media = media::open(&context, config, told).unwrap();
    (media, events)
}

/// A refusal: the sentence, and the SIP status.
pub type Refused = (String, u32);

/// The element, on loopback.
pub struct Bridge {
    pub line: Line,
    pub element: gst::Element,
}

impl Bridge {
    /// With these properties, in PLAYING.
    pub fn new(properties: &str) -> Bridge {
        let bridge = Bridge::stopped(properties);
        bridge.line.play();
        bridge
    }

    pub fn stopped(properties: &str) -> Bridge {
        let own = |name: &str| {
            let is_said = properties.contains(&format!("{name}="));
            let side = format!("{name}=\"side,address=127.0.0.1\"");
            if is_said { String::new() } else { side }
        };
        let line = Line::new(&format!(
            "sdpbridgebin name=b media-ports=20000-60000 {} {} {properties}",
            own("side-a"),
            own("side-b")
        ));
        let element = line.element("b");
        Bridge { line, element }
    }

    pub fn ask(&self, signal: &str, fields: Option<gst::Structure>) -> gst::Structure {
        ask(&self.element, signal, fields)
    }

    /// A description in, a description out.
    pub fn pass(&self, signal: &str, fields: &[(&str, &str)]) -> Result<String, Refused> {
        let mut structure = gst::Structure::new_empty("fields");
        for (name, text) in fields {
            structure.set(*name, *text);
        }
        described(&self.ask(signal, Some(structure)))
    }

    pub fn offer(&self, from: &str, sdp: &str) -> Result<String, Refused> {
        self.pass("pass-offer", &[("sdp", sdp), ("from-tag", from)])
    }

    pub fn answer(&self, from: &str, to: &str, sdp: &str) -> Result<String, Refused> {
        self.pass(
            "pass-answer",
            &[("sdp", sdp), ("from-tag", from), ("to-tag", to)],
        )
    }

    /// One offers, the other answers.
    pub fn join(
        &self,
        (from, caller): (&str, &mut Phone),
        (to, callee): (&str, &mut Phone),
    ) -> Negotiated {
        let offer = self.offer(from, &caller.offer()).unwrap();
        let answer = callee.answer(&offer);
        caller.accept(&self.answer(from, to, &answer).unwrap())
    }

    /// Alice calls Bob.
    pub fn call(&self, alice: &mut Phone, bob: &mut Phone) -> Negotiated {
        self.join(("alice", alice), ("bob", bob))
    }

    pub fn stats(&self, side: &str) -> gst::Structure {
        let stats: gst::Structure = self.element.property("stats");
        stats
            .get(side)
            .unwrap_or_else(|_| panic!("{side} in {stats}"))
    }

    /// The next message of this name.
    pub fn wait(&self, name: &str) -> gst::Structure {
        self.line.wait(name, |message| {
            let structure = message.structure().filter(|s| s.name() == name)?;
            Some(structure.to_owned())
        })
    }
}

/// Emits an action signal of a bridge, and returns its reply.
pub fn ask(element: &gst::Element, signal: &str, fields: Option<gst::Structure>) -> gst::Structure {
    let promise = gst::Promise::new();
    element.emit_by_name::<()>(signal, &[&fields, &promise]);
    promise.wait();
    promise.get_reply().unwrap().to_owned()
}

pub fn described(reply: &gst::Structure) -> Result<String, Refused> {
    match reply.get::<glib::Error>("error") {
        Ok(error) => Err((error.message().to_owned(), reply.get("code").unwrap())),
        Err(_) => Ok(reply.get("sdp").unwrap()),
    }
}

/// The ports of the m=audio lines of these descriptions.
pub fn ports(descriptions: &[&str]) -> Vec<u16> {
    let lines = descriptions.iter().flat_map(|sdp| sdp.lines());
    lines
        .filter_map(|line| line.strip_prefix("m=audio "))
        .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// Both speak, and each hears what the other says. Returns how much like it that is, there and back.
pub fn hear_each_other(alice: &mut Phone, bob: &mut Phone) -> [f64; 2] {
    let (of_alice, of_bob) = (crate::kit::voice(11, 5.0), crate::kit::voice(22, 5.0));
    alice.forget();
    bob.forget();
    alice.say(&of_alice);
    bob.say(&of_bob);
    let there = bob.wait_heard(&of_alice);
    [there, alice.wait_heard(&of_bob)]
}
