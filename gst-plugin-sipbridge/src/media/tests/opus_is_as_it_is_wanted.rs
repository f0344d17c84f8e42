// SPDX-License-Identifier: MPL-2.0
//! What a far end says of its Opus (RFC 7587) is heeded by whoever sends it some.

use std::net::UdpSocket;

use super::*;

/// What comes before a word does, and RTP's header, are shorter.
const WORD_BYTES: usize = 30;

#[test]
fn a_constant_bit_rate_is_sent_where_it_is_wanted() {
    let context = Context::acquire("media-test", MAX_WAIT).unwrap();
    let end = End::open(&context);
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut agreed = agreement(phone.local_addr().unwrap(), Codec::Opus);
    agreed.opus_fmtp.cbr = true;
    end.media.apply(agreed).unwrap();
    let _mouth = Mouth::speak(&end, 8_000, 440.0);
    let mut packet = [0; 1_500];
    let mut words = std::iter::from_fn(|| phone.recv(&mut packet).ok());
    let words: Vec<usize> = words
        .by_ref()
        .filter(|length| *length > WORD_BYTES)
        .take(25)
        .collect();
    assert_eq!(words.len(), 25);
    assert!(words.iter().all(|length| *length == words[0]), "{words:?}");
    end.media.close();
}
