// SPDX-License-Identifier: MPL-2.0
//! Every datagram between a secure side and its far end, as somebody in between sees it: no speech can be heard
//! in it, no report read, and both ends of a handshake show the certificates of their descriptions.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use gstsipbridge::codec::Decoder;
use gstsipbridge::rtc::Certificate;
use sha2::{Digest, Sha256};
use sip_ua::sdp::{Codec, LocalSrtp, SrtpPolicy};
use sipbridge_measure::steady::asserted_steadily;

use crate::hands_are_shaken::shaking;
use crate::kit::{RATE_HZ, eventually, match_of, voice};
use crate::phone::{Bridge, Phone, ports};

/// A datagram, and whether the one who offered sent it.
type Seen = Arc<Mutex<Vec<(bool, Vec<u8>)>>>;

/// Passes datagrams on between two ports of loopback, and keeps a copy.
struct Tap {
    /// Where the one who answers finds who offered, and the other way round.
    ports: [u16; 2],
    seen: Seen,
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Tap {
    fn new(offerer: u16, answerer: u16, sockets: [UdpSocket; 2]) -> Tap {
        let ports = sockets
            .each_ref()
            .map(|socket| socket.local_addr().unwrap().port());
        let (seen, ends) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        // By the first come packets of who answers, by the second those of who offered.
        let ways = [(0, 1, offerer), (1, 0, answerer)];
        let threads = ways.map(|(from, to, port)| {
            let (from_offerer, seen, ends) = (from == 1, seen.clone(), ends.clone());
            let from = sockets[from].try_clone().unwrap();
            let to = sockets[to].try_clone().unwrap();
            from.set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            std::thread::spawn(move || {
                let mut datagram = [0; 2_048];
                while !ends.load(Ordering::Relaxed) {
                    let Ok(length) = from.recv(&mut datagram) else {
                        continue;
                    };
                    let bytes = datagram[..length].to_vec();
                    seen.lock().unwrap().push((from_offerer, bytes));
                    // Nobody may be there any more.
                    let _ = to.send_to(&datagram[..length], loopback(port));
                }
            })
        });
        Tap {
            ports,
            seen,
            ends,
            threads: threads.into(),
        }
    }

    fn sockets() -> [UdpSocket; 2] {
        [(), ()].map(|()| UdpSocket::bind(loopback(0)).unwrap())
    }

    fn seen(&self) -> Vec<(bool, Vec<u8>)> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// The description with another port of RTP.
fn moved(sdp: &str, port: u16) -> String {
    let own = ports(&[sdp])[0];
    sdp.replace(&format!("m=audio {own} "), &format!("m=audio {port} "))
}

fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram[0], 20..=63)
}

fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram[1], 192..=223)
}

/// What who offered said, as it sounds to whoever takes these packets for plain ones.
fn overheard(seen: &[(bool, Vec<u8>)]) -> Vec<i16> {
    let mut decoder = Decoder::new(Codec::Pcma, 8_000).unwrap();
    let mut pcm = Vec::new();
    let media = seen.iter().filter(|(from_offerer, datagram)| {
        *from_offerer && datagram[0] & 0xc0 == 0x80 && !is_rtcp(datagram)
    });
    for (_, datagram) in media {
        let end = datagram.len().min(12 + 160);
        decoder.decode(&datagram[12..end], &mut pcm);
    }
    pcm
}

/// Whether a report can be read: a plain one is followed by the name of its writer (RFC 3550 section 6.1), whose
/// type stands where its length says.
fn is_plain_report(datagram: &[u8]) -> bool {
    let words = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
    datagram.get(4 * (words + 1) + 1) == Some(&202)
}

/// The certificate in a record of a handshake (RFC 6347 section 4.2.2), if there is one.
fn certificates(datagram: &[u8]) -> Vec<Vec<u8>> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let mut found = Vec::new();
    let mut rest = datagram;
    while rest.len() > 13 {
        let length = number(&rest[11..13]);
        let (record, after) = rest[13..].split_at(length.min(rest.len() - 13));
        // A handshake that is not encrypted yet, and in it a Certificate.
        if rest[0] == 22 && number(&rest[3..5]) == 0 && record[0] == 11 {
            assert_eq!(record[1..4], record[9..12], "it comes in one piece");
            let length = number(&record[15..18]);
            found.push(record[18..18 + length].to_vec());
        }
        rest = after;
    }
    found
}

/// Alice, who speaks, and a bridge; between them or behind the bridge is somebody who listens.
fn listened_to(alice: &mut Phone, hears: &Phone, tap: &Tap) -> Vec<(bool, Vec<u8>)> {
    let of_alice = voice(11, 15.0);
    alice.say(&of_alice);
    hears.wait_heard(&of_alice);
    eventually("reports", || {
        let seen = tap.seen();
        seen.iter()
            .any(|(_, datagram)| !is_dtls(datagram) && is_rtcp(datagram))
    });
    tap.seen()
}

