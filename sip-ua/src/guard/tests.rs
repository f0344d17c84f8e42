// SPDX-License-Identifier: MPL-2.0
//! Sources in virtual time.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    guard: Guard,
    now: Instant,
}

impl Scene {
    fn new(config: Config) -> Scene {
        Scene {
            guard: Guard::new(config),
            now: Instant::now(),
        }
    }

    fn admit(&mut self, from: &str) -> Admission {
        self.guard.admit(self.now, from.parse().unwrap())
    }

    fn fail(&mut self, from: &str, failure: Failure) -> Option<Ban> {
        self.guard.failed(self.now, from.parse().unwrap(), failure)
    }

    /// Fails until that is enough: how often it took.
    fn banned_after(&mut self, from: &str, failure: Failure) -> (u32, Ban) {
        for count in 1..1000 {
            if let Some(ban) = self.fail(from, failure) {
                return (count, ban);
            }
        }
        panic!("{from} was never banned");
    }
}

#[test]
fn a_source_has_a_pace_and_some_in_advance() {
    let mut scene = Scene::new(Config::default());
    for _ in 0..40 {
        assert_eq!(scene.admit("192.0.2.1"), Admission::Open);
    }
    assert_eq!(scene.admit("192.0.2.1"), Admission::TooFast);
    assert_eq!(scene.admit("192.0.2.2"), Admission::Open);
    // Twenty a second, whenever they come.
    let mut open = 0;
    for _ in 0..1000 {
        scene.now += Duration::from_millis(10);
        open += u32::from(scene.admit("192.0.2.1") == Admission::Open);
    }
    assert!((198..=202).contains(&open), "{open}");
    assert_eq!(scene.guard.stats().too_fast, 1001 - u64::from(open));
    let mut scene = Scene::new(Config {
        rate: 0,
        ..Config::default()
    });
    assert!((0..9999).all(|_| scene.admit("192.0.2.1") == Admission::Open));
}

#[test]
fn who_fails_again_and_again_is_banned_longer_and_longer() {
    let mut scene = Scene::new(Config {
        ban_max: 300 * SECOND,
        ..Config::default()
    });
    for (nth, lasts) in [(1, 60), (2, 120), (3, 240), (4, 300), (5, 300)] {
        let (count, ban) = scene.banned_after("192.0.2.1", Failure::Stranger);
        assert_eq!(count, 20);
        assert_eq!((ban.nth, ban.lasts), (nth, lasts * SECOND));
        assert_eq!(scene.admit("192.0.2.1"), Admission::Banned);
        assert_eq!(scene.admit("192.0.2.2"), Admission::Open);
        assert_eq!(scene.guard.banned(scene.now), 1);
        // What comes meanwhile makes it no longer.
        scene.now += ban.lasts - SECOND;
        assert_eq!(scene.admit("192.0.2.1"), Admission::Banned);
        assert_eq!(scene.fail("192.0.2.1", Failure::Stranger), None);
        scene.now += SECOND;
        assert_eq!(scene.admit("192.0.2.1"), Admission::Open);
        assert_eq!(scene.guard.banned(scene.now), 0);
    }
    assert_eq!(scene.guard.stats().bans, 5);
    // Who kept quiet for long begins anew.
    scene.now += 300 * SECOND;
    let (_, ban) = scene.banned_after("192.0.2.1", Failure::Credentials);
    assert_eq!(ban.nth, 1);
}

#[test]
fn who_fails_now_and_then_is_never_banned() {
    let mut scene = Scene::new(Config::default());
    for _ in 0..10_000 {
        scene.now += 3 * SECOND;
        assert_eq!(scene.fail("192.0.2.1", Failure::Credentials), None);
    }
    let mut scene = Scene::new(Config {
        failures: 0,
        ..Config::default()
    });
    assert!((0..9999).all(|_| scene.fail("192.0.2.1", Failure::Credentials).is_none()));
}

#[test]
fn phones_that_answer_their_challenges_are_no_scanner() {
    let mut scene = Scene::new(Config {
        spare_proven: false,
        ..Config::default()
    });
    let office = "192.0.2.1".parse().unwrap();
    // A hundred phones behind one address come up at once, and answer a moment later.
    for _ in 0..100 {
        for _ in 0..100 {
            assert_eq!(scene.fail("192.0.2.1", Failure::Unanswered), None);
        }
        for _ in 0..100 {
            scene.guard.succeeded(scene.now, office);
        }
    }
    // To be asked without ever answering is a failure at last.
    let (count, _) = scene.banned_after("192.0.2.1", Failure::Unanswered);
    assert_eq!(count, 200);
}

/// One who knows a password cannot buy guesses at others with it.
#[test]
fn success_takes_back_a_challenge_and_no_guess() {
    let mut scene = Scene::new(Config {
        spare_proven: false,
        ..Config::default()
    });
    let from = "192.0.2.1".parse().unwrap();
    for _ in 0..19 {
        assert_eq!(scene.fail("192.0.2.1", Failure::Credentials), None);
        assert_eq!(scene.fail("192.0.2.1", Failure::Unanswered), None);
        scene.guard.succeeded(scene.now, from);
    }
    assert!(scene.fail("192.0.2.1", Failure::Credentials).is_some());
}

