// SPDX-License-Identifier: MPL-2.0
//! Packets for a connection, as an application pushes them.

use std::cell::Cell;

use gst::prelude::*;

use super::app::App;

const CAPS: &str = "application/x-rtp,media=audio,encoding-name=OPUS,payload=96,clock-rate=48000";

/// A pad that feeds a connection, each packet when it is told to.
pub struct Feed {
    pad: gst::Pad,
    said: Cell<u16>,
}

impl Feed {
    /// Starts the application.
    pub fn start(app: &App) -> Feed {
        let pad = gst::Pad::builder(gst::PadDirection::Src).build();
        pad.set_active(true).unwrap();
        let sink = app.rtc.request_pad_simple("sink_%u").unwrap();
        pad.link(&sink).unwrap();
        app.play();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        pad.push_event(gst::event::StreamStart::new("feed"));
        pad.push_event(gst::event::Caps::new(&CAPS.parse().unwrap()));
        pad.push_event(gst::event::Segment::new(&segment));
        Feed {
            pad,
            said: Cell::new(0),
        }
    }

    pub fn say(&self) {
        let sequence = self.said.get();
        self.said.set(sequence + 1);
        let mut bytes = vec![0x80, 96];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&(u32::from(sequence) * 960).to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 7]);
        bytes.extend_from_slice(&[1; 80]);
        self.pad.push(gst::Buffer::from_mut_slice(bytes)).unwrap();
    }
}
