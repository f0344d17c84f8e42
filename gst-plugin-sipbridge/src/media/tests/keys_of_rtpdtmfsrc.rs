// SPDX-License-Identifier: MPL-2.0
//! Keys that GStreamer's own element presses (`rtpdtmfsrc`, RFC 4733) are understood: each once, whatever the
//! packets that say it, and as long as it was held.

use std::net::UdpSocket;

use gst::prelude::*;
use rtp_types::RtpPacket;

use super::*;

/// In the payload's second octet (RFC 4733 section 2.3).
const END: u8 = 0x80;

/// What a packet said: which event, whether it is over, and how long it was until then, in clock units.
type Said = (u8, bool, u16);

/// A key of the element goes down, or up again.
fn press(keys: &gst::Element, number: i32, start: bool) {
    let event = gst::Structure::builder("dtmf-event")
        .field("type", 1)
        .field("method", 1)
        .field("number", number)
        .field("volume", 10)
        .field("start", start);
    let event = gst::event::CustomUpstream::new(event.build());
    // As from whoever is downstream.
    assert!(keys.static_pad("src").unwrap().send_event(event));
}

#[test]
fn each_is_told_once_and_how_long_it_was_held() {
    asserted_steadily(|| {
        let context = Context::acquire("media-test", MAX_WAIT).unwrap();
        let end = End::open(&context);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        end.agree(socket.local_addr().unwrap(), Codec::Pcmu);
        let text = "rtpdtmfsrc name=keys pt=101 packet-redundancy=3 ! \
                    application/x-rtp,clock-rate=8000 ! fakesink sync=false async=false";
        let pipeline = gst::parse::launch(text).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let keys = pipeline.by_name("keys").unwrap();
        let (say, wire) = channel::<Said>();
        let to = end.media.local_rtp();
        keys.static_pad("src")
            .unwrap()
            .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                let map = info.buffer().unwrap().map_readable().unwrap();
                socket.send_to(&map, to).unwrap();
                let packet = RtpPacket::parse(&map).unwrap();
                let [event, flags, high, low] = *packet.payload() else {
                    panic!("{packet:?}");
                };
                let said = (event, flags & END != 0, u16::from_be_bytes([high, low]));
                // A test that has seen enough has left.
                let _ = say.send(said);
                gst::PadProbeReturn::Ok
            });
        pipeline.set_state(gst::State::Playing).unwrap();
        let patience = gst::ClockTime::from_mseconds(PATIENCE.as_millis() as u64);
        assert_eq!(pipeline.state(patience).1, gst::State::Playing);
        // Some longer, and one twice.
        for (number, digit, packets) in [
            (1, '1', 3),
            (5, '5', 6),
            (5, '5', 3),
            (10, '*', 4),
            (11, '#', 3),
            (0, '0', 8),
            (15, 'D', 3),
        ] {
            press(&keys, number, true);
            for _ in 0..packets {
                let (event, is_over, _) = wire.recv_timeout(PATIENCE).unwrap();
                assert_eq!((i32::from(event), is_over), (number, false));
            }
            press(&keys, number, false);
            let mut ends = Vec::new();
            while ends.len() < 3 {
                let (event, is_over, length) = wire.recv_timeout(PATIENCE).unwrap();
                assert_eq!(i32::from(event), number);
                if is_over {
                    ends.push(length);
                }
            }
            let told = end.wait_for(|event| matches!(event, MediaEvent::Digit { .. }));
            let expected = MediaEvent::Digit {
                digit,
                duration_ms: u32::from(ends[2]) / 8,
            };
            assert_eq!(told, expected, "{ends:?}");
        }
        pipeline.set_state(gst::State::Null).unwrap();
        let again = end.events.try_iter();
        let again = again.filter(|event| matches!(event, MediaEvent::Digit { .. }));
        assert_eq!(again.count(), 0);
        eventually_counted(&end, 7);
    });
}

/// The counters are told five times a second.
fn eventually_counted(end: &End, digits: u64) {
    let deadline = Instant::now() + PATIENCE;
    while end.media.stats().digits_received != digits {
        assert!(Instant::now() < deadline, "{:?}", end.media.stats());
        std::thread::sleep(Duration::from_millis(20));
    }
}
