//! A SIP user agent, sans-IO.

pub mod sdp;
