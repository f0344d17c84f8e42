// SPDX-License-Identifier: MPL-2.0
//! The media of one telephone call, for signalling that is elsewhere: asked for descriptions and told of them on
//! standard input, one JSON object a line, answered on standard output in that order.
//!
//! `{"method": "getDescription"}` is answered with `{"sdp": "..."}`, the offer for who is called;
//! `{"method": "setDescription", "sdp": "..."}` gives it their answer. `{"method": "sendDtmf", "digits": "..."}` presses
//! keys, `{"method": "rollback"}` forgets an offer that was refused. What cannot be done is answered with
//! `{"error": "..."}`. The end of the input is the end of the call.
//!
//! ```sh
//! cargo run --package gst-plugin-sipbridge --example media_over_json -- 192.0.2.1 440 heard.wav
//! ```
//!
//! From the address that is named it says a tone, and records what it hears. The audio is that of a WebRTC
//! connection, as a browser has it (`rtcbin`); `sdpbridgebin` makes a telephone's of it.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCSDPType, WebRTCSessionDescription};
use serde_json::{Value, json};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Longer than a machine takes to look at its own addresses, or to end a recording.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, hz, file] = args.as_slice() else {
        eprintln!("media_over_json ADDRESS HZ HEARD.wav");
        return ExitCode::FAILURE;
    };
    match serve(address, hz, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str, hz: &str, file: &str) -> Result {
    gst::init()?;
    gstsipbridge::register_once()?;
    let media = Media::begin(address, hz, file)?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(question) => media.obey(&question),
            Err(error) => Err(error.into()),
        };
        let answer = answer.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    media.end()
}

struct Media {
    pipeline: gst::Pipeline,
    rtc: gst::Element,
    bridge: gst::Element,
}

