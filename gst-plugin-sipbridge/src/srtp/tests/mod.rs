// SPDX-License-Identifier: MPL-2.0
//! Known packets, and what must not be taken.

mod libsrtp;

use super::*;

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn key(suite: Suite, hexadecimal: &str) -> MasterKey {
    MasterKey::from_bytes(suite, &bytes(hexadecimal)).unwrap()
}

fn both(key: &MasterKey) -> SrtpKeys {
    SrtpKeys {
        send: key.clone(),
        receive: key.clone(),
    }
}

/// The keys of RFC 3711 appendix B.3 and RFC 7714 section 16, and what libsrtp's own tests make of one
/// packet each of RTP and RTCP with them.
#[test]
fn packets_are_those_of_libsrtp() {
    let cm = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";
    let gcm = "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab";
    for (suite, master, rtp, rtcp) in [
        (
            Suite::AesCm128HmacSha1Tag80,
            cm,
            "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
            "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
        ),
        (
            Suite::AeadAes128Gcm,
            gcm,
            "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
            "81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001",
        ),
    ] {
        let mut srtp = Srtp::new(&both(&key(suite, master)));
        let plain_rtp = bytes("800f1234decafbadcafebabe abababababababababababababababab");
        let plain_rtcp = bytes("81c8000bcafebabe abababababababababababababababab");
        assert_eq!(srtp.protect_rtp(&plain_rtp).unwrap(), bytes(rtp));
        // Theirs begins to count at 1.
        srtp.send.rtcp_index = 1;
        assert_eq!(srtp.protect_rtcp(&plain_rtcp).unwrap(), bytes(rtcp));
        let mut packet = bytes(rtp);
        assert_eq!(srtp.unprotect_rtp(&mut packet).map(drop), Ok(()));
        assert_eq!(packet, plain_rtp);
        let mut packet = bytes(rtcp);
        assert_eq!(srtp.unprotect_rtcp(&mut packet), Ok(()));
        assert_eq!(packet, plain_rtcp);
    }
}

fn random(suite: Suite) -> MasterKey {
    MasterKey::random(suite)
}

/// An RTP packet with an extension, a contributing source and padding.
fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0xb1, 0x00];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&u32::from(sequence).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[9; 4]);
    packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0]);
    packet.extend_from_slice(&[0x55; 158]);
    packet.extend_from_slice(&[0, 2]);
    packet
}

fn sent(srtp: &mut Srtp, ssrc: u32, sequence: u16) -> Vec<u8> {
    srtp.protect_rtp(&packet(ssrc, sequence)).unwrap().to_vec()
}

#[test]
fn every_suite_there_and_back_through_wraps() {
    for suite in Suite::ALL {
        let mut srtp = Srtp::new(&both(&random(suite)));
        // Most are lost: it is the numbers that count.
        for number in (65_000..200_000u32).step_by(50) {
            let mut there = sent(&mut srtp, 7, number as u16);
            assert_eq!(srtp.unprotect_rtp(&mut there).map(drop), Ok(()), "{number}");
            assert_eq!(there, packet(7, number as u16));
        }
    }
}

#[test]
fn a_changed_packet_is_refused_and_stays_as_it_is() {
    for suite in Suite::ALL {
        let mut srtp = Srtp::new(&both(&random(suite)));
        let protected = sent(&mut srtp, 7, 1);
        for at in 0..protected.len() {
            let mut changed = protected.clone();
            changed[at] ^= 1;
            let before = changed.clone();
            assert!(srtp.unprotect_rtp(&mut changed).is_err(), "{suite} {at}");
            assert_eq!(changed, before);
        }
        for length in 0..protected.len() {
            let mut cut = protected[..length].to_vec();
            assert!(srtp.unprotect_rtp(&mut cut).is_err(), "{suite} {length}");
        }
        let mut report = bytes("81c8000bcafebabe abababababababababababababababab");
        let protected_report = srtp.protect_rtcp(&report).unwrap().to_vec();
        for at in 0..protected_report.len() {
            let mut changed = protected_report.clone();
            changed[at] ^= 1;
            assert!(srtp.unprotect_rtcp(&mut changed).is_err(), "{suite} {at}");
        }
        for length in 0..protected_report.len() {
            let mut cut = protected_report[..length].to_vec();
            assert!(srtp.unprotect_rtcp(&mut cut).is_err(), "{suite} {length}");
        }
        assert!(srtp.unprotect_rtcp(&mut report).is_err(), "not protected");
        assert!(srtp.receive.streams.is_empty(), "nothing is kept of those");
        assert_eq!(srtp.unprotect_rtp(&mut protected.clone()).map(drop), Ok(()));
        assert_eq!(srtp.unprotect_rtcp(&mut protected_report.clone()), Ok(()));
        assert_eq!(
            srtp.unprotect_rtp(&mut protected.clone()),
            Err(Refused::Replayed)
        );
        assert_eq!(
            srtp.unprotect_rtcp(&mut protected_report.clone()),
            Err(Refused::Replayed)
        );
    }
}

