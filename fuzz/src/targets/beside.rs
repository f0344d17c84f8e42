// SPDX-License-Identifier: MPL-2.0
//! Real bridges on one media thread: some are given a spoiled description, as an offer, as an answer and as an offer
//! in between, and the one beside them goes on to pass packets at once. Of the others nothing is left: no port, no
//! descriptor, no thread.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gstsipbridge::context::{Context, MAX_WAIT};
use rtp_types::RtpPacketBuilder;
use sip_ua::sdp::{Codec, LocalMedia, answer, offer};

use super::bridge::{Keys, phone};
use super::sdp;
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "beside",
    about: "descriptions for bridges of media, beside another one",
    seeds,
    words: &[
        "m=audio 4000 RTP/AVP 0\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "m=video 4010 RTP/AVP 96\r\n",
        "c=IN IP4 127.0.0.1\r\n",
        "c=IN IP4 0.0.0.0\r\n",
        "c=IN IP6 ::1\r\n",
        "a=rtpmap:96 opus/48000/2\r\n",
        "a=rtpmap:101 telephone-event/48000\r\n",
        "a=ptime:60\r\n",
        "a=sendonly\r\n",
        "a=inactive\r\n",
        "a=rtcp:9\r\n",
        "a=rtcp-mux\r\n",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n",
        "a=setup:passive\r\n",
        "a=setup:actpass\r\n",
        "a=tls-id:AbCdEfGhIjKlMnOpQrStUvWx\r\n",
        "a=ice-lite\r\n",
        "a=ice-ufrag:abcd\r\n",
        "a=fingerprint:sha-256 00:00\r\n",
        "a=candidate:1 1 UDP 2130706431 127.0.0.1 9 typ host\r\n",
        "a=end-of-candidates\r\n",
        "G722/8000",
    ],
    short: 120,
    run,
};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const THREAD: &str = "beside";
/// What a packet takes on a busy machine, and far less than anything that waits.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Until the first of them passes.
const BEGINS: Duration = Duration::from_secs(10);
const PT_PCMA: u8 = 8;

/// Kept from one input to the next: each is to find it as it was.
static STAGE: Mutex<Option<Stage>> = Mutex::new(None);

fn seeds() -> Vec<Vec<u8>> {
    // Those lead to where media may go.
    let all = Keys::ALL.map(|keys| phone(keys, HERE, 9));
    let mut seeds: Vec<Vec<u8>> = all.iter().map(offer).collect();
    let answers = all
        .iter()
        .zip(&seeds)
        .map(|(local, theirs)| answer(local, theirs).expect("our own offer").0);
    let answers: Vec<Vec<u8>> = answers.collect();
    seeds.extend(answers);
    seeds.extend(sdp::seeds());
    seeds
}

fn run(theirs: &[u8], traits: &mut Traits) {
    let mut kept = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    // Where this one is a finding, the next one has a stage of its own.
    let mut stage = kept.take().unwrap_or_else(Stage::open);
    // What signalling hands over is text, and ends where C has it end.
    let theirs = String::from_utf8_lossy(theirs).replace('\0', "");
    for (keys, bridge) in &stage.others {
        for way in [Way::First, Way::Answer, Way::Later] {
            let mut said = Vec::new();
            match way.feed(*keys, bridge, &theirs, &mut said) {
                Ok(()) => traits.see((keys, way)),
                Err(sentence) => traits.sentence(sentence),
            }
            stage.beside.passes(AT_ONCE);
            let _ = bridge.set_state(gst::State::Null);
            are_free(&said);
            let up = bridge.set_state(gst::State::Playing);
            up.expect("a bridge that begins anew");
        }
    }
    stage.has_what_it_had();
    *kept = Some(stage);
}

/// What a description is given as.
#[derive(Clone, Copy, Hash)]
enum Way {
    First,
    Answer,
    Later,
}

impl Way {
    /// Whether it was taken, or why not. What the bridge says is added to `said`.
    fn feed(
        self,
        keys: Keys,
        bridge: &gst::Element,
        theirs: &str,
        said: &mut Vec<String>,
    ) -> Result<(), String> {
        let good = phone(keys, HERE, 9);
        let mut ask = |signal: &str, from: &str, sdp: &str| {
            let told = pass(bridge, signal, from, sdp)?;
            said.push(told.clone());
            Ok::<String, String>(told)
        };
        if let Way::First = self {
            return ask("pass-offer", "alice", theirs).map(drop);
        }
        let offered = ask("pass-offer", "alice", &text(&offer(&good))).expect("a good offer");
        if let Way::Answer = self {
            return ask("pass-answer", "alice", theirs).map(drop);
        }
        let (answered, _) = answer(&good, offered.as_bytes()).expect("our own offer");
        ask("pass-answer", "alice", &text(&answered)).expect("a good answer");
        ask("pass-offer", "to", theirs).map(drop)
    }
}

fn text(sdp: &[u8]) -> String {
    String::from_utf8_lossy(sdp).into_owned()
}

/// What a bridge says to that, or why it does not want it.
fn pass(bridge: &gst::Element, signal: &str, from: &str, sdp: &str) -> Result<String, String> {
    let fields = gst::Structure::builder("fields");
    let fields = fields.field("sdp", sdp).field("from-tag", from).build();
    let promise = gst::Promise::new();
    bridge.emit_by_name::<()>(signal, &[&Some(fields), &promise]);
    promise.wait();
    let reply = promise.get_reply().expect("a reply");
    match reply.get::<glib::Error>("error") {
        Ok(error) => Err(error.message().to_owned()),
        Err(_) => Ok(reply.get("sdp").expect("a description")),
    }
}

/// The port of its media.
fn port(sdp: &str) -> Option<u16> {
    let mut lines = sdp.lines();
    let rest = lines.find_map(|line| line.strip_prefix("m=audio "))?;
    rest.split(' ').next()?.parse().ok()
}

