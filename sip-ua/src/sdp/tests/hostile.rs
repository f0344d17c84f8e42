// SPDX-License-Identifier: MPL-2.0
//! What is harmless once may be dear a thousand times. (Spoiled descriptions: fuzz/src/targets/sdp.rs.)

use super::*;

fn judge(bytes: &[u8]) {
    if let Ok((body, _)) = answer(&local(), bytes) {
        // Our own answer is always readable, and its audio is where we put it.
        accept_answer(&local(), &reoffer(&local(), &body), &body).unwrap();
    }
    let _ = accept_answer(&local(), &offer(&local()), bytes);
    let _ = accept_answer(&local(), bytes, bytes);
    let _ = reoffer(&local(), bytes);
    let _ = description_in(Some(b"multipart/mixed;boundary=v"), bytes);
}

#[test]
fn a_huge_description_is_judged_in_time() {
    let mut media = vec!["m=audio 4000 RTP/AVP 0".to_owned()];
    media.extend((0..2_000).map(|n| format!("a=rtpmap:{} opus/48000/2", n % 128)));
    let lines: Vec<&str> = media.iter().map(String::as_str).collect();
    judge(&with_media(&lines));
    judge(&vec![b'm'; 64 * 1024]);
}
