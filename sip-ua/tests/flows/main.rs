// SPDX-License-Identifier: MPL-2.0
//! The call flows of RFC 3665 and RFC 5359 with sipp at the other end, which fails at any message that
//! is not the next one of the flow: once as the caller, once as the one who is called. One flow a file;
//! `script` says how a flow is written.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod ours;
mod script;
#[path = "../calls_out_to_sipp/sipp.rs"]
mod sipp;

mod attended_transfer;
mod blind_transfer;
mod busy;
mod call_forwarding;
mod cancelled;
mod consultation_hold;
mod contact_list;
mod hold;
mod no_answer;
mod offerless;
mod proxy_authentication;
mod re_invite;
mod redirected;
mod registration;
mod registration_refused;
mod successful_session;
