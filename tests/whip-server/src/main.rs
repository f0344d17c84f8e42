// SPDX-License-Identifier: MPL-2.0
//! Takes one stream by WHIP and gives it to whoever asks by WHEP, both by elements of gst-plugins-rs.
//!
//! `sipbridge-whip-server http://HOST:PORT http://HOST:PORT [counter]`: where it listens for WHIP and for WHEP;
//! with `counter` it answers offers with one of its own, as a server of WHEP may.

use anyhow::{Context as _, Result, bail};
use gst::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let whip = arguments.next().context("where it listens for WHIP")?;
    let whep = arguments.next().context("where it listens for WHEP")?;
    let counter = arguments.next().is_some_and(|word| word == "counter");
    gst::init()?;
    gstrswebrtc::plugin_register_static()?;
    let pipeline = gst::parse::launch(&format!(
        "whipserversrc name=in video-codecs=<> signaller::host-addr={whip} stun-server=\"\" \
         ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 \
         ! whepserversink name=out signaller::host-addr={whep} signaller::send-counter-offer={counter} stun-server=\"\""
    ))?;
    pipeline.set_state(gst::State::Playing)?;
    println!("ready");
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        if let gst::MessageView::Error(error) = message.view() {
            bail!("{}: {:?}", error.error(), error.debug());
        }
    }
    Ok(())
}
