// SPDX-License-Identifier: MPL-2.0
//! Spoiled descriptions for real bridges, in a process of their own: what they leave behind is counted.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod run;

mod fuzz {
    #[test]
    fn spoiled_bridges_keep_no_other_one_waiting_and_leave_nothing() {
        super::run::short("beside");
    }
}
