// SPDX-License-Identifier: MPL-2.0
//! A process of WebRTC connections, each with one Opus track each way, told line by line what to do. On
//! which element they run it is told by name: rtcbin and webrtcbin are used in the same way.
//!
//! What is said was encoded beforehand, and goes from one thread straight into the pads: no other element
//! stands between, so what is measured is the connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gst::glib;
use gst::prelude::*;
use gst_webrtc::{
    WebRTCICEGatheringState, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription,
};
use serde::{Deserialize, Serialize};
use sip_ua::sdp::Codec;

use crate::load::{Media, Sound, Speech};
use crate::process::serve;

/// How long a connection may take to know its candidates.
const PATIENCE: Duration = Duration::from_secs(20);

/// Packets leave at so many moments of each 20 ms.
const SLOTS: usize = 4;
const SLOT: Duration = Duration::from_millis(20 / SLOTS as u64);

const CAPS: &str = "application/x-rtp,media=audio,encoding-name=OPUS,payload=96,clock-rate=48000,encoding-params=(string)2";

/// What it is asked. Descriptions hold all candidates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Question {
    /// One more that has no connection: what this process takes for itself.
    Alone,
    /// One more connection, which offers.
    Offer,
    /// The same for a phone that is called there, made Opus in this way: what it says goes into the
    /// connection, and what comes out of that to the phone.
    Phone { uri: String, encoding: String },
    /// One more connection, which answers this.
    Answer(String),
    /// The answer to the connection that offered last.
    Answered(String),
    /// How they do.
    State,
    /// From now on all talk.
    Talk,
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    Description(String),
    Done,
    State(State),
    Refused(String),
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct State {
    pub connected: usize,
    /// Packets that came, of all connections.
    pub heard: u64,
}

/// Serves standard input until it ends. `element`: what connections run on.
pub fn run(element: &str) -> Result<()> {
    gst::init().context("GStreamer does not start")?;
    gstsipbridge::register_once().context("the plugin does not register")?;
    let mut legs = Legs::new(element)?;
    serve(|question| legs.obey(question), Answer::Refused)?;
    legs.talking.stop.store(true, Ordering::Relaxed);
    Ok(())
}

/// What of a connection the thread that talks needs.
struct Mouth {
    pad: gst::Pad,
    pipeline: gst::Pipeline,
    frame: usize,
    sequence: u16,
}

#[derive(Default)]
struct Talking {
    mouths: Mutex<Vec<Mouth>>,
    stop: AtomicBool,
}

/// A connection, and what keeps its pads alive.
struct Leg {
    pipeline: gst::Pipeline,
    element: gst::Element,
    /// None: somebody else talks.
    mouth: Option<gst::Pad>,
    _ears: Arc<Mutex<Vec<gst::Pad>>>,
}

impl Drop for Leg {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

struct Legs {
    element: String,
    legs: Vec<Leg>,
    heard: Arc<AtomicU64>,
    talking: Arc<Talking>,
    media: Arc<Media>,
}

impl Legs {
    fn new(element: &str) -> Result<Legs> {
        Ok(Legs {
            element: element.to_owned(),
            legs: Vec::new(),
            heard: Arc::default(),
            talking: Arc::default(),
            media: Speech::load()?.encode(Sound::Phone, Codec::Opus)?,
        })
    }

    fn obey(&mut self, question: Question) -> Result<Answer> {
        Ok(match question {
            Question::Alone => {
                self.legs.push(self.alone()?);
                Answer::Done
            }
            Question::Offer => self.offer(self.leg()?)?,
            Question::Phone { uri, encoding } => self.offer(self.phone(&uri, &encoding)?)?,
            Question::Answer(offer) => {
                let leg = self.leg()?;
                leg.apply(
                    "set-remote-description",
                    &described(WebRTCSDPType::Offer, &offer)?,
                )?;
                let answer = leg.create("create-answer", "answer")?;
                leg.apply("set-local-description", &answer)?;
                let text = leg.gathered()?;
                self.legs.push(leg);
                Answer::Description(text)
            }
            Question::Answered(answer) => {
                let leg = self.legs.last().context("nobody offered")?;
                leg.apply(
                    "set-remote-description",
                    &described(WebRTCSDPType::Answer, &answer)?,
                )?;
                Answer::Done
            }
            Question::State => Answer::State(State {
                connected: self.legs.iter().filter(|leg| leg.is_connected()).count(),
                heard: self.heard.load(Ordering::Relaxed),
            }),
            Question::Talk => {
                self.talk();
                Answer::Done
            }
        })
    }

