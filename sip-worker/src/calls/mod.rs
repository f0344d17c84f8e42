// SPDX-License-Identifier: MPL-2.0
//! The calls of this worker: a task each, a table of all.
