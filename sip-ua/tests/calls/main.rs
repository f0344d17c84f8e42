// SPDX-License-Identifier: MPL-2.0
//! Stories of calls between two endpoints in virtual time, one a file.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod pair;
mod peer;
mod registering;
mod servers;

mod ack_lost;
mod answer_lost;
mod basic_call;
mod bounds;
mod caller_cancels_while_ringing;
mod cancel_passes_the_answer;
mod digest_retry;
mod failover;
mod failover_of_a_registration;
mod forked_answers;
mod forked_early_dialogs;
mod garbage_during_a_call;
mod info_both_ways;
mod injection;
mod ladder_of_a_call;
mod lossy_wire;
mod merged_request;
mod no_answer_at_all;
mod no_timer_repeats_over_tcp;
mod nothing_left_after_a_thousand_calls;
mod offerless_invite;
mod options;
mod outbound;
mod outbound_registrar;
mod prack;
mod prack_hostile;
mod prack_on_a_lossy_wire;
mod preloaded_route;
mod reasons;
mod record_route;
mod redirects;
mod refusals;
mod registrar_keeps_bindings;
mod registration_fails_and_tries_again;
mod registration_interval_too_brief;
mod registration_stays_refreshed;
mod reinvite;
mod reinvite_glare;
mod replaces;
mod scanners;
mod servers_within_a_call;
mod session_timers;
mod strangers_get_silence;
mod too_long_for_a_datagram;
mod transfer;
mod transferred;
mod unanswered_ringing;
mod update;
mod update_before_the_answer;
mod watched_servers;
