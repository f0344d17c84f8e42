// SPDX-License-Identifier: MPL-2.0
//! Once a room is as it is, a tick of its mixer takes no memory, whoever speaks, and neither does a packet on its
//! way in.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod kit;

use gst::prelude::*;
use gstsipbridge::mixer::{Listening, Mixer, MixerSettings, Participant, Rate};
use kit::Line;
use sip_ua::sdp::Codec;
use sipbridge_measure::memory::{Counting, asked_here};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn whoever_speaks() {
    let mut mixer = Mixer::new(MixerSettings::default());
    let listening = [
        Listening::Packets(Codec::Opus),
        Listening::Packets(Codec::Pcmu),
        Listening::Packets(Codec::G722),
        Listening::Samples(Rate::Hz48000),
    ];
    let all: Vec<(Rate, Participant)> = (0..40)
        .map(|who| {
            let participant = mixer.join();
            mixer.listen(participant, Some(listening[who % 4]));
            (Rate::ALL[who % 3], participant)
        })
        .collect();
    // Steps of a square wave: loud enough to count.
    let loud: Vec<i16> = (0..960)
        .map(|i| if i / 40 % 2 == 0 { 3_000 } else { -3_000 })
        .collect();
    let mut before = 0;
    for tick in 0..800 {
        // Everybody has their turn in the first half; the second takes nothing new.
        if tick == 400 {
            before = asked_here();
        }
        for (who, (rate, participant)) in all.iter().enumerate() {
            let speaks = tick % 400 / 10 == who || who < 3;
            let frame = if speaks { &loud[..rate.frame()] } else { &[] };
            // Some packets come late.
            if (tick + who) % 50 != 0 {
                mixer.hear(*participant, *rate, frame, None);
            }
        }
        mixer.tick().unwrap();
        let heard = all
            .iter()
            .filter(|(_, who)| mixer.heard(*who).is_some())
            .count();
        assert_eq!(heard, 40);
    }
    assert_eq!(asked_here() - before, 0, "allocations in 400 ticks");
}

/// 20 ms of G.711 that tell their level (RFC 6464) in extension 5.
fn packet(number: u16) -> gst::Buffer {
    let mut bytes = vec![0x90, 0];
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&(u32::from(number) * 160).to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x50, 0x80 | 30, 0, 0]);
    bytes.extend_from_slice(&[0xff; 160]);
    gst::Buffer::from_mut_slice(bytes)
}

#[test]
fn whoever_sends_packets() {
    let line = Line::new("sipmixer name=m");
    let pad = line.element("m").request_pad_simple("sink_0").unwrap();
    line.play();
    let caps = gst::Caps::builder("application/x-rtp")
        .field("media", "audio")
        .field("encoding-name", "PCMU")
        .field("clock-rate", 8_000)
        .field("payload", 0)
        .field("extmap-5", "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(pad.send_event(gst::event::StreamStart::new("packets")));
    assert!(pad.send_event(gst::event::Caps::new(&caps.build())));
    assert!(pad.send_event(gst::event::Segment::new(&segment)));
    let packets: Vec<gst::Buffer> = (0..800).map(packet).collect();
    let mut before = 0;
    for (number, packet) in packets.into_iter().enumerate() {
        // By then the jitter buffer holds what it ever will.
        if number == 400 {
            before = asked_here();
        }
        pad.chain(packet).unwrap();
    }
    assert_eq!(asked_here() - before, 0, "allocations for 400 packets");
    let stats = pad.property::<Option<gst::Structure>>("stats").unwrap();
    assert_eq!(stats.get::<u64>("packets"), Ok(800));
    line.no_errors();
}
