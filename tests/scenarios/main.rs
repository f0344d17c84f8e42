// SPDX-License-Identifier: MPL-2.0
//! One scenario a module.

mod two_phones_hear_each_other;