impl Media {
    fn begin(address: &str, hz: &str, file: &str) -> Result<Media> {
        let described = format!(
            "sdpbridgebin name=bridge profile=wss_to_rtp side-a=\"side, address=(string)127.0.0.1\" \
               side-b=\"side, address=(string){address}\" \
             rtcbin name=rtc local-addresses=127.0.0.1 \
             audiotestsrc is-live=true freq={hz} ! audio/x-raw,rate=48000,channels=1 ! sipopusenc \
               ! rtpopuspay pt=111 ! rtc.sink_0 \
             bridge.tap_b ! queue leaky=downstream ! audioconvert ! wavenc ! filesink name=heard async=false"
        );
        let pipeline = gst::parse::launch(&described)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| "there is no pipeline")?;
        let named = |name: &str| pipeline.by_name(name).ok_or("an element is missing");
        let (rtc, bridge, heard) = (named("rtc")?, named("bridge")?, named("heard")?);
        heard.set_property("location", file);
        // An offer is made of what is there to say.
        let mouth = rtc.static_pad("sink_0").ok_or("there is nothing to say")?;
        let changed = changes(&mouth, "caps");
        pipeline.set_state(gst::State::Playing)?;
        wait_until(&changed, || mouth.current_caps().is_some())?;
        Ok(Media {
            pipeline,
            rtc,
            bridge,
        })
    }

    fn obey(&self, question: &Value) -> Result<Value> {
        let text = |name: &str| {
            let text = question.get(name).and_then(Value::as_str);
            text.ok_or_else(|| format!("{name} is missing, or no text"))
        };
        match text("method")? {
            "getDescription" => Ok(json!({ "sdp": self.offer()? })),
            "setDescription" => self.take_answer(text("sdp")?).map(|()| json!({})),
            "sendDtmf" => {
                let fields = gst::Structure::builder("fields")
                    .field("side", "b")
                    .field("digits", text("digits")?);
                promised(&self.bridge, "play-digits", &fields.build())?;
                Ok(json!({}))
            }
            "rollback" => {
                promised(
                    &self.bridge,
                    "rollback",
                    &gst::Structure::new_empty("fields"),
                )?;
                Ok(json!({}))
            }
            other => Err(format!("there is no method {other:?}").into()),
        }
    }

    /// What a browser would offer, and of that what a telephone is offered.
    fn offer(&self) -> Result<String> {
        let nothing = None::<gst::Structure>;
        let reply = promised(&self.rtc, "create-offer", &nothing)?.ok_or("nobody replied")?;
        let offer: WebRTCSessionDescription = reply.get("offer")?;
        let changed = changes(&self.rtc, "ice-gathering-state");
        promised(&self.rtc, "set-local-description", &offer)?;
        wait_until(&changed, || {
            let gathering: WebRTCICEGatheringState = self.rtc.property("ice-gathering-state");
            gathering == WebRTCICEGatheringState::Complete
        })?;
        let local: WebRTCSessionDescription = self.rtc.property("local-description");
        self.pass_on("pass-offer", &local.sdp().as_text()?)
    }

    fn take_answer(&self, answer: &str) -> Result {
        let answer = self.pass_on("pass-answer", answer)?;
        let answer = gst_sdp::SDPMessage::parse_buffer(answer.as_bytes())?;
        let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, answer);
        promised(&self.rtc, "set-remote-description", &answer)?;
        Ok(())
    }

    fn pass_on(&self, signal: &str, sdp: &str) -> Result<String> {
        let fields = gst::Structure::builder("fields").field("sdp", sdp).build();
        let reply = promised(&self.bridge, signal, &fields)?.ok_or("nobody replied")?;
        Ok(reply.get("sdp")?)
    }

    /// Closes the recording.
    fn end(self) -> Result {
        let bus = self.pipeline.bus().ok_or("there is no bus")?;
        // The tone goes on: the recording's own end is what counts, not that of the pipeline.
        let heard = self
            .pipeline
            .by_name("heard")
            .ok_or("an element is missing")?;
        let pad = heard.static_pad("sink").ok_or("a pad is missing")?;
        let (tell, ends) = channel();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info
                .event()
                .is_some_and(|event| event.type_() == gst::EventType::Eos)
            {
                let _ = tell.send(());
            }
            gst::PadProbeReturn::Ok
        });
        self.bridge.send_event(gst::event::Eos::new());
        let ended = ends.recv_timeout(PATIENCE).map_err(|_| too_late());
        let failed = bus.pop_filtered(&[gst::MessageType::Error]);
        self.pipeline.set_state(gst::State::Null)?;
        if let Some(gst::MessageView::Error(error)) = failed.as_ref().map(|failed| failed.view()) {
            return Err(error.error().message().into());
        }
        Ok(ended?)
    }
}

/// What an element's action signal comes to.
fn promised(
    element: &gst::Element,
    signal: &str,
    argument: &dyn ToValue,
) -> Result<Option<gst::Structure>> {
    let promise = gst::Promise::new();
    element.emit_by_name::<()>(signal, &[argument, &promise]);
    promise.wait();
    let reply = promise.get_reply().map(|reply| reply.to_owned());
    match reply
        .as_ref()
        .map(|reply| reply.get::<glib::Error>("error"))
    {
        Some(Ok(error)) => Err(error.message().into()),
        _ => Ok(reply),
    }
}

/// Tells of each change of a property from now on.
fn changes(object: &impl IsA<glib::Object>, property: &str) -> Receiver<()> {
    let (tell, changes) = channel();
    object.connect_notify(Some(property), move |_, _| {
        // Nobody may be waiting any more.
        let _ = tell.send(());
    });
    changes
}

fn wait_until(changes: &Receiver<()>, is: impl Fn() -> bool) -> Result {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        let left = deadline.saturating_duration_since(Instant::now());
        changes.recv_timeout(left).map_err(|_| too_late())?;
    }
    Ok(())
}

fn too_late() -> String {
    format!("not within {PATIENCE:?}")
}
