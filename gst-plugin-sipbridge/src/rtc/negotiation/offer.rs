// SPDX-License-Identifier: MPL-2.0
//! Making offers.

use super::{Negotiation, NegotiationError, SignalingState, Track};
use crate::rtc::description::{Description, Format, Section, Setup};
use crate::rtc::plan::HeaderExtension;

pub(super) const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

/// The first payload type of those that mean nothing by themselves (RFC 3551 section 6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

impl Negotiation {
    /// An offer of all tracks. Media lines that exist stay where they are (RFC 3264 section 8).
    pub fn create_offer(&self) -> Result<Description, NegotiationError> {
        self.require_state(
            "make an offer",
            &[SignalingState::Stable, SignalingState::HaveLocalOffer],
        )?;
        let mut sections = Vec::new();
        let mut numbers = Numbers::default();
        let known = self.local.current.as_ref();
        for (line, previous) in known.iter().flat_map(|d| d.sections.iter().enumerate()) {
            let track = self.tracks.iter().find(|track| track.line == Some(line));
            sections.push(match track {
                Some(track) => {
                    let mid = previous.mid.clone().unwrap_or_else(|| name(line));
                    numbers.reserve(&previous.formats);
                    self.offered(track, mid, &mut numbers)
                }
                None => Section {
                    rejected: true,
                    ..previous.clone()
                },
            });
        }
        for track in &self.tracks {
            let placed = track.line.is_some_and(|line| line < sections.len());
            if !placed {
                let mid = name(sections.len());
                sections.push(self.offered(track, mid, &mut numbers));
            }
        }
        if sections.is_empty() {
            return Err(NegotiationError::NothingToOffer);
        }
        Ok(Description {
            session_id: self.config.session_id,
            version: self.version,
            bundle: sections
                .iter()
                .filter(|section| !section.rejected)
                .filter_map(|section| section.mid.clone())
                .collect(),
            ice_lite: self.config.lite,
            sections,
        })
    }

    fn offered(&self, track: &Track, mid: String, numbers: &mut Numbers) -> Section {
        let formats = track.formats.iter().filter_map(|f| numbers.place(f));
        let sender = track.sender.as_ref().filter(|_| track.wanted.sends());
        let extensions = match &self.extensions {
            Some(settled) => settled.clone(),
            None => HeaderExtension::ALL
                .into_iter()
                .zip(1..)
                .map(|(extension, number)| (number, extension))
                .collect(),
        };
        Section {
            media: "audio".to_owned(),
            protocol: PROTOCOL.to_owned(),
            mid: Some(mid),
            direction: track.wanted,
            setup: Some(Setup::ActPass),
            ice: Some(self.config.credentials.clone()),
            fingerprint: Some(self.config.fingerprint.clone()),
            formats: formats.collect(),
            extensions: extensions
                .into_iter()
                .map(|(number, extension)| (number, extension.uri().to_owned()))
                .collect(),
            sources: sender.map(|sender| sender.ssrc).into_iter().collect(),
            msid: sender.map(|sender| sender.msid.clone()),
            cname: Some(self.config.cname.clone()),
            ..Section::default()
        }
    }

    /// Gives the media lines of our offer to the tracks it was made of.
    pub(super) fn associate_offered(&mut self, offer: &Description) {
        let mut line = self.local.current.as_ref().map_or(0, |d| d.sections.len());
        for track in &mut self.tracks {
            if track.line.is_none() && line < offer.sections.len() {
                track.line = Some(line);
                line += 1;
            }
        }
    }
}

fn name(line: usize) -> String {
    format!("audio{line}")
}

/// Payload types on one transport: one number, one meaning (RFC 8843 section 9.1).
#[derive(Default)]
struct Numbers {
    placed: Vec<Format>,
}

impl Numbers {
    fn reserve(&mut self, formats: &[Format]) {
        for format in formats {
            if !self.placed.contains(format) {
                self.placed.push(format.clone());
            }
        }
    }

    fn place(&mut self, wanted: &Format) -> Option<Format> {
        let same = |placed: &&Format| placed.is_same_encoding(wanted) && placed.fmtp == wanted.fmtp;
        if let Some(placed) = self.placed.iter().find(same) {
            return Some(placed.clone());
        }
        let taken = |pt: u8| self.placed.iter().any(|placed| placed.pt == pt);
        let pt = std::iter::once(wanted.pt)
            .chain(DYNAMIC)
            .find(|pt| !taken(*pt))?;
        let placed = Format {
            pt,
            ..wanted.clone()
        };
        self.placed.push(placed.clone());
        Some(placed)
    }
}
