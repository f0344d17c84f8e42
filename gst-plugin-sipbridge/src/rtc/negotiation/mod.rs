// SPDX-License-Identifier: MPL-2.0
//! Offer and answer (RFC 8829) for audio lines over one bundled transport, without any I/O.

mod answer;
mod error;
mod offer;
mod outcome;

#[cfg(test)]
mod tests;

use super::description::{Credentials, Description, Direction, Format};
use super::plan::{HeaderExtension, Plan};

pub use error::NegotiationError;

/// Where the exchange of descriptions stands (RFC 8829 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignalingState {
    /// No exchange is under way.
    #[default]
    Stable,
    /// Our offer waits for its answer.
    HaveLocalOffer,
    /// Their offer waits for ours.
    HaveRemoteOffer,
}

/// Which half of an exchange a description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The first half.
    Offer,
    /// The second.
    Answer,
}

/// What does not change during a session.
#[derive(Debug, Clone)]
pub struct NegotiationConfig {
    /// The SHA-256 of our certificate.
    pub fingerprint: Vec<u8>,
    /// Our ICE credentials, until ICE is restarted.
    pub credentials: Credentials,
    /// Answer connectivity checks and make none.
    pub lite: bool,
    /// The session's number in `o=`.
    pub session_id: u64,
    /// Our name in RTCP.
    pub cname: String,
}

/// Names a track of ours, whether or not it has a media line yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrackId(usize);

/// What is sent on a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The RTP source.
    pub ssrc: u32,
    /// The stream's and the track's identifier.
    pub msid: String,
}

/// A transceiver: at most one stream each way.
#[derive(Debug, Clone)]
struct Track {
    /// The media line, once there is one.
    line: Option<usize>,
    wanted: Direction,
    sender: Option<Sender>,
    /// What it can carry, the best first; payload types are wishes.
    formats: Vec<Format>,
}

/// One side's view of the exchange of descriptions.
#[derive(Debug)]
pub struct Negotiation {
    config: NegotiationConfig,
    state: SignalingState,
    tracks: Vec<Track>,
    /// Who speaks first in DTLS and who nominates; settled by the first exchange.
    roles: Option<Roles>,
    /// The numbers of header extensions hold for the transport's life.
    extensions: Option<Vec<(u8, HeaderExtension)>>,
    local: Pair,
    remote: Pair,
    version: u64,
    candidates: Vec<String>,
    gathered: bool,
    /// The exchange that holds began here.
    offered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Roles {
    controlling: bool,
    active: bool,
}

#[derive(Debug, Default)]
struct Pair {
    current: Option<Description>,
    pending: Option<Description>,
}

impl Pair {
    fn latest(&self) -> Option<&Description> {
        self.pending.as_ref().or(self.current.as_ref())
    }

    fn settle(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.current = Some(pending);
        }
    }
}

impl Negotiation {
    /// A session about which nothing was said yet.
    pub fn new(config: NegotiationConfig) -> Negotiation {
        Negotiation {
            config,
            state: SignalingState::Stable,
            tracks: Vec::new(),
            roles: None,
            extensions: None,
            local: Pair::default(),
            remote: Pair::default(),
            version: 0,
            candidates: Vec::new(),
            gathered: false,
            offered: false,
        }
    }

    /// Whether our description that holds is the offer, and theirs the answer.
    pub fn is_offerer(&self) -> bool {
        self.offered
    }

    /// Where the exchange stands.
    pub fn state(&self) -> SignalingState {
        self.state
    }

    /// Wants to send on a track: one that only receives so far, else a new one.
    pub fn add_sender(&mut self, sender: Sender, formats: Vec<Format>) -> TrackId {
        let free = self.tracks.iter().position(|track| track.sender.is_none());
        let id = free.unwrap_or(self.tracks.len());
        match self.tracks.get_mut(id) {
            Some(track) => {
                track.wanted = Direction::new(true, track.wanted.receives());
                track.sender = Some(sender);
                track.formats = formats;
            }
            None => self.tracks.push(Track {
                line: None,
                wanted: Direction::SendRecv,
                sender: Some(sender),
                formats,
            }),
        }
        TrackId(id)
    }

    /// A new track without anything to send yet, for an offer to receive.
    pub fn add_receiver(&mut self, direction: Direction, formats: Vec<Format>) -> TrackId {
        self.tracks.push(Track {
            line: None,
            wanted: direction,
            sender: None,
            formats,
        });
        TrackId(self.tracks.len() - 1)
    }

    /// Says anew what a track can carry.
    pub fn set_formats(&mut self, id: TrackId, formats: Vec<Format>) {
        if let Some(track) = self.tracks.get_mut(id.0) {
            track.formats = formats;
        }
    }

    /// Wants to send no more on a track.
    pub fn remove_sender(&mut self, id: TrackId) {
        if let Some(track) = self.tracks.get_mut(id.0) {
            track.sender = None;
            track.wanted = Direction::new(false, track.wanted.receives());
        }
    }

    /// Names the stream and track that a sender belongs to.
    pub fn set_msid(&mut self, id: TrackId, msid: String) {
        if let Some(sender) = self.tracks.get_mut(id.0).and_then(|t| t.sender.as_mut()) {
            sender.msid = msid;
        }
    }