/// How much of what Alice said is in it.
fn heard(seen: &[(bool, Vec<u8>)]) -> f64 {
    let (said, heard) = (voice(11, 15.0), overheard(seen));
    let matches = (0..=3).map(|second| match_of(&said, &heard, second * RATE_HZ));
    matches.fold(0.0, f64::max)
}

/// Alice and a bridge, each with this policy, and what goes between them.
fn described(policy: SrtpPolicy) -> Vec<(bool, Vec<u8>)> {
    let bridge = Bridge::new(&format!(
        "side-a=\"side,address=127.0.0.1,srtp={}\"",
        policy.name()
    ));
    let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
    alice.local.srtp = LocalSrtp::new(policy);
    let sockets = Tap::sockets();
    let [of_alice, of_bridge] = sockets
        .each_ref()
        .map(|socket| socket.local_addr().unwrap().port());
    let offered = alice.offer();
    let offer = bridge.offer("alice", &moved(&offered, of_alice)).unwrap();
    let answer = bob.answer(&offer);
    let answer = bridge.answer("alice", "bob", &answer).unwrap();
    let tap = Tap::new(ports(&[&offered])[0], ports(&[&answer])[0], sockets);
    assert_eq!(tap.ports, [of_alice, of_bridge]);
    alice.accept(&moved(&answer, of_bridge));
    listened_to(&mut alice, &bob, &tap)
}

#[test]
fn with_keys_in_descriptions_nothing_can_be_understood() {
    asserted_steadily(|| {
        // That it would be noticed.
        let plain = described(SrtpPolicy::Off);
        assert!(heard(&plain) > 0.9, "{}", heard(&plain));
        let is_report = |datagram: &[u8]| !is_dtls(datagram) && is_rtcp(datagram);
        let reports = |seen: &[(bool, Vec<u8>)]| -> Vec<Vec<u8>> {
            let reports = seen.iter().filter(|(_, datagram)| is_report(datagram));
            reports.map(|(_, datagram)| datagram.clone()).collect()
        };
        assert!(reports(&plain).iter().all(|report| is_plain_report(report)));
        let secure = described(SrtpPolicy::Required);
        assert!(heard(&secure) < 0.5, "{}", heard(&secure));
        assert!(
            !reports(&secure)
                .iter()
                .any(|report| is_plain_report(report))
        );
    });
}

#[test]
fn with_a_handshake_both_show_who_they_are_and_nothing_is_said_before() {
    asserted_steadily(|| {
        let near = Bridge::new(&format!("side-b={}", shaking("off")));
        let far = Bridge::new(&format!("side-a={}", shaking("off")));
        let (mut alice, mut bob) = (Phone::new(&[Codec::Pcma]), Phone::new(&[Codec::Pcma]));
        let sockets = Tap::sockets();
        let [of_near, of_far] = sockets
            .each_ref()
            .map(|socket| socket.local_addr().unwrap().port());
        let offered = near.offer("alice", &alice.offer()).unwrap();
        let offer = far.offer("alice", &moved(&offered, of_near)).unwrap();
        let answered = far.answer("alice", "bob", &bob.answer(&offer)).unwrap();
        let tap = Tap::new(ports(&[&offered])[0], ports(&[&answered])[0], sockets);
        let answer = near
            .answer("alice", "bob", &moved(&answered, of_far))
            .unwrap();
        alice.accept(&answer);
        let seen = listened_to(&mut alice, &bob, &tap);

        let expected = Certificate::of_process().unwrap().fingerprint().to_vec();
        for offerer in [true, false] {
            let from = seen
                .iter()
                .filter(|(from_offerer, _)| *from_offerer == offerer);
            let sent: Vec<&[u8]> = from.map(|(_, datagram)| datagram.as_slice()).collect();
            let handshake = sent.iter().filter(|datagram| is_dtls(datagram));
            let shown: Vec<_> = handshake
                .flat_map(|datagram| certificates(datagram))
                .collect();
            assert!(!shown.is_empty(), "who shows nothing is not authenticated");
            for certificate in shown {
                assert_eq!(Sha256::digest(&certificate).to_vec(), expected);
            }
            // Its keys are in force with its ChangeCipherSpec, which is record type 20.
            let keys = sent.iter().position(|sent| has_cipher_spec(sent)).unwrap();
            let media = sent.iter().position(|datagram| !is_dtls(datagram));
            assert!(media.is_none_or(|media| media > keys), "{media:?} {keys}");
            let reports = sent
                .iter()
                .filter(|datagram| !is_dtls(datagram) && is_rtcp(datagram));
            assert!(reports.clone().all(|report| !is_plain_report(report)));
        }
        assert!(heard(&seen) < 0.5, "{}", heard(&seen));
    });
}

/// Whether there is a ChangeCipherSpec, alone or behind other records.
fn has_cipher_spec(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while is_dtls(datagram) && rest.len() > 13 {
        if rest[0] == 20 {
            return true;
        }
        let length = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        rest = rest.get(13 + length..).unwrap_or_default();
    }
    false
}
