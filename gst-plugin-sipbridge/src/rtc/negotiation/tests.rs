// SPDX-License-Identifier: MPL-2.0
//! Offers and answers as text, without a transport.

use super::*;
use crate::rtc::Certificate;
use crate::rtc::description::DescriptionError;
use crate::rtc::tests::{negotiation, opus, pcmu};

fn side() -> Negotiation {
    negotiation(&Certificate::of_process().unwrap(), false)
}

fn sender(ssrc: u32) -> Sender {
    Sender {
        ssrc,
        msid: "a b".to_owned(),
    }
}

fn offering(formats: Vec<Format>) -> (Negotiation, Description) {
    let mut side = side();
    side.add_sender(sender(11), formats);
    let offer = side.create_offer().unwrap();
    side.set_local(Kind::Offer, offer.clone()).unwrap();
    (side, offer)
}

#[test]
fn the_answer_keeps_the_offers_numbers_and_puts_its_favourite_first() {
    let (_, offer) = offering(vec![pcmu(), opus(109)]);
    let mut answerer = side();
    answerer.add_sender(sender(22), vec![opus(96), pcmu()]);
    answerer.set_remote(Kind::Offer, offer).unwrap();
    let answer = answerer.create_answer().unwrap();
    let pts: Vec<u8> = answer.sections[0].formats.iter().map(|f| f.pt).collect();
    assert_eq!(pts, [109, 0]);
    let plan = answerer.set_local(Kind::Answer, answer).unwrap();
    assert_eq!(plan.media[0].send.as_ref().unwrap().formats[0].pt, 109);
}

#[test]
fn nothing_in_common_is_declined() {
    let (mut offerer, offer) = offering(vec![pcmu()]);
    let mut answerer = side();
    answerer.add_sender(sender(22), vec![opus(96)]);
    answerer.set_remote(Kind::Offer, offer).unwrap();
    let answer = answerer.create_answer().unwrap();
    assert!(answer.sections[0].rejected);
    let text = answer.to_string();
    assert!(text.contains("m=audio 0 "), "{text}");
    let answer = Description::read(&text).unwrap();
    assert!(
        answerer
            .set_local(Kind::Answer, answer.clone())
            .unwrap()
            .media
            .is_empty()
    );
    assert!(
        offerer
            .set_remote(Kind::Answer, answer)
            .unwrap()
            .media
            .is_empty()
    );
}

#[test]
fn video_and_data_are_declined_in_their_place() {
    let (_, offer) = offering(vec![opus(111)]);
    let mut text = offer.to_string();
    text.push_str("m=video 9 UDP/TLS/RTP/SAVPF 100\r\na=mid:v\r\na=rtpmap:100 VP8/90000\r\n");
    text.push_str("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n");
    let mut answerer = side();
    answerer
        .set_remote(Kind::Offer, Description::read(&text).unwrap())
        .unwrap();
    let answer = answerer.create_answer().unwrap();
    let text = answer.to_string();
    assert!(
        text.contains("m=video 0 UDP/TLS/RTP/SAVPF 100\r\n"),
        "{text}"
    );
    assert!(
        text.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"),
        "{text}"
    );
    assert!(!answer.sections[0].rejected);
    assert_eq!(answer.bundle, ["audio0"]);
}

#[test]
fn directions_meet() {
    for (offered, wanted, answered) in [
        (
            Direction::SendRecv,
            Direction::SendRecv,
            Direction::SendRecv,
        ),
        (
            Direction::SendOnly,
            Direction::SendRecv,
            Direction::RecvOnly,
        ),
        (
            Direction::RecvOnly,
            Direction::SendRecv,
            Direction::SendOnly,
        ),
        (
            Direction::SendRecv,
            Direction::RecvOnly,
            Direction::RecvOnly,
        ),
        (
            Direction::SendOnly,
            Direction::SendOnly,
            Direction::Inactive,
        ),
    ] {
        let (_, mut offer) = offering(vec![opus(111)]);
        offer.sections[0].direction = offered;
        let mut answerer = side();
        let track = answerer.add_sender(sender(22), vec![opus(111)]);
        answerer.set_direction(track, wanted);
        answerer.set_remote(Kind::Offer, offer).unwrap();
        let answer = answerer.create_answer().unwrap();
        assert_eq!(
            answer.sections[0].direction, answered,
            "{offered:?} {wanted:?}"
        );
    }
}

