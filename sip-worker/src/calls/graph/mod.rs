// SPDX-License-Identifier: MPL-2.0
//! The media of a room on this worker: a pipeline, made of the graph's `[room]` part, of a `[call]` part for
//! each phone and of a `[track]` part for each track that is heard. Where the graph has no `[room]` part, a call
//! has a pipeline to itself.
//!
//! - [`room`]: the pipeline; [`mix`]: where what is heard meets; [`news`]: what it reports, and to whom
//! - [`call`]: one phone in it; [`seat`]: its place at a mixer that others share; [`uplink`]: its way into the SFU
//! - [`track`]: one heard track in it
//!
//! Everything here may wait for a streaming thread, so none of it runs on the runtime's threads.

mod call;
mod mix;
mod news;
mod room;
mod seat;
mod track;
mod uplink;

pub use call::CallGraph;
pub use news::GraphNews;
pub use room::{Comfort, RoomGraph};
pub use track::{Concealed, TrackGraph};

/// Why a graph could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// A part could not be made.
    #[error("the media graph '{graph}' cannot be made: {reason}")]
    Part {
        /// Its name.
        graph: String,
        /// One sentence.
        reason: String,
    },
    /// A state change failed.
    #[error("the media graph '{graph}' does not start: {reason}")]
    Start {
        /// Its name.
        graph: String,
        /// What its pipeline says.
        reason: String,
    },
    /// Its mixer lets nobody more in.
    #[error(
        "the media graph '{graph}' has no place for another phone: mixing takes as much of its media thread's time as it may (max-load of sipmixer)"
    )]
    Full {
        /// Its name.
        graph: String,
    },
    /// The call is over.
    #[error("the call is over")]
    Stopped,
    /// Every mixer slot hears a track already.
    #[error("the media graph '{graph}' hears {slots} tracks at most")]
    NoSlot {
        /// Its name.
        graph: String,
        /// How many slots it has.
        slots: usize,
    },
}
