// SPDX-License-Identifier: MPL-2.0
//! A short run of each target, the same each time, and every input that was once too much for one.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use sipbridge_fuzz::{Campaign, Finding, kept, target};

const SEED: u64 = 0x5eed;

fn short(name: &str) {
    let target = target(name).expect("a target of that name");
    for (path, input) in kept(target).unwrap() {
        println!("{}", path.display());
        // Its panic, if it has one again, is the test's.
        (target.run)(&input, &mut Default::default());
    }
    let mut campaign = Campaign::begin(target, SEED).unwrap_or_else(|found| fail(name, found));
    for _ in 0..target.short {
        let input = campaign.spoil();
        if let Err(found) = campaign.attempt(input) {
            fail(name, found.shrunk(target));
        }
    }
    println!("{name}: {:?}", campaign.counts());
}

fn fail(name: &str, found: Finding) -> ! {
    panic!("{name}: {}\nwith {}", found.why, found.input.escape_ascii());
}

/// Each target has a test; `./dev test fuzz` runs them all.
macro_rules! targets {
    ($($name:ident: $target:literal,)*) => {
        mod fuzz {
            $(#[test]
            fn $name() {
                super::short($target);
            })*

            #[test]
            fn no_target_is_left_out() {
                let tested = [$($target),*];
                let all = sipbridge_fuzz::TARGETS.iter().map(|target| target.name);
                assert_eq!(all.collect::<Vec<_>>(), tested);
            }
        }
    };
}

targets! {
    messages_are_read_or_refused: "message",
    streams_come_apart_however_they_are_cut: "stream",
    descriptions_are_answered_or_refused: "sdp",
    descriptions_cross_a_bridge_or_are_refused: "bridge",
    a_user_agent_bears_whatever_arrives: "endpoint",
    two_user_agents_leave_nothing_behind: "dialogs",
    a_phone_leg_bears_whatever_arrives: "leg",
    webrtc_descriptions_and_checks_do_no_harm: "rtc",
    configurations_are_read_or_explained: "config",
}
