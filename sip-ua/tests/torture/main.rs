// SPDX-License-Identifier: MPL-2.0
//! The torture tests of RFC 4475 and RFC 5118.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod corpus;
mod next_call;
mod noise;
mod rfc4475;
mod rfc5118;
mod rfc5118_answered;
