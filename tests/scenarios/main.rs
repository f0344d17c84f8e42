// SPDX-License-Identifier: MPL-2.0
//! One scenario a module.

mod a_call_tells_its_figures;
mod a_new_graph_on_sighup;
mod a_phone_over_tls;
mod a_silent_phone_is_explained;
mod an_app_answers_a_call;
mod caller_cancels_while_ringing;
mod check_says_what_is_wrong;
mod either_side_hangs_up;
mod ends_during_an_outage;
mod garbage_harms_no_running_call;
mod kamailio_in_front;
mod keys_in_three_forms;
mod muted_leg_is_not_heard;
mod no_such_route;
mod phone_and_room_hear_each_other;
mod readme_lines;
mod registered_phones;
mod room_impostor;
mod room_janus_killed;
mod room_refusals;
mod room_tidy;
mod room_two_people;
mod secrets_stay_secret;
mod sfu_comes_back;
mod sfu_dies;
mod sip_worker_dial;
mod sixty_calls_come_and_go;
mod stranger_meets_silence;
mod the_worker_holds_a_phone;
mod three_phones_in_a_room;
mod two_phones_behind_kamailio;
mod two_phones_hear_each_other;
mod webrtc_missing_direction;
mod worker_dials_a_phone;
mod wrong_password;
