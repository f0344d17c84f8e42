// SPDX-License-Identifier: MPL-2.0
//! One scenario a module.

mod room_impostor;
mod room_janus_killed;
mod room_refusals;
mod room_tidy;
mod room_two_people;
mod sixty_calls_come_and_go;
mod two_phones_hear_each_other;
mod webrtc_missing_direction;
