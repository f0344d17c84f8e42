// SPDX-License-Identifier: MPL-2.0

use super::*;

fn room(to: Option<&str>, room: &str) -> Route {
    Route {
        to: to.map(str::to_owned),
        from: None,
        trunk: None,
        user: None,
        diverted_by: None,
        private: None,
        attestation: None,
        headers: Vec::new(),
        target: Target::Room {
            room: room.parse().unwrap(),
            participant: "{from|call_id}".parse().unwrap(),
            sfu: None,
            answer: Answer::OnParticipant,
        },
    }
}

fn facts() -> Facts {
    Facts {
        to: "+15550100".to_owned(),
        from: "+15550123".to_owned(),
        trunk: "carrier".to_owned(),
        user: None,
        private: false,
        diverted_by: None,
        diverter_private: false,
        attestation: None,
        call_id: "abc@192.0.2.1".to_owned(),
        headers: vec![("X-Room-ID".to_owned(), "standup".to_owned())],
    }
}

#[test]
fn the_first_match_decides() {
    let reject = Route {
        target: Target::Reject(480),
        ..room(Some("+15550199"), "x")
    };
    let routes = [reject, room(Some("+1555*"), "a"), room(None, "b")];
    let of = |to: &str| {
        decide(
            &routes,
            &Facts {
                to: to.to_owned(),
                ..facts()
            },
        )
    };
    assert_eq!(of("+15550199").unwrap_err().code, 480);
    assert_eq!(of("+15550100").unwrap().room, "a");
    assert_eq!(of("100").unwrap().room, "b");
    assert_eq!(
        decide(&routes[..2], &Facts::default()).unwrap_err().code,
        404
    );
}

#[test]
fn trunk_caller_and_headers_are_matched() {
    let route = Route {
        from: Some("+1555*".to_owned()),
        trunk: Some("carrier".to_owned()),
        headers: vec![("x-room-id".to_owned(), "stand*".to_owned())],
        ..room(None, "a")
    };
    let routes = [route];
    assert!(decide(&routes, &facts()).is_ok());
    for other in [
        Facts {
            from: "+44".to_owned(),
            ..facts()
        },
        Facts {
            trunk: "carrier2".to_owned(),
            ..facts()
        },
        Facts {
            headers: Vec::new(),
            ..facts()
        },
    ] {
        assert_eq!(decide(&routes, &other).unwrap_err().code, 404);
    }
}

#[test]
fn names_are_made_of_facts() {
    for (template, expected) in [
        ("lobby", "lobby"),
        ("{to}", "15550100"),
        ("room-{to}.{trunk}", "room-15550100.carrier"),
        ("{header.X-Room-ID|call_id}", "standup"),
        ("{header.x-room-id}", "standup"),
        ("{header.X-Other|call_id}", "abc-192.0.2.1"),
        ("{ header.X-Other | from }", "15550123"),
    ] {
        let name = decide(&[room(None, template)], &facts()).unwrap().room;
        assert_eq!(name, expected, "{template}");
    }
    let decision = decide(&[room(None, "a")], &facts()).unwrap();
    assert_eq!(decision.participant, "15550123");
}

#[test]
fn a_header_that_is_no_name_refuses_the_call() {
    let long = "a".repeat(65);
    for value in ["../../etc", "a b", "a\r\nX: y", "\u{fc}ber", "a\0", &long] {
        let facts = Facts {
            headers: vec![("X-Room-ID".to_owned(), value.to_owned())],
            ..facts()
        };
        let refusal = decide(&[room(None, "{header.X-Room-ID|call_id}")], &facts).unwrap_err();
        assert_eq!(refusal.code, 403, "{value:?}");
        assert!(!refusal.why.contains(['\r', '\n', '\0']));
    }
    let none = Facts {
        headers: Vec::new(),
        ..facts()
    };
    let refusal = decide(&[room(None, "{header.X-Room-ID}")], &none).unwrap_err();
    assert!(refusal.why.contains("has none of header.X-Room-ID"));
}

#[test]
fn a_long_call_id_is_shortened_and_stays_unique() {
    let name = |call_id: String| {
        let facts = Facts { call_id, ..facts() };
        decide(&[room(None, "{call_id}")], &facts).unwrap().room
    };
    let (one, two) = (name("x".repeat(200)), name("x".repeat(201)));
    assert_eq!(one.len(), 64);
    assert_ne!(one, two);
}

#[test]
fn a_route_of_a_user_takes_that_user_and_no_trunk() {
    let route = |pattern: &str, name: &str| Route {
        user: Some(pattern.to_owned()),
        ..room(None, name)
    };
    let routes = [route("alice", "hers"), route("*", "{user}-own")];
    let of = |user: Option<&str>| {
        let facts = Facts {
            user: user.map(str::to_owned),
            trunk: String::new(),
            ..facts()
        };
        decide(&routes, &facts).map(|decision| decision.room)
    };
    assert_eq!(of(Some("alice")).unwrap(), "hers");
    assert_eq!(of(Some("bob")).unwrap(), "bob-own");
    assert_eq!(of(None).unwrap_err().code, 404);
}

#[test]
fn who_sent_the_call_on_and_who_vouches_for_it_are_matched_and_named() {
    let diverted = Route {
        diverted_by: Some("+1555019*".to_owned()),
        ..room(None, "voicemail-{diverted_by}")
    };
    let doubtful = Route {
        attestation: Some(Attestation::Gateway),
        target: Target::Reject(603),
        ..room(None, "x")
    };
    let routes = [doubtful, diverted, room(None, "{attestation|trunk}")];
    let of = |diverted_by: Option<&str>, attestation| {
        let facts = Facts {
            diverted_by: diverted_by.map(str::to_owned),
            attestation,
            ..facts()
        };
        decide(&routes, &facts).map(|decision| decision.room)
    };
    assert_eq!(of(Some("+15550199"), None).unwrap(), "voicemail-15550199");
    assert_eq!(of(Some("+15550200"), None).unwrap(), "carrier");
    assert_eq!(of(None, Some(Attestation::Full)).unwrap(), "A");
    assert_eq!(of(None, Some(Attestation::Gateway)).unwrap_err().code, 603);
}

#[test]
fn a_hidden_caller_is_matched_by_number_but_never_named() {
    let private = Facts {
        private: true,
        diverted_by: Some("+15550199".to_owned()),
        diverter_private: true,
        ..facts()
    };
    let named = |template: &str| decide(&[room(None, template)], &private).unwrap().room;
    assert_eq!(named("{from}"), "anonymous");
    assert_eq!(named("{diverted_by}"), "anonymous");
    assert_eq!(named("{from|trunk}"), "carrier");
    let decision = decide(&[room(None, "a")], &private).unwrap();
    assert_eq!(decision.participant, "abc-192.0.2.1");
    assert_eq!(private.shown_from(), "anonymous");
    let only = |wanted: bool| Route {
        private: Some(wanted),
        from: Some("+1555*".to_owned()),
        ..room(None, "a")
    };
    assert!(decide(&[only(true)], &private).is_ok());
    assert_eq!(decide(&[only(false)], &private).unwrap_err().code, 404);
    assert!(decide(&[only(false)], &facts()).is_ok());
}