/// What fails in its name may be forged.
#[test]
fn who_proved_themselves_is_left_alone_for_an_hour() {
    let mut scene = Scene::new(Config::default());
    let from = "192.0.2.1".parse().unwrap();
    scene.guard.succeeded(scene.now, from);
    for _ in 0..5000 {
        assert_eq!(scene.fail("192.0.2.1", Failure::Credentials), None);
        assert_eq!(scene.admit("192.0.2.1"), Admission::Open);
    }
    scene.now += Duration::from_secs(3599);
    assert_eq!(scene.fail("192.0.2.1", Failure::Credentials), None);
    scene.now += Duration::from_secs(3601);
    assert_eq!(scene.banned_after("192.0.2.1", Failure::Credentials).0, 20);
    // However many prove themselves, memory is bounded.
    for number in 0..20_000u32 {
        let from = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        scene.guard.succeeded(scene.now, from);
    }
    assert!(scene.guard.remembered() < 8200);
}

#[test]
fn an_ipv6_network_is_one_source_and_a_mapped_address_is_ipv4() {
    let mut scene = Scene::new(Config::default());
    for host in 0..19 {
        let from = format!("2001:db8::{host:x}:1");
        assert_eq!(scene.fail(&from, Failure::Stranger), None);
    }
    let ban = scene.fail("2001:db8::ffff", Failure::Stranger).unwrap();
    assert_eq!(ban.source.to_string(), "2001:db8::/64");
    assert_eq!(scene.admit("2001:db8:0:0:9::1"), Admission::Banned);
    assert_eq!(scene.admit("2001:db8:0:1::1"), Admission::Open);
    scene.banned_after("::ffff:192.0.2.1", Failure::Stranger);
    assert_eq!(scene.admit("192.0.2.1"), Admission::Banned);
}

#[test]
fn memory_is_bounded_and_the_longest_bans_outlast_a_flood() {
    let mut scene = Scene::new(Config {
        sources: 1000,
        bans: 100,
        ..Config::default()
    });
    for _ in 0..5 {
        let (_, ban) = scene.banned_after("198.51.100.1", Failure::Credentials);
        scene.now += ban.lasts;
    }
    scene.banned_after("198.51.100.1", Failure::Credentials);
    for number in 0..200_000u32 {
        scene.now += Duration::from_micros(200);
        let from = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        assert_eq!(scene.guard.admit(scene.now, from), Admission::Open);
        scene.guard.failed(scene.now, from, Failure::Stranger);
        assert!(scene.guard.remembered() <= 1100);
    }
    for number in 0..500u32 {
        scene.banned_after(&format!("2001:db8:0:{number:x}::1"), Failure::Stranger);
        assert!(scene.guard.remembered() <= 1100);
    }
    assert_eq!(scene.admit("198.51.100.1"), Admission::Banned);
    assert_eq!(scene.guard.banned(scene.now), 100);
}

#[test]
fn log_lines_are_few_and_say_how_many_are_missing() {
    let (mut lines, mut now) = (LogLines::default(), Instant::now());
    let written = (0..1000).filter(|_| lines.admit(now).is_some()).count();
    assert_eq!(written, 50);
    now += SECOND;
    assert_eq!(lines.admit(now), Some(950));
    assert_eq!(lines.admit(now), Some(0));
}

#[test]
fn a_ban_can_be_lifted_and_then_is_as_if_it_had_never_been() {
    let mut scene = Scene::new(Config::default());
    let (count, ban) = scene.banned_after("192.0.2.1", Failure::Stranger);
    scene.now += ban.lasts;
    let (_, second) = scene.banned_after("192.0.2.1", Failure::Stranger);
    assert_eq!(second.nth, 2);
    scene.banned_after("2001:db8::1", Failure::Stranger);
    scene.now += SECOND;
    let shown = |scene: &Scene| -> Vec<(String, Duration, u32)> {
        let held = scene.guard.list(scene.now).into_iter();
        held.map(|banned| (banned.source.to_string(), banned.left, banned.nth))
            .collect()
    };
    let left = |ban: Ban| ban.lasts - SECOND;
    assert_eq!(
        shown(&scene),
        [
            ("192.0.2.1".to_owned(), left(second), 2),
            ("2001:db8::/64".to_owned(), left(ban), 1),
        ]
    );
    assert!(scene.guard.lift(scene.now, "192.0.2.1".parse().unwrap()));
    assert!(!scene.guard.lift(scene.now, "192.0.2.1".parse().unwrap()));
    assert_eq!(scene.admit("192.0.2.1"), Admission::Open);
    // An address of the network, and the network as it is shown.
    assert!(scene.guard.lift(scene.now, "2001:db8::77".parse().unwrap()));
    assert!(
        !scene
            .guard
            .lift(scene.now, "2001:db8::/64".parse().unwrap())
    );
    assert!(shown(&scene).is_empty());
    let (again, ban) = scene.banned_after("192.0.2.1", Failure::Stranger);
    assert_eq!((again, ban.nth), (count, 1));
    // What is over is no ban.
    scene.now += ban.lasts;
    assert!(shown(&scene).is_empty());
    assert!(!scene.guard.lift(scene.now, "192.0.2.1".parse().unwrap()));
    for no_source in ["192.0.2.0/64", "192.0.2.0/24", "lab", ""] {
        assert_eq!(no_source.parse::<Source>(), Err(NoSource), "{no_source}");
    }
}
