// SPDX-License-Identifier: MPL-2.0
//! What participants ask of the SFU.

use std::time::Instant;

use super::LinkId;
use super::exchange::Exchange;
use super::link::{Link, LinkError, Restart};
use super::rooms::MemberId;
use super::seats::Seats;
use crate::sfu::{
    Candidate, ConnectionId, Negotiation, Published, SfuError, Subscription, TrackId,
};

/// What a description was sent for that is refused; the numbers are HTTP's (RFC 9725 section 4.2).
const UNREADABLE: i64 = 400;
const UNFIT: i64 = 422;

impl Exchange {
    /// Answers a member's offer to speak.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        member: MemberId,
        offer: &str,
    ) -> Result<Published, SfuError> {
        let begun = self.connect(now, member, |link| link.take_speaker(now, offer));
        let (id, (answer, line)) = self.begun("publish", begun)?;
        self.speaks(now, id, line);
        Ok(Published {
            connection: id.into(),
            answer,
        })
    }

    /// Answers a member's offer to hear whoever is there.
    pub(super) fn listen(
        &mut self,
        now: Instant,
        member: MemberId,
        offer: &str,
    ) -> Result<Published, SfuError> {
        let begun = self.connect(now, member, |link| link.take_listener(now, offer));
        let (id, (answer, lines)) = self.begun("listen", begun)?;
        self.hears(id, Seats::open(lines));
        Ok(Published {
            connection: id.into(),
            answer,
        })
    }

    /// Offers a member one track of somebody else.
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        member: MemberId,
        track: &TrackId,
    ) -> Result<Subscription, SfuError> {
        if self.speaker_of(track).is_none() {
            return Err(self.no_such_track(&track.0));
        }
        let begun = self.connect(now, member, |link| link.offer(now, "room track"));
        let (id, offer) = self.begun("subscribe", begun)?;
        self.hears_only(id, track);
        Ok(Subscription {
            connection: id.into(),
            negotiation: Negotiation::Offered(offer),
            mid: None,
        })
    }

    /// Takes a member's answer to an offer.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        member: MemberId,
        connection: &ConnectionId,
        answer: &str,
    ) -> Result<(), SfuError> {
        self.change(now, member, connection, "answer", |link| {
            link.accept(now, answer)
        })
    }

    /// Begins ICE anew on a connection that a member offered.
    pub(crate) fn restart(
        &mut self,
        now: Instant,
        member: MemberId,
        connection: &ConnectionId,
        restart: Restart,
    ) -> Result<Restart, SfuError> {
        self.change(now, member, connection, "restart", |link| {
            link.restart(now, restart)
        })
    }

    /// A candidate of a member's.
    pub(super) fn trickled(
        &mut self,
        now: Instant,
        member: MemberId,
        connection: &ConnectionId,
        candidate: &Candidate,
    ) -> Result<(), SfuError> {
        self.change(now, member, connection, "trickle", |link| {
            link.add_candidate(&candidate.candidate);
            Ok(())
        })
    }

    /// A member is silent on purpose, or not any more.
    pub(super) fn muted(
        &mut self,
        now: Instant,
        member: MemberId,
        connection: &ConnectionId,
        muted: bool,
    ) -> Result<(), SfuError> {
        let id = self.own(member, connection)?;
        self.mute(now, id, muted);
        Ok(())
    }

    /// A member wants a connection no more.
    pub(super) fn closed(
        &mut self,
        now: Instant,
        member: MemberId,
        connection: &ConnectionId,
    ) -> Result<(), SfuError> {
        let id = self.own(member, connection)?;
        self.close(now, id);
        Ok(())
    }

    /// Whether a connection of a member's is there (still).
    pub(super) fn has(&self, member: MemberId, connection: &ConnectionId) -> bool {
        self.own(member, connection).is_ok()
    }

    fn change<T>(
        &mut self,
        now: Instant,
        member: MemberId,
        connection: &ConnectionId,
        request: &'static str,
        change: impl FnOnce(&mut Link) -> Result<T, LinkError>,
    ) -> Result<T, SfuError> {
        let id = self.own(member, connection)?;
        let link = self.link(member, id);
        let changed = link.map(change).transpose();
        self.renamed(now, id);
        match changed {
            Ok(Some(done)) => Ok(done),
            Ok(None) => Err(self.no_such_track(&connection.0)),
            Err(error) => Err(self.refused(request, &error)),
        }
    }

    fn own(&self, member: MemberId, connection: &ConnectionId) -> Result<LinkId, SfuError> {
        let id = connection.0.parse().ok().map(LinkId);
        let own = id.filter(|id| self.owns(member, *id));
        own.ok_or_else(|| self.no_such_track(&connection.0))
    }

    fn begun<T>(
        &self,
        request: &'static str,
        begun: Result<Option<(LinkId, T)>, LinkError>,
    ) -> Result<(LinkId, T), SfuError> {
        match begun {
            Ok(Some(begun)) => Ok(begun),
            Ok(None) => Err(SfuError::Lost {
                sfu: self.config.name.clone(),
                reason: "we left the room".to_owned(),
            }),
            Err(error) => Err(self.refused(request, &error)),
        }
    }

    fn refused(&self, request: &'static str, error: &LinkError) -> SfuError {
        SfuError::Refused {
            sfu: self.config.name.clone(),
            request,
            code: match error {
                LinkError::Unreadable(_) => UNREADABLE,
                _ => UNFIT,
            },
            reason: error.to_string(),
        }
    }

    fn no_such_track(&self, track: &str) -> SfuError {
        SfuError::NoSuchTrack {
            sfu: self.config.name.clone(),
            track: track.to_owned(),
        }
    }
}
