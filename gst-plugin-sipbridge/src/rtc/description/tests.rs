// SPDX-License-Identifier: MPL-2.0
//! Descriptions as others write them.

use super::*;

/// What webrtcbin 1.22 answers with: no BUNDLE, attributes at the media level.
const WEBRTCBIN: &str = "v=0\r\no=- 7263 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-options:trickle\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef012345\r\n\
    a=mid:audio0\r\na=rtcp-mux\r\na=setup:active\r\na=rtpmap:97 OPUS/48000/2\r\na=fmtp:97 useinbandfec=1\r\n\
    a=ssrc:77 cname:x\r\na=ssrc:77 msid:a b\r\na=sendrecv\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n";

#[test]
fn an_answer_without_bundle_has_its_transport_all_the_same() {
    let read = Description::read(WEBRTCBIN).unwrap();
    let (index, section) = read.transport().unwrap();
    assert_eq!(index, 0);
    assert!(section.is_usable());
    assert_eq!(section.setup, Some(Setup::Active));
    assert_eq!(section.sources, [77]);
    assert_eq!(section.fingerprint.as_ref().unwrap()[31], 0x1F);
    assert_eq!(section.formats[0].name, "OPUS");
    assert_eq!(section.formats[0].channels, Some(2));
    assert_eq!(section.formats[0].fmtp.as_deref(), Some("useinbandfec=1"));
}

#[test]
fn the_session_level_holds_for_lines_that_say_nothing() {
    let moved = WEBRTCBIN
        .replace("a=sendrecv\r\n", "")
        .replace("a=setup:active\r\n", "")
        .replace("t=0 0\r\n", "t=0 0\r\na=recvonly\r\na=setup:passive\r\n");
    let read = Description::read(&moved).unwrap();
    assert_eq!(read.sections[0].direction, Direction::RecvOnly);
    assert_eq!(read.sections[0].setup, Some(Setup::Passive));
    let silent = WEBRTCBIN.replace("a=sendrecv\r\n", "");
    let read = Description::read(&silent).unwrap();
    assert_eq!(read.sections[0].direction, Direction::SendRecv);
}

#[test]
fn a_line_that_waits_for_the_bundle_is_not_declined() {
    let waiting = WEBRTCBIN.replace("m=audio 9", "m=audio 0");
    assert!(Description::read(&waiting).unwrap().sections[0].rejected);
    let waiting = waiting.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=bundle-only\r\n");
    assert!(!Description::read(&waiting).unwrap().sections[0].rejected);
}

#[test]
fn only_sha_256_shows_who_somebody_is() {
    let weak = WEBRTCBIN.replace("sha-256 ", "sha-1 ");
    assert_eq!(
        Description::read(&weak).unwrap().sections[0].fingerprint,
        None
    );
    let short = WEBRTCBIN.replace(":1F\r\n", "\r\n");
    assert_eq!(
        Description::read(&short).unwrap().sections[0].fingerprint,
        None
    );
}

#[test]
fn what_is_written_reads_the_same() {
    let mut read = Description::read(WEBRTCBIN).unwrap();
    read.bundle = vec!["audio0".to_owned()];
    read.sections[0].candidates = vec!["candidate:1 1 udp 1 192.0.2.1 9 typ host".to_owned()];
    read.sections[0].end_of_candidates = true;
    read.sections[0].extensions =
        vec![(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level".to_owned())];
    let text = read.to_string();
    assert_eq!(Description::read(&text).unwrap(), read, "{text}");
}

#[test]
fn static_payload_types_need_no_map() {
    let plain = WEBRTCBIN.replace("SAVPF 97", "SAVPF 97 0 8 9 101");
    let read = Description::read(&plain).unwrap();
    let names: Vec<_> = read.sections[0]
        .formats
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(names, ["OPUS", "PCMU", "PCMA", "G722"]);
}

#[test]
fn rubbish_is_refused_with_a_sentence() {
    assert!(matches!(
        Description::read("hello"),
        Err(DescriptionError::Unreadable(_))
    ));
    let none = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
    assert_eq!(Description::read(none), Err(DescriptionError::NoMedia));
    let mut many = none.to_owned();
    many.push_str(&"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(65));
    assert!(matches!(
        Description::read(&many),
        Err(DescriptionError::TooManyMedia { .. })
    ));
}

#[test]
fn a_media_line_that_is_not_whole_is_refused() {
    for line in ["m= 9  ", "m=audio 9 UDP/TLS/RTP/SAVPF  ", "m=audio 9  97"] {
        let broken = WEBRTCBIN.replace("m=audio 9 UDP/TLS/RTP/SAVPF 97", line);
        let error = Description::read(&broken).unwrap_err();
        assert!(
            matches!(error, DescriptionError::Unreadable(_)),
            "{line}: {error}"
        );
    }
}
