// SPDX-License-Identifier: MPL-2.0
//! A call moves between media threads while both ends speak. On the wire nothing is skipped and nothing comes
//! twice, and what comes in is played without anything made up.

use std::net::UdpSocket;

use rtp_types::{RtpPacket, RtpPacketBuilder};

use super::wired::voice;
use super::*;
use crate::codec::{Encoder, OpusSettings};

/// Packets between two moves.
const STAY: u32 = 20;

/// Somebody who speaks into a socket, 20 ms each 20 ms, until they are dropped.
struct FarEnd {
    stop: Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FarEnd {
    fn speak(socket: UdpSocket, to: SocketAddr) -> FarEnd {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut encoder = Encoder::new(Codec::Pcmu, 8_000, OpusSettings::default()).unwrap();
            let begin = Instant::now();
            let mut payload = Vec::new();
            for number in 0u32.. {
                let due = begin + Duration::from_millis(20) * number;
                let wait = due.saturating_duration_since(Instant::now());
                // The pace of a phone; ends when it is dropped.
                let told = stopped.recv_timeout(wait);
                if told != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
                let pcm: Vec<i16> = (number * 160..(number + 1) * 160).map(voice).collect();
                encoder.encode(&pcm, &mut payload);
                let packet = RtpPacketBuilder::<&[u8], &[u8]>::new()
                    .payload_type(0)
                    .sequence_number(number as u16)
                    .timestamp(number * 160)
                    .ssrc(7)
                    .payload(&payload)
                    .write_vec()
                    .unwrap();
                socket.send_to(&packet, to).unwrap();
            }
        });
        FarEnd {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn and_the_wire_shows_nothing_of_it() {
    asserted_steadily(|| {
        let names = ["moving-here", "moving-there"];
        let contexts = names.map(|name| Context::acquire(name, MAX_WAIT).unwrap());
        let end = End::open(&contexts[0]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        end.agree(socket.local_addr().unwrap(), Codec::Pcmu);
        let heard = end.listen(Format::Raw { rate_hz: 8_000 });
        let _far = FarEnd::speak(socket.try_clone().unwrap(), end.media.local_rtp());
        let _mouth = Mouth::speak(&end, 8_000, 440.0);
        // Both have begun, and what each of them hears runs evenly.
        listen_to(&heard, Duration::from_secs(1), 8_000);
        // What waits there is of the beginning.
        socket.set_nonblocking(true).unwrap();
        while socket.recv_from(&mut [0; 2_048]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
        let mut last: Option<(u16, u32, u32)> = None;
        let mut follow = |packets: u32| {
            let mut room = [0; 2_048];
            for _ in 0..packets {
                let (length, _) = socket.recv_from(&mut room).unwrap();
                let packet = RtpPacket::parse(&room[..length]).unwrap();
                let now = (packet.sequence_number(), packet.timestamp(), packet.ssrc());
                if let Some((sequence, timestamp, ssrc)) = last {
                    let next = (sequence.wrapping_add(1), timestamp.wrapping_add(160), ssrc);
                    assert_eq!(now, next);
                }
                last = Some(now);
            }
        };
        follow(STAY);
        let before = end.media.stats().concealed_frames;
        for number in 1..=10 {
            end.media.move_to(&contexts[number % 2]);
            follow(STAY);
            assert_eq!(end.media.context().name(), names[number % 2]);
        }
        // Counters are told five times a second.
        follow(STAY);
        let stats = end.media.stats();
        assert_eq!(stats.concealed_frames, before);
        assert_eq!((stats.lost, stats.late, stats.duplicates), (0, 0, 0));
    });
}
