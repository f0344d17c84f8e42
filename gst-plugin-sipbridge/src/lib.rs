//! Telephone calls as GStreamer elements.
