// SPDX-License-Identifier: MPL-2.0
//! Answering offers.

use super::{Negotiation, NegotiationError, SignalingState, Track};
use crate::rtc::description::{Description, Direction, Format, Section, Setup};
use crate::rtc::plan::HeaderExtension;

/// The numbers that one-byte headers have (RFC 8285 section 4.2).
pub(super) const ONE_BYTE: std::ops::RangeInclusive<u8> = 1..=14;

/// Whether the transport can write this name of a media line into packets as it is.
pub(super) fn is_plain(mid: &str) -> bool {
    (1..=16).contains(&mid.len()) && mid.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Negotiation {
    /// An answer to the offer that waits for one.
    pub fn create_answer(&self) -> Result<Description, NegotiationError> {
        self.require_state("make an answer", &[SignalingState::HaveRemoteOffer])?;
        let Some(offer) = &self.remote.pending else {
            return Err(NegotiationError::State {
                step: "make an answer",
                state: self.state,
            });
        };
        let extensions = self.extensions_for(offer);
        let sections: Vec<Section> = offer
            .sections
            .iter()
            .enumerate()
            .map(|(line, offered)| {
                self.answered(offer, line, offered, &extensions)
                    .unwrap_or_else(|| Section {
                        media: offered.media.clone(),
                        protocol: offered.protocol.clone(),
                        fmt: offered.fmt.clone(),
                        mid: offered.mid.clone(),
                        rejected: true,
                        direction: Direction::Inactive,
                        ..Section::default()
                    })
            })
            .collect();
        let bundle = if offer.bundle.is_empty() {
            Vec::new()
        } else {
            let accepted = sections.iter().filter(|section| !section.rejected);
            accepted.filter_map(|section| section.mid.clone()).collect()
        };
        Ok(Description {
            session_id: self.config.session_id,
            version: self.version,
            bundle,
            ice_lite: self.config.lite,
            sections,
        })
    }

    /// `None`: it is declined.
    fn answered(
        &self,
        offer: &Description,
        line: usize,
        offered: &Section,
        extensions: &[(u8, HeaderExtension)],
    ) -> Option<Section> {
        let track = self.tracks.iter().find(|track| track.line == Some(line))?;
        if !offered.is_usable() || !offer.is_bundled(line) {
            return None;
        }
        let formats = in_common(track, offered);
        if formats.is_empty() {
            return None;
        }
        let direction = track.wanted.answering(offered.direction);
        let sender = track.sender.as_ref().filter(|_| direction.sends());
        let active = match (self.roles, offered.setup) {
            // A transport that exists goes on as it is (RFC 8842 section 5.5).
            (Some(roles), _) => roles.active,
            (None, Some(Setup::Passive)) => true,
            // The far end knows when it is ready to listen; a first packet that comes before that
            // costs a second. We listen from now on.
            (None, _) => false,
        };
        Some(Section {
            media: offered.media.clone(),
            protocol: offered.protocol.clone(),
            mid: offered.mid.clone(),
            direction,
            setup: Some(if active {
                Setup::Active
            } else {
                Setup::Passive
            }),
            ice: Some(self.config.credentials.clone()),
            fingerprint: Some(self.config.fingerprint.clone()),
            formats,
            extensions: extensions
                .iter()
                .filter(|(number, extension)| {
                    offered.extensions.iter().any(|(theirs, uri)| {
                        theirs == number && HeaderExtension::of_uri(uri) == Some(*extension)
                    })
                })
                .map(|(number, extension)| (*number, extension.uri().to_owned()))
                .collect(),
            sources: sender.map(|sender| sender.ssrc).into_iter().collect(),
            msid: sender.map(|sender| sender.msid.clone()),
            cname: Some(self.config.cname.clone()),
            ..Section::default()
        })
    }

    /// The offer's header extensions that we know, or those this transport began with.
    pub(super) fn extensions_for(&self, offer: &Description) -> Vec<(u8, HeaderExtension)> {
        if let Some(settled) = &self.extensions {
            return settled.clone();
        }
        let mut found: Vec<(u8, HeaderExtension)> = Vec::new();
        for (number, uri) in offer.sections.iter().flat_map(|s| &s.extensions) {
            let Some(extension) =
                HeaderExtension::of_uri(uri).filter(|_| ONE_BYTE.contains(number))
            else {
                continue;
            };
            let named = |section: &Section| section.mid.as_deref().is_some_and(is_plain);
            if extension == HeaderExtension::Mid && !offer.sections.iter().all(named) {
                continue;
            }
            if !found.iter().any(|(n, e)| n == number || *e == extension) {
                found.push((*number, extension));
            }
        }
        found
    }

    /// Finds a track for each line of an offer: the one it has, else one without a line, else a new
    /// one that only listens.
    pub(super) fn associate_offer_of_the_far_end(&mut self, offer: &Description) {
        for (line, offered) in offer.sections.iter().enumerate() {
            if !offered.is_usable() || self.tracks.iter().any(|track| track.line == Some(line)) {
                continue;
            }
            match self.tracks.iter_mut().find(|track| track.line.is_none()) {
                Some(track) => track.line = Some(line),
                None => self.tracks.push(Track {
                    line: Some(line),
                    wanted: Direction::RecvOnly,
                    sender: None,
                    formats: Vec::new(),
                }),
            }
        }
    }
}

/// The offered formats that the track can carry, with the offer's numbers. The track's favourite comes
/// first, for that is what will be sent; a track without wishes takes what is offered.
fn in_common(track: &Track, offered: &Section) -> Vec<Format> {
    if track.formats.is_empty() {
        return offered.formats.iter().map(answered_format).collect();
    }
    let rank = |format: &Format| {
        track
            .formats
            .iter()
            .position(|ours| ours.is_same_encoding(format))
    };
    let mut common: Vec<(usize, Format)> = offered
        .formats
        .iter()
        .filter_map(|format| {
            let rank = rank(format)?;
            let ours = track.formats.get(rank).and_then(|ours| ours.fmtp.clone());
            let mut format = answered_format(format);
            format.fmtp = ours.or(format.fmtp);
            Some((rank, format))
        })
        .collect();
    common.sort_by_key(|(rank, _)| *rank);
    common.into_iter().map(|(_, format)| format).collect()
}

/// Parameters of an answer say what the answerer wants (RFC 7587 section 7.1): for Opus that is loss
/// protection; of other encodings what was offered is agreed to.
fn answered_format(offered: &Format) -> Format {
    let mut format = offered.clone();
    if format.name.eq_ignore_ascii_case("opus") {
        format.fmtp = Some("minptime=10;useinbandfec=1".to_owned());
    }
    format
}
