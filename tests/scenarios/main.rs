// SPDX-License-Identifier: MPL-2.0
//! One scenario a module.

mod room_two_people;
mod two_phones_hear_each_other;