    fn offer(&mut self, leg: Leg) -> Result<Answer> {
        let offer = leg.create("create-offer", "offer")?;
        leg.apply("set-local-description", &offer)?;
        let text = leg.gathered()?;
        self.legs.push(leg);
        Ok(Answer::Description(text))
    }

    /// The element of a connection, in a pipeline of its own.
    fn connection(&self) -> Result<(gst::Pipeline, gst::Element)> {
        let element = gst::ElementFactory::make(&self.element).build()?;
        match self.element.as_str() {
            "rtcbin" => {
                element.set_property_from_str("local-addresses", "127.0.0.1");
                // What is heard is counted, or goes to `sipbin`: neither waits.
                element.set_property_from_str("handover", "direct");
            }
            _ => {
                element.set_property_from_str("bundle-policy", "max-bundle");
                stay_on_loopback(&element)?;
            }
        }
        let pipeline = gst::Pipeline::new();
        pipeline.add(&element)?;
        Ok((pipeline, element))
    }

    fn leg(&self) -> Result<Leg> {
        let (pipeline, element) = self.connection()?;
        let ears: Arc<Mutex<Vec<gst::Pad>>> = Arc::default();
        let (kept, heard) = (ears.clone(), self.heard.clone());
        element.connect_pad_added(move |_, pad| {
            if pad.direction() == gst::PadDirection::Src {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                match listen(pad, &heard) {
                    Ok(ear) => kept.push(ear),
                    Err(error) => eprintln!("what comes cannot be heard: {error:#}"),
                }
            }
        });
        let sink = element
            .request_pad_simple("sink_0")
            .context("it takes no track")?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Leg {
            mouth: Some(mouth(&sink)?),
            pipeline,
            element,
            _ears: ears,
        })
    }

    fn phone(&self, uri: &str, encoding: &str) -> Result<Leg> {
        let (pipeline, element) = self.connection()?;
        let launch =
            format!("sipbin name=phone codecs=<pcmu> phone.src ! {encoding} ! rtpopuspay pt=96");
        let bin = gst::parse::bin_from_description(&launch, true)?;
        let phone = bin.by_name("phone").context("sipbin has no name")?;
        phone.set_property("uri", uri);
        pipeline.add(&bin)?;
        bin.link_pads(Some("src"), &element, Some("sink_0"))?;
        let said = bin.downgrade();
        element.connect_pad_added(move |_, pad| {
            let bin = said
                .upgrade()
                .filter(|_| pad.direction() == gst::PadDirection::Src);
            if let Some(sink) = bin.and_then(|bin| bin.static_pad("sink"))
                && let Err(error) = pad.link(&sink)
            {
                eprintln!("what comes does not get to the phone: {error}");
            }
        });
        pipeline.set_state(gst::State::Playing)?;
        Ok(Leg {
            mouth: None,
            pipeline,
            element,
            _ears: Arc::default(),
        })
    }

    fn alone(&self) -> Result<Leg> {
        let element = gst::ElementFactory::make("identity").build()?;
        let pipeline = gst::Pipeline::new();
        pipeline.add(&element)?;
        pipeline.set_state(gst::State::Playing)?;
        let pad = |name| element.static_pad(name).context("identity has two pads");
        let ear = listen(&pad("src")?, &self.heard)?;
        Ok(Leg {
            mouth: Some(mouth(&pad("sink")?)?),
            _ears: Arc::new(Mutex::new(vec![ear])),
            pipeline,
            element,
        })
    }

    fn talk(&self) {
        let mut mouths = self
            .talking
            .mouths
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (number, leg) in self.legs.iter().enumerate().skip(mouths.len()) {
            mouths.extend(leg.mouth.clone().map(|pad| Mouth {
                pad,
                pipeline: leg.pipeline.clone(),
                frame: number * 37,
                sequence: number as u16,
            }));
        }
        drop(mouths);
        let (talking, media) = (self.talking.clone(), self.media.clone());
        std::thread::spawn(move || talk(&talking, &media));
    }
}

