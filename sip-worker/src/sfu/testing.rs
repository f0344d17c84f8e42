// SPDX-License-Identifier: MPL-2.0
//! A participant in no room at all, for tests that get as far as a session and no further.

use super::*;

pub(crate) struct Absent;

fn nothing<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, SfuError>> {
    Box::pin(async {
        Err(SfuError::Unsupported {
            sfu: "none".to_owned(),
            what: "do anything",
        })
    })
}

impl Session for Absent {
    fn me(&self) -> ParticipantId {
        ParticipantId("nobody".to_owned())
    }

    fn publish<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Published, SfuError>> {
        nothing()
    }

    fn subscribe<'a>(&'a self, _: &'a TrackId) -> BoxFuture<'a, Result<Subscription, SfuError>> {
        nothing()
    }

    fn answer<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        nothing()
    }

    fn offer<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<String, SfuError>> {
        nothing()
    }

    fn close<'a>(&'a self, _: &'a ConnectionId) -> BoxFuture<'a, Result<(), SfuError>> {
        nothing()
    }

    fn trickle<'a>(
        &'a self,
        _: &'a ConnectionId,
        _: Option<&'a Candidate>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        nothing()
    }

    fn mute<'a>(&'a self, _: &'a ConnectionId, _: bool) -> BoxFuture<'a, Result<(), SfuError>> {
        nothing()
    }

    fn send<'a>(&'a self, _: &'a Data) -> BoxFuture<'a, Result<(), SfuError>> {
        nothing()
    }

    fn change_attributes<'a>(
        &'a self,
        _: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), SfuError>> {
        nothing()
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
