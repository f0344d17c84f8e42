// SPDX-License-Identifier: MPL-2.0
//! A test phone on `sipbin`: dials or listens, plays a file, records what it hears.
