// SPDX-License-Identifier: MPL-2.0
//! What a Janus refuses, or cannot do, becomes the right SIP answer and one clear sentence.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use sip_worker::sfu::{Sfu, SfuError};
use sipbridge_tests::janus::{Janus, Options, signed_token};
use sipbridge_tests::room::{Connector, JanusConfig, called};

async fn refusal(config: JanusConfig, room: &str, who: &str) -> SfuError {
    match Connector::new(config).join(room, called(who)).await {
        Err(error) => {
            println!("{}: {error}", error.sip_code());
            error
        }
        Ok(_) => panic!("{who} was let into {room}"),
    }
}

#[tokio::test]
async fn a_room_that_is_not_there_is_404() {
    let janus = Janus::start(Options::default()).await.unwrap();
    let config = JanusConfig {
        room_create: false,
        ..janus.config("main")
    };
    let error = refusal(config, "nowhere", "ann").await;
    assert_eq!((error.sip_code(), error.label()), (404, "no_such_room"));
    assert_eq!(error.to_string(), "the SFU main has no room \"nowhere\"");
}

#[tokio::test]
async fn a_name_where_rooms_have_numbers_is_404_and_a_number_is_a_room() {
    let janus = Janus::start(Options {
        string_ids: false,
        ..Options::default()
    })
    .await
    .unwrap();
    let error = refusal(janus.config("main"), "lobby", "ann").await;
    assert_eq!(error.sip_code(), 404);
    assert!(error.to_string().contains("string_ids"), "{error}");
    let sfu = Connector::new(janus.config("main"));
    let joined = sfu.join("77", called("ann")).await.unwrap();
    assert!(
        joined.session.me().0.parse::<u64>().is_ok(),
        "Janus chose a number"
    );
}

#[tokio::test]
async fn a_wrong_pin_or_secret_is_403_and_a_name_taken_is_486() {
    let janus = Janus::start(Options {
        api_secret: Some("open sesame".to_owned()),
        ..Options::default()
    })
    .await
    .unwrap();
    let error = refusal(janus.config("main"), "lobby", "ann").await;
    assert_eq!((error.sip_code(), error.label()), (403, "forbidden"));

    let known = |pin: Option<&str>| JanusConfig {
        api_secret: Some("open sesame".to_owned().into()),
        pin: pin.map(|pin| pin.to_owned().into()),
        ..janus.config("main")
    };
    let sfu = Connector::new(known(Some("1234")));
    let _ann = sfu.join("lobby", called("ann")).await.unwrap();
    assert_eq!(
        refusal(known(Some("4321")), "lobby", "bob")
            .await
            .sip_code(),
        403
    );
    assert_eq!(refusal(known(None), "lobby", "bob").await.sip_code(), 403);
    let taken = refusal(known(Some("1234")), "lobby", "ann").await;
    assert_eq!((taken.sip_code(), taken.label()), (486, "taken"));
}

#[tokio::test]
async fn a_token_lets_in_if_it_is_signed_by_the_right_one_for_the_right_plugin() {
    let janus = Janus::start(Options {
        token_secret: Some("what it signs with".to_owned()),
        ..Options::default()
    })
    .await
    .unwrap();
    let with = |secret: &str, plugin: &str| JanusConfig {
        token: Some(signed_token(secret, plugin).unwrap().into()),
        ..janus.config("main")
    };
    let videoroom = "janus.plugin.videoroom";
    for wrong in [
        janus.config("main"),
        with("what somebody else signs with", videoroom),
        with("what it signs with", "janus.plugin.echotest"),
    ] {
        let error = refusal(wrong, "lobby", "ann").await;
        assert_eq!((error.sip_code(), error.label()), (403, "forbidden"));
    }
    let sfu = Connector::new(with("what it signs with", videoroom));
    sfu.join("lobby", called("ann")).await.unwrap();
}

#[tokio::test]
async fn a_janus_that_is_not_there_is_503_and_nobody_waits_for_it_twice() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let sfu = Connector::new(JanusConfig::new("main", format!("ws://{port}")));
    let began = Instant::now();
    for _ in 0..100 {
        let error = sfu
            .join("lobby", called("ann"))
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!((error.sip_code(), error.label()), (503, "unreachable"));
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}
