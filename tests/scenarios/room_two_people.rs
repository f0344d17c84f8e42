// SPDX-License-Identifier: MPL-2.0
//! Two people in a room of Janus hear each other, and see each other come and go.

use std::time::{Duration, Instant};

use sip_worker::measure::{Marker, PHONE_SPEECH, ROOM_SPEECH, Wave, compare};
use sipbridge_tests::janus::{Janus, Options};
use sipbridge_tests::room::{MOUTH_HZ, join};

const SOON: Duration = Duration::from_secs(10);
const STRETCH: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_hear_each_other() {
    gst::init().unwrap();
    let janus = Janus::start(Options::default()).await.unwrap();
    let ann = join(&janus, "lobby", "ann").await.unwrap();
    let bob = join(&janus, "lobby", "bob").await.unwrap();
    let (at_ann, at_bob) = tokio::join!(ann.hears("bob", SOON), bob.hears("ann", SOON));
    let (at_ann, at_bob) = (at_ann.unwrap(), at_bob.unwrap());

    let (ann_marker, bob_marker) = (Marker::random(), Marker::random());
    let by_ann = ann_marker.before(
        &Wave::from_wav(ROOM_SPEECH)
            .unwrap()
            .slice(Duration::ZERO, STRETCH),
    );
    let by_bob = bob_marker.before(
        &Wave::from_wav(PHONE_SPEECH)
            .unwrap()
            .slice(Duration::ZERO, STRETCH),
    );
    // Resampled before the clock runs: it takes its time.
    let (by_ann, by_bob) = (by_ann.resampled(MOUTH_HZ), by_bob.resampled(MOUTH_HZ));
    let from = Instant::now() + Duration::from_millis(300);
    ann.say(&by_ann, from);
    bob.say(&by_bob, from);
    let end = from + by_ann.duration().max(by_bob.duration()) + Duration::from_millis(500);
    tokio::time::sleep_until(end.into()).await;

    for (said, marker, heard) in [
        (&by_ann, &ann_marker, &at_bob),
        (&by_bob, &bob_marker, &at_ann),
    ] {
        let recording = heard.recording.between(from, end);
        assert!(
            marker.find(&recording).is_some(),
            "the marker of this run is heard"
        );
        let found = compare(said, &recording);
        println!(
            "delay {:?} ms, correlation {:.3}, level {:+.1} dB, gaps {:?}",
            found.delay_ms,
            found.correlation,
            found.level_difference_db(),
            found.gaps
        );
        assert!(found.is_good(), "{found:?}");
    }
    let mixed_up = compare(&by_bob, &at_bob.recording.between(from, end));
    assert!(!mixed_up.is_good(), "nobody hears themselves: {mixed_up:?}");

    assert!(bob.seen().is_here("ann"));
    let left = Instant::now();
    ann.leave().await;
    let gone = bob
        .until("ann leaving", SOON, |seen| {
            seen.person("ann").and_then(|p| p.left)
        })
        .await
        .unwrap();
    assert!(gone - left < Duration::from_secs(1), "{:?}", gone - left);

    let carl = join(&janus, "lobby", "carl").await.unwrap();
    carl.until("bob", SOON, |seen| seen.is_here("bob").then_some(()))
        .await
        .unwrap();
    let dropped = Instant::now();
    drop(bob);
    let gone = carl
        .until("bob leaving", SOON, |seen| {
            seen.person("bob").and_then(|p| p.left)
        })
        .await
        .unwrap();
    let took = gone - dropped;
    assert!(took < Duration::from_secs(1), "{took:?}");
}