    /// Says which way a track should go from the next exchange on.
    pub fn set_direction(&mut self, id: TrackId, direction: Direction) {
        if let Some(track) = self.tracks.get_mut(id.0) {
            track.wanted = direction;
        }
    }

    /// The media line of a track, once it has one.
    pub fn line_of(&self, id: TrackId) -> Option<usize> {
        self.tracks.get(id.0)?.line
    }

    /// Restarts ICE with the next offer (RFC 8839 section 4.4.3.1.1).
    pub fn restart_ice(&mut self, credentials: Credentials) {
        self.config.credentials = credentials;
        self.candidates.clear();
        self.gathered = false;
    }

    /// The credentials the next description of ours has.
    pub fn credentials(&self) -> &Credentials {
        &self.config.credentials
    }

    /// The media line that stands for the transport, where candidates belong.
    pub fn transport_line(&self) -> usize {
        self.local
            .latest()
            .and_then(|description| Some(description.transport()?.0))
            .unwrap_or(0)
    }

    /// A candidate of ours, for descriptions that are still to go out.
    pub fn add_candidate(&mut self, candidate: String) {
        self.candidates.push(candidate);
    }

    /// There are no more candidates of ours.
    pub fn candidates_complete(&mut self) {
        self.gathered = true;
    }

    /// Our description that holds, with the candidates found since.
    pub fn current_local(&self) -> Option<Description> {
        self.local.current.as_ref().map(|d| self.with_candidates(d))
    }

    /// Our description that waits for its other half.
    pub fn pending_local(&self) -> Option<Description> {
        self.local.pending.as_ref().map(|d| self.with_candidates(d))
    }

    /// Their description that holds.
    pub fn current_remote(&self) -> Option<&Description> {
        self.remote.current.as_ref()
    }

    /// Their description that waits for its other half.
    pub fn pending_remote(&self) -> Option<&Description> {
        self.remote.pending.as_ref()
    }

    fn with_candidates(&self, description: &Description) -> Description {
        let mut description = description.clone();
        let line = description.transport().map(|(line, _)| line);
        if let Some(section) = line.and_then(|line| description.sections.get_mut(line)) {
            section.candidates = self.candidates.clone();
            section.end_of_candidates = self.gathered && !self.candidates.is_empty();
        }
        description
    }

    /// Makes a description ours: one of those made here, changed or not.
    pub fn set_local(
        &mut self,
        kind: Kind,
        description: Description,
    ) -> Result<Plan, NegotiationError> {
        match kind {
            Kind::Offer => {
                self.require_state(
                    "apply our offer",
                    &[SignalingState::Stable, SignalingState::HaveLocalOffer],
                )?;
                self.associate_offered(&description);
                self.local.pending = Some(description);
                self.state = SignalingState::HaveLocalOffer;
            }
            Kind::Answer => {
                self.require_state("apply our answer", &[SignalingState::HaveRemoteOffer])?;
                let offered = self.remote.pending.as_ref().map_or(0, |d| d.sections.len());
                same_lines(offered, description.sections.len())?;
                self.settle_roles_answering(&description)?;
                self.offered = false;
                self.local.pending = Some(description);
                self.local.settle();
                self.remote.settle();
                self.state = SignalingState::Stable;
            }
        }
        self.version = self.local.latest().map_or(self.version, |d| d.version + 1);
        Ok(self.plan())
    }

    /// Takes a description of the far end.
    pub fn set_remote(
        &mut self,
        kind: Kind,
        description: Description,
    ) -> Result<Plan, NegotiationError> {
        match kind {
            Kind::Offer => {
                self.require_state(
                    "apply an offer of the far end",
                    &[SignalingState::Stable, SignalingState::HaveRemoteOffer],
                )?;
                check_transport(&description)?;
                self.associate_offer_of_the_far_end(&description);
                self.remote.pending = Some(description);
                self.state = SignalingState::HaveRemoteOffer;
            }
            Kind::Answer => {
                self.require_state(
                    "apply an answer of the far end",
                    &[SignalingState::HaveLocalOffer],
                )?;
                let offered = self.local.pending.as_ref().map_or(0, |d| d.sections.len());
                same_lines(offered, description.sections.len())?;
                check_transport(&description)?;
                self.settle_roles_offering(&description)?;
                self.offered = true;
                self.remote.pending = Some(description);
                self.local.settle();
                self.remote.settle();
                self.state = SignalingState::Stable;
            }
        }
        Ok(self.plan())
    }

    fn require_state(
        &self,
        step: &'static str,
        states: &[SignalingState],
    ) -> Result<(), NegotiationError> {
        if states.contains(&self.state) {
            return Ok(());
        }
        Err(NegotiationError::State {
            step,
            state: self.state,
        })
    }
}

fn same_lines(offered: usize, answered: usize) -> Result<(), NegotiationError> {
    if offered == answered {
        Ok(())
    } else {
        Err(NegotiationError::Lines { offered, answered })
    }
}

/// What comes from the far end must show a way to it and who it is, unless all of it is declined.
fn check_transport(description: &Description) -> Result<(), NegotiationError> {
    let Some((line, section)) = description.transport() else {
        return Ok(());
    };
    if section.ice.is_none() {
        return Err(super::description::DescriptionError::NoIce(line).into());
    }
    if section.fingerprint.is_none() {
        return Err(super::description::DescriptionError::NoFingerprint(line).into());
    }
    Ok(())
}
