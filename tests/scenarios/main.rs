// SPDX-License-Identifier: MPL-2.0
//! One scenario a module.

/// Phones without signalling, as the tests of elements have them.
#[allow(clippy::unwrap_used, dead_code, reason = "made for other tests, too")]
#[path = "../../gst-plugin-sipbridge/tests/sdpbridgebin/phone.rs"]
mod far_end;
#[path = "../../gst-plugin-sipbridge/tests/kit/mod.rs"]
mod kit;
/// Flows of sipp, as the tests of the user agent tell them.
#[path = "../../sip-ua/tests/flows/script.rs"]
mod script;

mod a_browser_in_a_room;
mod a_busy_thread_is_relieved;
mod a_call_tells_its_figures;
mod a_caller_wants_to_be_hidden;
mod a_carrier_sends_a_call_on;
mod a_carriers_first_server_is_down;
mod a_host_behind_coturn;
mod a_new_graph_on_sighup;
mod a_phone_behind_an_edge_proxy;
mod a_phone_is_transferred;
mod a_phone_over_tls;
mod a_profile_in_a_graph;
mod a_room_as_large_as_its_thread;
mod a_room_is_decoded_once;
mod a_room_on_a_busy_thread;
mod a_session_is_claimed;
mod a_silent_phone_is_explained;
mod a_track_is_asked_for_again;
mod a_trunk_has_ways_of_its_own;
mod a_trunk_is_watched;
mod a_whip_server_comes_back;
mod a_worker_behind_coturn;
mod an_app_answers_a_call;
mod an_sfu_behind_tls;
mod an_sfu_by_whip;
mod an_sfu_keeps_its_promises;
mod awkward_networks;
mod behind_a_one_to_one_nat;
mod browsers_over_https;
mod caller_cancels_while_ringing;
mod calls_through_kamailio_survive_changes;
mod check_says_what_is_wrong;
mod either_side_hangs_up;
mod ends_during_an_outage;
mod garbage_harms_no_running_call;
mod hosts_behind_nat;
mod kamailio_in_front;
mod keys_in_three_forms;
mod muted_leg_is_not_heard;
mod no_such_route;
mod one_call_too_many;
mod pages_over_https;
mod phone_and_room_hear_each_other;
mod phones_in_a_browser;
mod phones_in_a_browser_reach_janus;
mod readme_lines;
mod refused_at_the_phone;
mod registered_phones;
mod room_impostor;
mod room_janus_killed;
mod room_refusals;
mod room_tidy;
mod room_two_people;
mod rooms_by_plain_rtp;
mod rooms_by_whip_and_whep;
mod scanners_cost_no_call_a_gap;
mod secrets_stay_secret;
mod sfu_comes_back;
mod sfu_dies;
mod sip_js_in_node;
mod sip_worker_dial;
mod sipp_tells_its_flows;
mod sixty_calls_come_and_go;
mod stranger_meets_silence;
mod the_demo;
mod the_join_page;
mod the_join_page_keeps_out;
mod the_join_page_rejoins;
mod the_join_page_rings;
mod the_worker_holds_a_phone;
mod three_phones_in_a_room;
mod two_handsets_of_one_number;
mod two_phones_behind_kamailio;
mod two_phones_hear_each_other;
mod webrtc_missing_direction;
mod what_people_tell_each_other;
mod whip_and_whep_of_gstreamer;
mod whip_refusals;
mod worker_dials_a_phone;
mod wrong_password;