/// The ports that these descriptions name, and the next ones, for RTCP.
fn are_free(said: &[String]) {
    let named = said.iter().filter_map(|sdp| port(sdp));
    for port in named
        .filter(|port| *port != 0)
        .flat_map(|port| [port, port + 1])
    {
        let taken = UdpSocket::bind((HERE, port)).err();
        assert!(taken.is_none(), "port {port} is left: {taken:?}");
    }
}

struct Stage {
    pipeline: gst::Pipeline,
    thread: Context,
    beside: Beside,
    /// Which are given what is spoiled.
    others: Vec<(Keys, gst::Element)>,
    held: Held,
}

impl Stage {
    fn open() -> Stage {
        gst::init().expect("GStreamer");
        gstsipbridge::register_once().expect("our elements");
        let thread = Context::acquire(THREAD, MAX_WAIT).expect("a media thread");
        let pipeline = gst::Pipeline::new();
        // Nobody reads what they tell.
        let bus = pipeline.bus().expect("a pipeline has one");
        bus.set_flushing(true);
        let others = Keys::ALL.map(|keys| (keys, bridge(&pipeline, keys)));
        let between = bridge(&pipeline, Keys::ALL[0]);
        let up = pipeline.set_state(gst::State::Playing);
        up.expect("a pipeline of bridges");
        let mut beside = Beside::on(&between);
        beside.passes(BEGINS);
        let mut stage = Stage {
            pipeline,
            thread,
            beside,
            others: others.into(),
            held: Held::default(),
        };
        // What is made once is made by now.
        for (keys, bridge) in &stage.others {
            let fed = Way::Answer.feed(*keys, bridge, "", &mut Vec::new());
            fed.expect_err("a description of nothing");
            let _ = bridge.set_state(gst::State::Null);
            let _ = bridge.set_state(gst::State::Playing);
        }
        stage.held = stage.holds();
        stage
    }

    fn holds(&self) -> Held {
        let count = |folder| {
            fs::read_dir(folder)
                .expect("a folder of the system")
                .count()
        };
        let threads = fs::read_dir("/proc/self/task").expect("a folder of the system");
        let names =
            threads.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        Held {
            descriptors: count("/proc/self/fd"),
            // But for those that GLib keeps for a while for whatever is asked of its pool next.
            threads: names.filter(|name| !name.starts_with("pool-")).count(),
            panics: self.thread.stats().panics,
        }
    }

    fn has_what_it_had(&self) {
        let holds = self.holds();
        assert_eq!(
            holds, self.held,
            "of spoiled descriptions something is left"
        );
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// A bridge on the media thread of all of them, on loopback alone.
fn bridge(pipeline: &gst::Pipeline, keys: Keys) -> gst::Element {
    let side = gst::Structure::builder("side")
        .field("address", HERE.to_string())
        .field("srtp", keys.described().name())
        .field("dtls", keys.shakes())
        .build();
    let made = gst::ElementFactory::make("sdpbridgebin")
        .property("side-a", &side)
        .property("side-b", &side)
        .property("context", THREAD)
        .property("media-ports", "20000-60000")
        .build();
    let made = made.expect("our element");
    pipeline.add(&made).expect("a new element");
    made
}

/// What there is of each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    threads: usize,
    /// On the media thread.
    panics: u64,
}

/// Two far ends that hear each other, and nobody else.
struct Beside {
    ends: [(UdpSocket, SocketAddr); 2],
    began: Instant,
    sent: u16,
}

impl Beside {
    fn on(bridge: &gst::Element) -> Beside {
        let sockets = [(); 2].map(|()| UdpSocket::bind((HERE, 0)).expect("a socket"));
        let [alice, bob] = sockets.each_ref().map(|socket| {
            let port = socket.local_addr().expect("it is bound").port();
            LocalMedia::new(HERE, port, vec![Codec::Pcma])
        });
        let offered = pass(bridge, "pass-offer", "alice", &text(&offer(&alice)));
        let offered = offered.expect("a good offer");
        let (answered, _) = answer(&bob, offered.as_bytes()).expect("a good offer");
        let answered = pass(bridge, "pass-answer", "alice", &text(&answered));
        let answered = answered.expect("a good answer");
        let to = |sdp: &str| SocketAddr::new(HERE, port(sdp).expect("media"));
        let [alice, bob] = sockets;
        Beside {
            ends: [(alice, to(&answered)), (bob, to(&offered))],
            began: Instant::now(),
            sent: 0,
        }
    }

    /// A packet from each to the other, in this time.
    fn passes(&mut self, within: Duration) {
        let ms = self.began.elapsed().as_millis() as u32;
        self.sent = self.sent.wrapping_add(1);
        let words = self.sent.to_be_bytes().repeat(80);
        for (from, ssrc) in [(0, 7), (1, 8)] {
            let packet = RtpPacketBuilder::new()
                .payload_type(PT_PCMA)
                .sequence_number(self.sent)
                .timestamp(ms.wrapping_mul(8))
                .ssrc(ssrc)
                .payload(&words[..])
                .write_vec()
                .expect("a packet");
            let (speaks, to) = &self.ends[from];
            speaks.send_to(&packet, to).expect("it is sent");
            let deadline = Instant::now() + within;
            let mut heard = [0; 2_048];
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                assert!(!left.is_zero(), "the bridge beside stands still");
                let (hears, _) = &self.ends[1 - from];
                let wait = left.max(Duration::from_millis(1));
                hears.set_read_timeout(Some(wait)).expect("a time");
                let length = hears.recv(&mut heard).unwrap_or_default();
                if heard[..length].ends_with(&words) {
                    break;
                }
            }
        }
    }
}
