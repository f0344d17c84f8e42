//! A SIP user agent, sans-IO.
