// SPDX-License-Identifier: MPL-2.0
//! A small application: it says something and hears what the other says. It knows nothing of which
//! element it runs on but the name.

use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{
    WebRTCICEGatheringState, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription,
};

use crate::kit::{Ear, Line, RATE_HZ, eventually, match_of, say_at, voice};

pub const RTCBIN: &str = "rtcbin";
pub const WEBRTCBIN: &str = "webrtcbin";

pub struct App {
    pub line: Line,
    pub rtc: gst::Element,
    ears: Arc<Mutex<Vec<Ear>>>,
}

fn mouth(number: usize, payload_type: usize) -> String {
    format!(
        "appsrc name=mouth{number} format=time caps=audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved \
         ! audioresample ! audio/x-raw,rate=48000 ! opusenc bitrate=64000 ! clocksync ! queue \
         ! rtpopuspay pt={payload_type} ! rtc.sink_{number}"
    )
}

impl App {
    /// On the element of this name, with something to say.
    pub fn speaking(factory: &str) -> App {
        App::with_mouths(factory, 1)
    }

    pub fn with_mouths(factory: &str, mouths: usize) -> App {
        let mouths = (0..mouths).map(|number| mouth(number, 96 + number));
        App::with(factory, mouths.collect())
    }

    /// With something to say, in Opus of this payload type: an answer has that of its offer.
    pub fn speaking_as(factory: &str, payload_type: usize) -> App {
        App::with(factory, vec![mouth(0, payload_type)])
    }

    /// With mouths of these descriptions, each of which ends in `rtc.sink_N`.
    pub fn with(factory: &str, mouths: Vec<String>) -> App {
        let settings = match factory {
            RTCBIN => "local-addresses=127.0.0.1",
            _ => "bundle-policy=max-bundle latency=40",
        };
        App::new(
            factory,
            &format!("{factory} name=rtc {settings} {}", mouths.join(" ")),
        )
    }

    pub fn new(factory: &str, launch: &str) -> App {
        App::leading(factory, launch, listen)
    }

    /// What it is sent goes nowhere.
    pub fn deaf(factory: &str, launch: &str) -> App {
        App::leading(factory, launch, |pipeline, pad, _| {
            let nowhere = gst::ElementFactory::make("fakesink")
                .property("sync", false)
                .property("async", false)
                .build()
                .unwrap();
            pipeline.add(&nowhere).unwrap();
            nowhere.sync_state_with_parent().unwrap();
            pad.link(&nowhere.static_pad("sink").unwrap()).unwrap();
        })
    }

    /// What it is sent goes to the pipeline's sipmixer `mix`, as it came.
    pub fn mixing(factory: &str, launch: &str) -> App {
        App::leading(factory, launch, |pipeline, pad, _| {
            let mixer = pipeline.by_name("mix").unwrap();
            let sink = mixer.request_pad_simple("sink_%u").unwrap();
            pad.link(&sink).unwrap();
        })
    }

    fn leading(
        factory: &str,
        launch: &str,
        lead: fn(&gst::Pipeline, &gst::Pad, &Mutex<Vec<Ear>>),
    ) -> App {
        let line = Line::new(launch);
        let rtc = line.element("rtc");
        if factory == WEBRTCBIN {
            stay_on_loopback(&rtc);
        }
        let ears: Arc<Mutex<Vec<Ear>>> = Arc::default();
        let (heard, pipeline) = (ears.clone(), line.pipeline.downgrade());
        rtc.connect_pad_added(move |_, pad| {
            if pad.direction() == gst::PadDirection::Src
                && let Some(pipeline) = pipeline.upgrade()
            {
                lead(&pipeline, pad, &heard);
            }
        });
        App { line, rtc, ears }
    }

    pub fn play(&self) {
        self.line.play();
    }

    /// Begins to speak for six seconds.
    pub fn say(&self, mouth: usize, seed: u64) -> Vec<i16> {
        let samples = voice(seed, 6.0);
        let now = self.line.pipeline.current_running_time();
        let name = format!("mouth{mouth}");
        say_at(&self.line, &name, &samples, now.unwrap_or_default());
        samples
    }

    /// One more thing to say, while it runs.
    pub fn add_mouth(&self, number: usize) {
        self.add(&mouth(number, 96 + number));
    }

    /// One more of this description, while it runs.
    pub fn add(&self, mouth: &str) {
        let (chain, _) = mouth.rsplit_once('!').unwrap();
        let bin = gst::parse::bin_from_description(chain, true).unwrap();
        // Names inside are found from the pipeline.
        self.line.pipeline.add(&bin).unwrap();
        let sink = self.rtc.request_pad_simple("sink_%u").unwrap();
        bin.static_pad("src").unwrap().link(&sink).unwrap();
        bin.sync_state_with_parent().unwrap();
    }

    fn promised(&self, signal: &str, arguments: &[&dyn ToValue]) -> Option<gst::Structure> {
        let promise = gst::Promise::new();
        let mut all = arguments.to_vec();
        all.push(&promise);
        self.rtc.emit_by_name::<()>(signal, &all);
        promise.wait();
        promise.get_reply().map(|reply| reply.to_owned())
    }

    pub fn create(&self, kind: WebRTCSDPType) -> WebRTCSessionDescription {
        self.create_with(kind, None)
    }

