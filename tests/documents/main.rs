// SPDX-License-Identifier: MPL-2.0
//! The documents say what the programs do. `./dev docs` brings those parts up to date that are made
//! from them.

mod command_line;
mod configuration;
mod elements;
mod http_interface;
mod metrics;
mod sfu_pages;
