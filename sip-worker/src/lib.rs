//! Rooms, SFUs, routes and control.
