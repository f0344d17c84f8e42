// SPDX-License-Identifier: MPL-2.0

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

use kit::{eventually, match_of, voice};
use sipbridge_measure::steady::asserted_steadily;

const ALL: usize = 200;
const SPEAKERS: usize = 3;

/// How many buffers came, and what was in them where somebody listens.
type Heard = Arc<Mutex<(usize, Vec<u8>)>>;

/// What follows a minus pad: a pad that takes these caps.
fn ear(line: &Line, number: usize, caps: &str) -> (gst::Pad, Heard) {
    let heard = Heard::default();
    let hear = heard.clone();
    let caps: gst::Caps = caps.parse().unwrap();
    let pad = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            let mut heard = hear.lock().unwrap();
            heard.0 += 1;
            if number == SPEAKERS {
                heard.1.extend_from_slice(&buffer.map_readable().unwrap());
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .query_function(move |pad, parent, query| {
            let gst::QueryViewMut::Caps(query) = query.view_mut() else {
                return gst::Pad::query_default(pad, parent, query);
            };
            query.set_result(&caps);
            true
        })
        .build();
    pad.set_active(true).unwrap();
    let minus = line.element("m").static_pad(&format!("minus_{number}"));
    minus
        .unwrap()
        .link_full(&pad, gst::PadLinkCheck::empty())
        .unwrap();
    (pad, heard)
}

fn begin(sink: &gst::Pad) {
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", "S16LE")
        .field("layout", "interleaved")
        .field("rate", 8_000)
        .field("channels", 1);
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(sink.send_event(gst::event::StreamStart::new(&sink.name())));
    assert!(sink.send_event(gst::event::Caps::new(&caps.build())));
    assert!(sink.send_event(gst::event::Segment::new(&segment)));
}

/// All say one frame at each tick of the room, as calls of its own media thread do; those who have no voice say
/// nothing in it. Gives how many frames were said.
fn say_at_each_tick(
    mixer: &gst::Element,
    sinks: &[gst::Pad],
    voices: &[Vec<i16>],
) -> Arc<AtomicUsize> {
    let said = Arc::new(AtomicUsize::new(0));
    let (count, sinks, voices) = (said.clone(), sinks.to_vec(), voices.to_vec());
    let minus = mixer.static_pad("minus_0").unwrap();
    minus.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let frame = count.load(Ordering::Acquire);
        if frame == 0 {
            sinks.iter().for_each(begin);
        }
        for (number, sink) in sinks.iter().enumerate() {
            let voice = voices.get(number);
            let samples = voice.and_then(|voice| voice.chunks_exact(160).nth(frame));
            let bytes = samples.unwrap_or(&[0; 160]).iter();
            let bytes: Vec<u8> = bytes.flat_map(|sample| sample.to_le_bytes()).collect();
            sink.chain(gst::Buffer::from_slice(bytes)).unwrap();
        }
        count.store(frame + 1, Ordering::Release);
        gst::PadProbeReturn::Ok
    });
    said
}

/// Three speak, all others are silent: they hear the three, out of three encoders or none, and the
/// room keeps its time.
#[test]
fn three_are_heard_by_all() {
    asserted_steadily(|| {
        let line = Line::new("sipmixer name=m handover=direct");
        let mixer = line.element("m");
        let sinks: Vec<gst::Pad> = (0..ALL)
            .map(|number| mixer.request_pad_simple(&format!("sink_{number}")).unwrap())
            .collect();
        let kinds = ["audio/x-raw,rate=8000", "audio/x-mulaw", "audio/x-opus"];
        let ears: Vec<_> = (0..ALL)
            .map(|number| ear(&line, number, kinds[number % kinds.len()]))
            .collect();
        let voices: Vec<Vec<i16>> = (0..SPEAKERS as u64)
            .map(|seed| voice(30 + seed, 3.0))
            .collect();
        let frames = voices[0].len() / 160;
        let said = say_at_each_tick(&mixer, &sinks, &voices);
        line.play();
        eventually("three speakers", || {
            stat(&line, "voices") == SPEAKERS as u32
        });
        eventually("one encoder for all of a codec", || {
            stat(&line, "sharing") == (ALL - SPEAKERS) as u32 && stat(&line, "shared-encodes") == 2
        });
        assert_eq!(stat(&line, "participants"), ALL as u32);
        eventually("all is said", || said.load(Ordering::Acquire) >= frames);
        let stats = mixer.property::<gst::Structure>("stats");
        let ticks: u64 = stats.get("ticks").unwrap();
        let skipped: u64 = stats.get("ticks-skipped").unwrap();
        // Ticks that are late are made up for, unless the machine stood still for long.
        assert!(skipped <= ticks / 50, "{skipped} of {ticks} ticks");
        for (number, (_, heard)) in ears.iter().enumerate() {
            let packets = heard.lock().unwrap().0 as u64;
            assert!(packets + 2 >= ticks, "{number}: {packets} of {ticks}");
        }
        // The first of the silent, who hears raw audio.
        let heard = ears[SPEAKERS].1.lock().unwrap().1.clone();
        let (pairs, _) = heard.as_chunks::<2>();
        let heard: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        for (who, said) in voices.iter().enumerate() {
            // One of three voices of the same loudness: 0.58 of the sum.
            let found = match_of(said, &heard, 16_000);
            assert!(found > 0.4, "{who}: {found}");
        }
        line.no_errors();
    })
}