/// A pad that counts what comes out of another.
fn listen(pad: &gst::Pad, heard: &Arc<AtomicU64>) -> Result<gst::Pad> {
    let heard = heard.clone();
    let ear = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, _| {
            heard.fetch_add(1, Ordering::Relaxed);
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    ear.set_active(true)?;
    pad.link_full(&ear, gst::PadLinkCheck::empty())?;
    Ok(ear)
}

/// A pad that speaks into another.
fn mouth(sink: &gst::Pad) -> Result<gst::Pad> {
    let mouth = gst::Pad::builder(gst::PadDirection::Src)
        .name("mouth")
        .build();
    mouth.set_active(true)?;
    mouth.link_full(sink, gst::PadLinkCheck::empty())?;
    let caps: gst::Caps = CAPS.parse()?;
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    for event in [
        gst::event::StreamStart::new("mouth"),
        gst::event::Caps::new(&caps),
        gst::event::Segment::new(&segment),
    ] {
        ensure!(mouth.push_event(event), "what it says is not taken");
    }
    Ok(mouth)
}

fn talk(talking: &Talking, media: &Media) {
    let started = Instant::now();
    for slot in 0u32.. {
        if talking.stop.load(Ordering::Relaxed) {
            return;
        }
        let due = started + SLOT * slot;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut mouths = talking
            .mouths
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = mouths.iter_mut().skip(slot as usize % SLOTS);
        for mouth in now.step_by(SLOTS) {
            mouth.say(media);
        }
    }
}

impl Mouth {
    fn say(&mut self, media: &Media) {
        let at = self.frame % media.frames.len().max(1);
        let payload = media.frames.get(at).map(Vec::as_slice).unwrap_or_default();
        let timestamp = (self.frame as u32).wrapping_mul(media.step());
        let mut packet = Vec::with_capacity(12 + payload.len());
        packet.extend_from_slice(&[0x80, 96]);
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&[0x51, 0x50, 0, 1]);
        packet.extend_from_slice(payload);
        self.frame += 1;
        self.sequence = self.sequence.wrapping_add(1);
        let mut buffer = gst::Buffer::from_slice(packet);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(self.pipeline.current_running_time());
        }
        // A connection that ended says so elsewhere.
        let _ = self.pad.push(buffer);
    }
}

impl Leg {
    fn promised(&self, signal: &str, arguments: &[&dyn ToValue]) -> Result<Option<gst::Structure>> {
        let promise = gst::Promise::new();
        let mut all = arguments.to_vec();
        all.push(&promise);
        self.element.emit_by_name::<()>(signal, &all);
        ensure!(
            promise.wait() == gst::PromiseResult::Replied,
            "{signal}: no reply"
        );
        let reply = promise.get_reply().map(|reply| reply.to_owned());
        match reply
            .as_ref()
            .map(|reply| reply.get::<glib::Error>("error"))
        {
            Some(Ok(error)) => bail!("{signal}: {error}"),
            _ => Ok(reply),
        }
    }

    fn create(&self, signal: &str, field: &str) -> Result<WebRTCSessionDescription> {
        let reply = self.promised(signal, &[&None::<gst::Structure>])?;
        let reply = reply.with_context(|| format!("{signal}: nothing"))?;
        Ok(reply.get(field)?)
    }

    fn apply(&self, signal: &str, description: &WebRTCSessionDescription) -> Result<()> {
        self.promised(signal, &[description]).map(|_| ())
    }

    fn is_connected(&self) -> bool {
        // What is measured alone has none.
        self.element.has_property("connection-state") && {
            let state: WebRTCPeerConnectionState = self.element.property("connection-state");
            state == WebRTCPeerConnectionState::Connected
        }
    }

    /// The local description, once all candidates are in it.
    fn gathered(&self) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state: WebRTCICEGatheringState = self.element.property("ice-gathering-state");
            if state == WebRTCICEGatheringState::Complete {
                let local: Option<WebRTCSessionDescription> =
                    self.element.property("local-description");
                let local = local.context("there is no local description")?;
                return Ok(local.sdp().as_text()?);
            }
            ensure!(Instant::now() < deadline, "candidates are not gathered");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn described(kind: WebRTCSDPType, text: &str) -> Result<WebRTCSessionDescription> {
    let message = gst_sdp::SDPMessage::parse_buffer(text.as_bytes())?;
    Ok(WebRTCSessionDescription::new(kind, message))
}

fn stay_on_loopback(webrtcbin: &gst::Element) -> Result<()> {
    let agent: gst::Object = webrtcbin.property("ice-agent");
    ensure!(
        agent.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]),
        "webrtcbin does not take an address"
    );
    let nice: glib::Object = agent.property("agent");
    // No router is asked for port mappings.
    nice.set_property("upnp", false);
    Ok(())
}