#[test]
fn steps_out_of_turn_are_refused_and_change_nothing() {
    let side = side();
    assert_eq!(side.create_offer(), Err(NegotiationError::NothingToOffer));
    assert!(matches!(
        side.create_answer(),
        Err(NegotiationError::State { .. })
    ));
    let (mut offerer, offer) = offering(vec![opus(111)]);
    let answer = Description::default();
    assert!(matches!(
        offerer.set_local(Kind::Answer, answer.clone()),
        Err(NegotiationError::State { .. })
    ));
    assert_eq!(
        offerer.set_remote(Kind::Answer, answer),
        Err(NegotiationError::Lines {
            offered: 1,
            answered: 0
        })
    );
    assert!(matches!(
        offerer.set_remote(Kind::Offer, offer),
        Err(NegotiationError::State { .. })
    ));
    assert_eq!(offerer.state(), SignalingState::HaveLocalOffer);
}

#[test]
fn who_shows_no_identity_is_refused() {
    let (_, offer) = offering(vec![opus(111)]);
    let mut nameless = offer.clone();
    nameless.sections[0].fingerprint = None;
    let mut answerer = side();
    assert_eq!(
        answerer.set_remote(Kind::Offer, nameless),
        Err(DescriptionError::NoFingerprint(0).into())
    );
    let mut unreachable = offer;
    unreachable.sections[0].ice = None;
    assert_eq!(
        answerer.set_remote(Kind::Offer, unreachable),
        Err(DescriptionError::NoIce(0).into())
    );
    assert_eq!(answerer.state(), SignalingState::Stable);
}

#[test]
fn an_answer_must_say_who_begins() {
    let (mut offerer, offer) = offering(vec![opus(111)]);
    let mut answerer = side();
    answerer.set_remote(Kind::Offer, offer).unwrap();
    let mut answer = answerer.create_answer().unwrap();
    answer.sections[0].setup = Some(crate::rtc::description::Setup::ActPass);
    assert_eq!(
        offerer.set_remote(Kind::Answer, answer),
        Err(NegotiationError::OpenSetup)
    );
}

#[test]
fn one_number_has_one_meaning_on_a_transport() {
    let mut side = side();
    side.add_sender(sender(1), vec![opus(96)]);
    side.add_sender(
        sender(2),
        vec![Format {
            fmtp: None,
            ..opus(96)
        }],
    );
    side.add_sender(sender(3), vec![opus(96)]);
    let offer = side.create_offer().unwrap();
    let pts: Vec<u8> = offer.sections.iter().map(|s| s.formats[0].pt).collect();
    assert_eq!(pts, [96, 97, 96]);
    assert_eq!(offer.bundle, ["audio0", "audio1", "audio2"]);
}

#[test]
fn a_line_outside_the_bundle_is_declined() {
    let mut offerer = side();
    offerer.add_sender(sender(1), vec![opus(111)]);
    offerer.add_sender(sender(2), vec![opus(111)]);
    let mut offer = offerer.create_offer().unwrap();
    offer.bundle = vec!["audio0".to_owned()];
    let other = crate::rtc::credentials();
    offer.sections[1].ice = Some(other);
    let mut answerer = side();
    answerer.set_remote(Kind::Offer, offer).unwrap();
    let answer = answerer.create_answer().unwrap();
    assert!(!answer.sections[0].rejected);
    assert!(answer.sections[1].rejected);
}

#[test]
fn candidates_stand_where_the_transport_is() {
    let (mut side, _) = offering(vec![opus(111)]);
    side.add_candidate("candidate:1 1 udp 1 192.0.2.1 5000 typ host".to_owned());
    let pending = side.pending_local().unwrap();
    assert_eq!(pending.sections[0].candidates.len(), 1);
    assert!(!pending.sections[0].end_of_candidates);
    side.candidates_complete();
    assert!(side.pending_local().unwrap().sections[0].end_of_candidates);
}

#[test]
fn a_name_that_no_packet_can_carry_is_not_put_into_packets() {
    let (_, mut offer) = offering(vec![opus(111)]);
    offer.sections[0].mid = Some("audio-zero".to_owned());
    offer.bundle = vec!["audio-zero".to_owned()];
    let mut answerer = side();
    answerer.set_remote(Kind::Offer, offer).unwrap();
    let answer = answerer.create_answer().unwrap();
    let uris: Vec<_> = answer.sections[0]
        .extensions
        .iter()
        .map(|(_, uri)| uri.as_str())
        .collect();
    assert_eq!(uris, [HeaderExtension::AudioLevel.uri()]);
}
