// SPDX-License-Identifier: MPL-2.0
//! The `sip-worker` program: reads the command line and hands over to the library.
fn main() {}
