// SPDX-License-Identifier: MPL-2.0
//! The call flows of RFC 3665 and RFC 5359 with sipp at the other end, which fails at any message that
//! is not the next one of the flow: once as the caller, once as the one who is called. One flow a file;
//! `script` says how a flow is written, and `table` which sections are told by which flows.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod ours;
mod script;
#[path = "../calls_out_to_sipp/sipp.rs"]
mod sipp;
mod table;

mod attended_transfer;
mod automatic_redial;
mod blind_transfer;
mod busy;
mod call_forwarding;
mod call_park;
mod call_pickup;
mod cancelled;
mod click_to_dial;
mod conference;
mod consultation_hold;
mod contact_list;
mod find_me;
mod gateway;
mod hold;
mod instant_message;
mod music_on_hold;
mod no_answer;
mod no_response;
mod offerless;
mod proxy_authentication;
mod proxy_failure;
mod re_invite;
mod redirected;
mod registration;
mod registration_refused;
mod screening;
mod successful_session;
mod two_proxies;
