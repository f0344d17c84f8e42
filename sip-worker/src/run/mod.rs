// SPDX-License-Identifier: MPL-2.0
//! `sip-worker run`: from a configuration to a worker that takes calls.