    /// An offer of new ICE credentials.
    pub fn create_restart(&self) -> WebRTCSessionDescription {
        let options = gst::Structure::builder("options").field("ice-restart", true);
        self.create_with(WebRTCSDPType::Offer, Some(options.build()))
    }

    fn create_with(
        &self,
        kind: WebRTCSDPType,
        options: Option<gst::Structure>,
    ) -> WebRTCSessionDescription {
        let (signal, field) = match kind {
            WebRTCSDPType::Offer => ("create-offer", "offer"),
            _ => ("create-answer", "answer"),
        };
        let reply = self.promised(signal, &[&options]).unwrap();
        reply.get(field).unwrap_or_else(|_| panic!("{reply}"))
    }

    /// The local description with all candidates.
    pub fn gathered(&self) -> WebRTCSessionDescription {
        eventually("candidates", || {
            let state: WebRTCICEGatheringState = self.rtc.property("ice-gathering-state");
            state == WebRTCICEGatheringState::Complete
        });
        self.rtc.property("local-description")
    }

    /// The error, if it was refused.
    pub fn apply(&self, signal: &str, description: &WebRTCSessionDescription) -> Option<String> {
        let reply = self.promised(signal, &[description]);
        let error = reply?.get::<glib::Error>("error").ok()?;
        Some(error.to_string())
    }

    pub fn stats(&self) -> gst::Structure {
        self.promised("get-stats", &[&None::<gst::Pad>]).unwrap()
    }

    pub fn state(&self) -> WebRTCPeerConnectionState {
        self.rtc.property("connection-state")
    }

    /// What it heard so far, by track in the order they came.
    pub fn heard(&self, track: usize) -> Vec<i16> {
        let ears = self.ears.lock().unwrap();
        ears.get(track).map(Ear::samples).unwrap_or_default()
    }

    pub fn tracks(&self) -> usize {
        self.ears.lock().unwrap().len()
    }

    /// Waits until it is known what comes into a sink pad.
    pub fn wait_described(&self, pad: &str) {
        let pad = self.rtc.static_pad(pad).unwrap();
        eventually("caps", || pad.current_caps().is_some());
    }

    pub fn wait_connected(&self) {
        eventually("a connection", || {
            self.state() == WebRTCPeerConnectionState::Connected
        });
    }

    /// Waits until half a second of what was `said` was heard on any track: whichever comes when the
    /// connection stands.
    pub fn wait_heard(&self, said: &[i16]) {
        let mut judged = 0;
        eventually("words that arrive whole", || {
            let heard: Vec<_> = (0..self.tracks()).map(|track| self.heard(track)).collect();
            let length = heard.iter().map(Vec::len).sum();
            // Not with every packet: to judge takes time that those who speak need.
            if length < judged + RATE_HZ / 4 {
                return false;
            }
            judged = length;
            (1..=4).any(|second| {
                let found = |heard: &Vec<i16>| match_of(said, heard, second * RATE_HZ) >= 0.8;
                heard.iter().any(found)
            })
        });
    }
}

/// From the pad to an appsink at 8 kHz.
fn listen(pipeline: &gst::Pipeline, pad: &gst::Pad, ears: &Mutex<Vec<Ear>>) {
    let bin = gst::parse::bin_from_description(
        "queue ! rtpopusdepay ! opusdec ! audioconvert ! audioresample \
         ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! appsink name=ear sync=false",
        true,
    )
    .unwrap();
    let appsink = bin.by_name("ear").unwrap();
    pipeline.add(&bin).unwrap();
    ears.lock().unwrap().push(Ear::of(&appsink));
    bin.sync_state_with_parent().unwrap();
    pad.link(&bin.static_pad("sink").unwrap()).unwrap();
}

fn stay_on_loopback(webrtcbin: &gst::Element) {
    let agent: gst::Object = webrtcbin.property("ice-agent");
    assert!(agent.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]));
    let nice: glib::Object = agent.property("agent");
    // No router is asked for port mappings.
    nice.set_property("upnp", false);
}

/// Each tells the other its candidates as they come.
pub fn introduce(a: &App, b: &App) {
    for (from, to) in [(a, b), (b, a)] {
        let to = to.rtc.downgrade();
        from.rtc.connect("on-ice-candidate", false, move |values| {
            let line: u32 = values[1].get().unwrap();
            let candidate: String = values[2].get().unwrap();
            if let Some(to) = to.upgrade() {
                to.emit_by_name::<()>("add-ice-candidate", &[&line, &candidate]);
            }
            None
        });
    }
}

/// Offer of `a`, answer of `b`.
pub fn negotiate(a: &App, b: &App) {
    let offer = a.create(WebRTCSDPType::Offer);
    negotiate_with(a, b, &offer);
}

pub fn negotiate_with(a: &App, b: &App, offer: &WebRTCSessionDescription) {
    assert_eq!(a.apply("set-local-description", offer), None);
    assert_eq!(b.apply("set-remote-description", offer), None);
    let answer = b.create(WebRTCSDPType::Answer);
    assert_eq!(b.apply("set-local-description", &answer), None);
    assert_eq!(a.apply("set-remote-description", &answer), None);
}

/// A description of this text.
pub fn described(kind: WebRTCSDPType, text: &str) -> WebRTCSessionDescription {
    let message = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).unwrap();
    WebRTCSessionDescription::new(kind, message)
}

pub fn text(description: &WebRTCSessionDescription) -> String {
    description.sdp().as_text().unwrap()
}
