// SPDX-License-Identifier: MPL-2.0
//! Stories of calls between two endpoints in virtual time, one a file.

mod pair;
mod peer;

mod ack_lost;
mod answer_lost;
mod basic_call;
mod caller_cancels_while_ringing;
mod cancel_passes_the_answer;
mod merged_request;
mod no_answer_at_all;
mod options;
mod refusals;
mod strangers_get_silence;
mod unanswered_ringing;
