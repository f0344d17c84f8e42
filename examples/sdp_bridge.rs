// SPDX-License-Identifier: MPL-2.0
//! Bridges two phones by their session descriptions: prints what each of them is to be told, each followed
//! by an empty line, and runs until a line comes in.
//!
//! ```sh
//! cargo run --package gst-plugin-sipbridge --example sdp_bridge -- rtp_to_srtp offer-of-alice.sdp answer-of-bob.sdp
//! ```
//!
//! The element is linked into the program: it needs no plugin in `GST_PLUGIN_PATH`.

use std::process::ExitCode;

use gst::glib;
use gst::prelude::*;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [profile, offer, answer] = args.as_slice() else {
        eprintln!("sdp_bridge PROFILE OFFER.sdp ANSWER.sdp");
        return ExitCode::FAILURE;
    };
    match bridge(profile, offer, answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bridge(profile: &str, offer: &str, answer: &str) -> Result {
    gst::init()?;
    gstsipbridge::register_once()?;
    let bridge = gst::ElementFactory::make("sdpbridgebin")
        .property("profile", profile)
        .build()?;
    bridge
        .set_state(gst::State::Playing)
        .map_err(|_| format!("there is no profile {profile}"))?;
    let bridged = run(&bridge, offer, answer);
    bridge.set_state(gst::State::Null)?;
    bridged
}

fn run(bridge: &gst::Element, offer: &str, answer: &str) -> Result {
    println!("{}", pass_on(bridge, "pass-offer", offer)?);
    println!("{}", pass_on(bridge, "pass-answer", answer)?);
    std::io::stdin().read_line(&mut String::new())?;
    println!("{}", bridge.property::<gst::Structure>("stats"));
    Ok(())
}

/// A description in, a description out.
fn pass_on(bridge: &gst::Element, signal: &str, path: &str) -> Result<String> {
    let fields = gst::Structure::builder("fields")
        .field("sdp", std::fs::read_to_string(path)?)
        .build();
    let promise = gst::Promise::new();
    bridge.emit_by_name::<()>(signal, &[&fields, &promise]);
    promise.wait();
    let reply = promise.get_reply().ok_or("nobody replied")?;
    match reply.get::<glib::Error>("error") {
        // `code` is the SIP status that whoever offered can be told.
        Ok(error) => Err(error.message().into()),
        Err(_) => Ok(reply.get("sdp")?),
    }
}