#[test]
fn the_32_bit_tag_is_for_rtp_alone() {
    for suite in [Suite::AesCm128HmacSha1Tag32, Suite::Aes256CmHmacSha1Tag32] {
        let mut srtp = Srtp::new(&both(&random(suite)));
        let plain = packet(7, 1);
        assert_eq!(sent(&mut srtp, 7, 1).len(), plain.len() + 4);
        let report = bytes("81c8000bcafebabe abababab");
        let protected = srtp.protect_rtcp(&report).unwrap();
        assert_eq!(protected.len(), report.len() + 4 + 10);
    }
}

#[test]
fn a_key_identifier_stands_where_each_suite_has_it() {
    for suite in Suite::ALL {
        let master = random(suite).with_mki(&[0, 0, 0, 1]);
        let mut srtp = Srtp::new(&both(&master));
        let protected = sent(&mut srtp, 7, 1);
        let mki = [0, 0, 0, 1];
        match suite {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => assert!(protected.ends_with(&mki)),
            Suite::AesCm128HmacSha1Tag32 | Suite::Aes256CmHmacSha1Tag32 => {
                assert_eq!(protected[protected.len() - 8..protected.len() - 4], mki);
            }
            _ => assert_eq!(protected[protected.len() - 14..protected.len() - 10], mki),
        }
        assert_eq!(srtp.unprotect_rtp(&mut protected.clone()).map(drop), Ok(()));
        let report = bytes("81c8000bcafebabe abababab");
        let mut protected = srtp.protect_rtcp(&report).unwrap().to_vec();
        assert_eq!(srtp.unprotect_rtcp(&mut protected), Ok(()));
        assert_eq!(protected, report);
    }
}

#[test]
fn another_key_is_taken_with_the_counter_kept_or_begun_anew() {
    for counts_on in [true, false] {
        let (first, second) = (
            random(Suite::AesCm128HmacSha1Tag80),
            random(Suite::AeadAes256Gcm),
        );
        let mut far = Srtp::new(&both(&first));
        let mut here = Srtp::new(&both(&first));
        for number in (60_000..70_000u32).step_by(50) {
            let mut protected = sent(&mut far, 7, number as u16);
            assert_eq!(here.unprotect_rtp(&mut protected).map(drop), Ok(()));
        }
        let late = sent(&mut far, 7, 70_000u32 as u16);
        let window = far.send.rtp;
        here.agree(&both(&second));
        assert!(far.agree(&both(&second)), "it sends with another key");
        if counts_on {
            far.send.rtp = window;
        }
        for number in (70_001..140_000u32).step_by(50) {
            if number == 70_101 {
                let result = here.unprotect_rtp(&mut late.clone());
                assert!(result.is_ok(), "what was on the way still comes");
            }
            let mut protected = sent(&mut far, 7, number as u16);
            assert_eq!(
                here.unprotect_rtp(&mut protected).map(drop),
                Ok(()),
                "{number}"
            );
        }
        assert!(here.before.is_none());
        assert!(here.unprotect_rtp(&mut late.clone()).is_err());
        assert!(!here.agree(&both(&second)), "the same keys change nothing");
    }
}

#[test]
fn only_authentic_senders_are_remembered_and_not_without_end() {
    let master = random(Suite::AesCm128HmacSha1Tag80);
    let mut far = Srtp::new(&both(&master));
    let mut stranger = Srtp::new(&both(&random(Suite::AesCm128HmacSha1Tag80)));
    let mut here = Srtp::new(&both(&master));
    for ssrc in 0..1_000 {
        let mut forged = sent(&mut stranger, ssrc, 1);
        assert_eq!(here.unprotect_rtp(&mut forged), Err(Refused::Forged));
    }
    assert!(here.receive.streams.is_empty());
    for ssrc in 0..1_000 {
        far.send.rtp = Window::default();
        let mut protected = sent(&mut far, ssrc, 1);
        assert_eq!(here.unprotect_rtp(&mut protected).map(drop), Ok(()));
    }
    assert_eq!(here.receive.streams.len(), STREAMS_OF_A_PHONE);
}

#[test]
fn keys_keep_to_themselves() {
    let master = random(Suite::AesCm128HmacSha1Tag80);
    let shown = format!("{:?}", Srtp::new(&both(&master)));
    let list = |bytes: &[u8]| format!("{bytes:?}");
    assert!(!shown.contains(list(master.key()).trim_matches(['[', ']'])));
    assert!(shown.contains("***"));
}
