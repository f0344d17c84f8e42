// SPDX-License-Identifier: MPL-2.0
//! A short run of each target, the same each time, and every input that was once too much for one.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod run;

/// It counts what its process holds, and has one of its own.
const ALONE: &str = "beside";

/// Each of the others has a test; `./dev test fuzz` runs them all.
macro_rules! targets {
    ($($name:ident: $target:literal,)*) => {
        mod fuzz {
            $(#[test]
            fn $name() {
                super::run::short($target);
            })*

            #[test]
            fn no_target_is_left_out() {
                let tested = [$($target),*];
                let all = sipbridge_fuzz::TARGETS.iter().map(|target| target.name);
                let others = all.filter(|name| *name != super::ALONE);
                assert_eq!(others.collect::<Vec<_>>(), tested);
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
