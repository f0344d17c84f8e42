// SPDX-License-Identifier: MPL-2.0
//! The same small application on rtcbin and on webrtcbin, and each against the other.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod a_browser_goes_along;
mod a_browser_hears_and_is_heard;
mod a_relay_is_lost;
#[allow(dead_code, reason = "each test uses the part it needs")]
mod app;
mod behind_a_nat;
mod both_hear_each_other;
mod browser;
mod descriptions_are_refused;
mod ice_lite;
mod it_goes_at_once;
mod it_is_shaped_like_webrtcbin;
mod it_moves;
mod it_stops_and_starts_again;
#[path = "../kit/mod.rs"]
mod kit;
mod levels_reach_a_mixer;
mod nobody_else_gets_in;
mod one_way;
mod stun;
mod stun_shows_the_world;
mod tracks_come_and_go;
mod turn;
mod what_it_counts;
