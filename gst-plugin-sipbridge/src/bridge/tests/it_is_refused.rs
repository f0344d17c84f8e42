// SPDX-License-Identifier: MPL-2.0
//! What does not cross, and the sentence that says why.

use super::*;

fn refusal(config: ExchangeConfig, offer: &[u8]) -> ExchangeError {
    let mut exchange = Exchange::new(config);
    exchange
        .offer(Instant::now(), "alice", None, offer)
        .unwrap_err()
}

#[test]
fn transports_that_a_side_does_not_speak() {
    let offer = Phone::secure(4000, &[Codec::Pcma]).offer();
    let error = refusal(config(), &offer);
    assert_eq!(error.sip_code(), 488);
    let said = error.to_string();
    assert!(
        said.starts_with("side a: ") && said.contains("RTP/SAVP"),
        "{said}"
    );

    let mut secure = config();
    secure.sides[0].srtp = SrtpPolicy::Required;
    let plain = Phone::new(4000, &[Codec::Pcma]).offer();
    let said = refusal(secure, &plain).to_string();
    assert!(said.contains("a=crypto"), "{said}");

    let browser = replaced(&plain, "RTP/AVP ", "UDP/TLS/RTP/SAVPF ");
    let said = refusal(config(), &browser).to_string();
    assert!(said.contains("UDP/TLS/RTP/SAVPF"), "{said}");
}

#[test]
fn descriptions_that_are_none() {
    let offer = Phone::new(4000, &[Codec::Pcma]).offer();
    for (broken, words) in [
        (b"hello".to_vec(), "cannot be read"),
        (replaced(&offer, "m=audio", "m=video"), "no m=audio line"),
        (replaced(&offer, "m=audio 4000", "m=audio 0"), "port 0"),
        (
            replaced(&offer, "c=IN IP4 198.51.100.1\r\n", ""),
            "no c= line",
        ),
        (
            replaced(&offer, "c=IN IP4 198.51.100.1", "c=IN IP4 127.0.0.1"),
            "loopback",
        ),
        (
            replaced(&offer, "c=IN IP4 198.51.100.1", "c=IN IP4 169.254.169.254"),
            "metadata",
        ),
        (replaced(&offer, "PCMA/8000", "GSM/8000"), "no common codec"),
    ] {
        let error = refusal(config(), &broken);
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!([400, 488].contains(&error.sip_code()), "{error}");
    }
}

#[test]
fn codecs_of_which_none_may_go_on() {
    let mut narrow = config();
    narrow.transcode = false;
    narrow.sides[1].codecs = Some(vec![Codec::Opus]);
    let error = refusal(
        narrow,
        &Phone::new(4000, &[Codec::Pcma, Codec::Pcmu]).offer(),
    );
    let said = error.to_string();
    assert!(
        said.contains("PCMA, PCMU") && said.contains("side b"),
        "{said}"
    );
    assert_eq!(error.sip_code(), 488);
}

#[test]
fn offers_of_both_at_a_time() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    story.call();
    story.alice_offers().unwrap();
    let offer = story.bob.offer();
    let error = story.exchange.offer(story.now, "bob", None, &offer);
    let error = error.unwrap_err();
    assert_eq!(
        (&error, error.sip_code()),
        (&ExchangeError::Glare(Side::A), 491)
    );
}

#[test]
fn tags_that_are_nobodys() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let early = story.exchange.answer("alice", "bob", b"v=0");
    assert_eq!(early.err(), Some(ExchangeError::NoOffer));
    let offer = story.alice_offers().unwrap();
    let (answer, _) = story.bob.answer(&offer);
    let error = |answered: Result<Answered, ExchangeError>| answered.unwrap_err();
    let exchange = &mut story.exchange;
    assert_eq!(
        error(exchange.answer("mallory", "bob", &answer)),
        ExchangeError::UnknownTag("mallory".to_owned())
    );
    assert_eq!(
        error(exchange.answer("alice", "alice", &answer)),
        ExchangeError::OwnOffer("alice".to_owned())
    );
    exchange.answer("alice", "bob", &answer).unwrap();
    let again = story.alice.offer();
    for (from, to) in [
        ("mallory", None),
        ("alice", Some("mallory")),
        ("bob", Some("mallory")),
    ] {
        let error = exchange.offer(story.now, from, to, &again).unwrap_err();
        assert_eq!(error, ExchangeError::UnknownTag("mallory".to_owned()));
        assert_eq!(error.sip_code(), 481);
    }
}

#[test]
fn an_answer_that_cannot_be_taken_leaves_the_offer_open() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let offer = story.alice_offers().unwrap();
    let (answer, _) = story.bob.answer(&offer);
    let declined = replaced(&answer, "m=audio 5000", "m=audio 0");
    let error = story
        .exchange
        .answer("alice", "bob", &declined)
        .unwrap_err();
    assert!(error.to_string().starts_with("side b: "), "{error}");
    assert_eq!(story.exchange.tag(Side::B), None);
    assert!(story.exchange.next_timeout().is_some());
    story.exchange.answer("alice", "bob", &answer).unwrap();
}
