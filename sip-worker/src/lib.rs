// SPDX-License-Identifier: MPL-2.0
//! Rooms, SFUs, routes and control.
//!
//! The library behind the `sip-worker` program. Each call is a task of its own ([`calls`]); what it
//! needs (a trunk, a route, a media graph, a room) stands in a module named for it.

// The worker's own body.
pub mod calls;
pub mod demo;
pub mod exposition;
pub mod http;
pub mod phone;
pub mod problem;
pub mod registrations;
pub mod run;
pub mod watches;
pub mod worker;

// What decides: configuration, routes and media graphs, and where they are.
pub mod check;
pub mod config;
pub mod document;
pub mod headers;
pub mod installed;
pub mod numbers;
pub mod pipeline;
pub mod route;

// Where calls meet others: SFUs and the WebRTC peers that reach them.
pub mod link;
pub mod plain;
pub mod sfu;
pub mod webrtc;

// How we know that it works.
pub use sipbridge_measure as measure;
