// SPDX-License-Identifier: MPL-2.0
//! The media of one call: its sockets, its leg and its codecs, as one [`Task`](crate::context::Task)
//! on a [`Context`].
//!
//! What the far end says goes to an [`AudioOut`] in steps of 20 ms; what we say to it comes through
//! an [`AudioIn`] from any thread. The call steers it through a [`MediaHandle`].
//!
//! Two far ends that shall hear each other and nobody else need none of that: a [`bridge`].

mod api;
pub mod bridge;
mod ears;
mod feed;
pub(crate) mod figures;
mod handle;
mod input;
mod output;
mod pace;
mod paths;
mod pauses;
mod player;
mod rest;
mod sockets;
mod task;

#[cfg(test)]
mod tests;

pub use crate::leg::check_digits;
pub use api::{
    AudioOut, DigitsError, Format, LegStats, MediaConfig, MediaError, MediaEvent, MediaEvents,
    OutFrame, Pushed,
};
pub use handle::MediaHandle;
pub use input::AudioIn;
pub(crate) use player::Player;

use crate::context::Context;

/// Opens the sockets and starts the media of a call on `context`. Nothing is sent before
/// [`MediaHandle::apply`].
pub fn open(
    context: &Context,
    config: MediaConfig,
    events: MediaEvents,
) -> Result<MediaHandle, MediaError> {
    handle::open(context, config, events)
}
