// SPDX-License-Identifier: MPL-2.0
//! Whatever arrives: a verdict, never a panic, and never a line of theirs in ours.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

fn judge(bytes: &[u8]) {
    if let Ok((body, agreed)) = answer(&local(), bytes) {
        assert!((10..=60).contains(&agreed.ptime_ms));
        assert!(agreed.receive.iter().all(|(pt, _)| *pt < 128));
        assert!(
            text(&body)
                .split("\r\n")
                .all(|line| !line.contains(['\r', '\n', '\0']))
        );
        // Our own answer is always readable, and its audio is where we put it.
        accept_answer(&local(), &reoffer(&local(), &body), &body).unwrap();
    }
    let _ = accept_answer(&local(), &offer(&local()), bytes);
    let _ = accept_answer(&local(), bytes, bytes);
    let _ = reoffer(&local(), bytes);
    let _ = description_in(Some(b"multipart/mixed;boundary=v"), bytes);
}

#[test]
fn mutated_offers_never_panic() {
    let seeds = [
        offer(&local()),
        with_media(&[
            "m=video 4010 RTP/AVP 96 97",
            "m=audio 4030 RTP/AVP 8 101 96",
            "c=IN IP6 ::1",
            "a=rtpmap:96 opus/48000/2",
            "a=fmtp:96 stereo=1;maxplaybackrate=16000",
            "a=rtcp:5003 IN IP4 192.0.2.77",
            "a=ptime:30",
            "a=maxptime:60",
            "a=inactive",
        ]),
    ];
    let mut random = SmallRng::seed_from_u64(1);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..random.random_range(1..8) {
            if bytes.is_empty() {
                break;
            }
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..5) {
                0 => bytes[at] = random.random(),
                1 => {
                    bytes.remove(at);
                }
                2 => bytes.insert(at, *b"0/= \r\n\0-9:".get(at % 10).unwrap()),
                3 => bytes.truncate(at),
                _ => {
                    let end = (at + random.random_range(0..40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = random.random_range(0..bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
        judge(&bytes);
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = SmallRng::seed_from_u64(2);
    for _ in 0..2_000 {
        let length = random.random_range(0..300);
        let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
        judge(&bytes);
    }
}

#[test]
fn a_huge_description_is_judged_in_time() {
    let mut media = vec!["m=audio 4000 RTP/AVP 0".to_owned()];
    media.extend((0..2_000).map(|n| format!("a=rtpmap:{} opus/48000/2", n % 128)));
    let lines: Vec<&str> = media.iter().map(String::as_str).collect();
    judge(&with_media(&lines));
    judge(&vec![b'm'; 64 * 1024]);
}
