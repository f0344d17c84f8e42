// SPDX-License-Identifier: MPL-2.0
//! Answers a call: plays a greeting and records the caller. Key 1 plays the greeting again, # hangs up.
//!
//! ```sh
//! cargo run --package gst-plugin-sipbridge --example answering_machine -- 5070 greeting.wav message.wav
//! ```
//!
//! The elements are linked into the program: it needs no plugin in `GST_PLUGIN_PATH`.

use std::process::ExitCode;

use gst::prelude::*;
use gstsipbridge::agent::SipAgent;

const PIPELINE: &str = "
    sipbin name=call mode=listener auto-answer=true hangup-on-eos=false
    filesrc name=greeting ! wavparse name=player ! audioconvert ! audioresample ! call.
    call. ! queue ! audioconvert ! wavenc ! filesink name=message";

// As `dtmf-event` numbers them: 0 to 9, then * # A B C D.
const KEY_1: i32 = 1;
const KEY_HASH: i32 = 11;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, greeting, message] = args.as_slice() else {
        eprintln!("answering_machine PORT GREETING.wav MESSAGE.wav");
        return ExitCode::FAILURE;
    };
    match answer(port, greeting, message) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(port: &str, greeting: &str, message: &str) -> Result {
    gst::init()?;
    gstsipbridge::register_once()?;
    let pipeline = gst::parse::launch(PIPELINE)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| "the text describes no pipeline")?;
    let part = |name| pipeline.by_name(name).ok_or("a part is missing");
    part("greeting")?.set_property("location", greeting);
    part("message")?.set_property("location", message);
    // On the agent's thread: decides, and does nothing that takes time.
    part("call")?.connect("incoming-call", false, |args| {
        let facts = args.get(1)?.get::<gst::Structure>().ok()?;
        println!("{} calls", facts.get::<&str>("from").ok()?);
        Some(true.to_value()) // false refuses the call
    });

    // The user agent. Several pipelines can be offered the same one: then they share its port.
    let agent = SipAgent::default();
    agent.set_property("port", port.parse::<i32>()?);
    pipeline.set_context(&agent.to_context());

    if pipeline.set_state(gst::State::Playing).is_ok() {
        let port = agent.property::<u32>("local-port");
        println!("waiting for a call on port {port}");
    } // else the bus says why
    let over = until_over(&pipeline);
    pipeline.set_state(gst::State::Null)?;
    over
}

/// Until the call is over, and with it the recording.
fn until_over(pipeline: &gst::Pipeline) -> Result {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    for event in bus.iter_timed(gst::ClockTime::NONE) {
        match event.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().into()),
            gst::MessageView::Element(_) if event.has_name("dtmf-event") => {
                let key = event.structure().and_then(|s| s.get("number").ok());
                on_key(pipeline, key)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn on_key(pipeline: &gst::Pipeline, key: Option<i32>) -> Result {
    let part = |name| pipeline.by_name(name).ok_or("a part is missing");
    match key {
        Some(KEY_1) => part("player")?.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO)?,
        Some(KEY_HASH) => {
            part("call")?.emit_by_name::<bool>("hangup", &[&0u32, &None::<String>]);
        }
        _ => {}
    }
    Ok(())
}
