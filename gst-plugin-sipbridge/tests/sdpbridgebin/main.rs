// SPDX-License-Identifier: MPL-2.0
//! Two phones whose descriptions a test carries through a bridge, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod a_tap_that_is_blocked;
mod an_offer_that_nobody_answers;
#[allow(dead_code, reason = "each test uses the part it needs")]
#[path = "../rtcbin/app.rs"]
mod app;
mod both_hear_each_other;
mod digits_cross;
mod every_pair;
mod examples_bridge;
mod hands_are_shaken;
mod it_changes_while_it_runs;
mod keys_that_do_not_fit;
#[path = "../kit/mod.rs"]
mod kit;
mod many_answer;
mod media_are_controlled;
#[allow(dead_code, reason = "each test uses the part it needs")]
mod phone;
mod somebody_listens_in;
mod taps_leave_from_anywhere;
mod what_is_on_the_wire;
mod what_is_refused;
mod who_resumes_is_heard_at_once;
