// SPDX-License-Identifier: MPL-2.0
//! What an exchange settled.

use super::answer::{ONE_BYTE, is_plain};
use super::{Negotiation, NegotiationError, Roles, SignalingState};
use crate::rtc::description::{Description, Format, Section, Setup};
use crate::rtc::plan::{HeaderExtension, MediaPlan, Plan, ReceivePlan, Remote, SendPlan};

impl Negotiation {
    pub(super) fn settle_roles_answering(
        &mut self,
        answer: &Description,
    ) -> Result<(), NegotiationError> {
        let Some(offer) = &self.remote.pending else {
            return Ok(());
        };
        if self.extensions.is_none() {
            self.extensions = Some(self.extensions_for(offer));
        }
        if self.roles.is_some() {
            return Ok(());
        }
        let Some((_, section)) = answer.transport() else {
            return Ok(());
        };
        let active = match section.setup {
            Some(Setup::Active) => true,
            Some(Setup::Passive) => false,
            _ => return Err(NegotiationError::OpenSetup),
        };
        self.roles = Some(Roles {
            // The full side controls where the other is lite (RFC 8445 section 6.1.1).
            controlling: offer.ice_lite && !self.config.lite,
            active,
        });
        Ok(())
    }

    pub(super) fn settle_roles_offering(
        &mut self,
        answer: &Description,
    ) -> Result<(), NegotiationError> {
        if self.extensions.is_none() {
            self.extensions = Some(extensions_of(answer));
        }
        if self.roles.is_some() {
            return Ok(());
        }
        let Some((_, section)) = answer.transport() else {
            return Ok(());
        };
        let active = match section.setup {
            // Who answers and says nothing waits (RFC 4145 section 4.1).
            Some(Setup::Passive) | None => true,
            Some(Setup::Active) => false,
            Some(Setup::ActPass) => return Err(NegotiationError::OpenSetup),
        };
        self.roles = Some(Roles {
            controlling: !self.config.lite || answer.ice_lite,
            active,
        });
        Ok(())
    }

    /// All that is known now, as the transport needs it.
    pub(super) fn plan(&self) -> Plan {
        let local = self.local.latest();
        let remote = self.remote.latest();
        let mut plan = Plan {
            credentials: self.config.credentials.clone(),
            cname: self.config.cname.clone(),
            formats: Vec::new(),
            extensions: self.known_extensions(),
            remote: None,
            media: Vec::new(),
        };
        let sections = local.into_iter().chain(remote).flat_map(|d| &d.sections);
        for format in sections.flat_map(|section| &section.formats) {
            if !plan.formats.iter().any(|known| known.pt == format.pt) {
                plan.formats.push(format.clone());
            }
        }
        // While an exchange is under way the last one holds.
        let (Some(local), Some(remote)) = (&self.local.current, &self.remote.current) else {
            return plan;
        };
        plan.remote = self.far_end(remote);
        for (line, (ours, theirs)) in local.sections.iter().zip(&remote.sections).enumerate() {
            plan.media.extend(self.media(line, ours, theirs));
        }
        plan
    }

    fn known_extensions(&self) -> Vec<(u8, HeaderExtension)> {
        match (&self.extensions, self.state) {
            (Some(settled), _) => settled.clone(),
            (None, SignalingState::HaveRemoteOffer) => self
                .remote
                .pending
                .as_ref()
                .map(|offer| self.extensions_for(offer))
                .unwrap_or_default(),
            (None, _) => self
                .local
                .pending
                .as_ref()
                .map(extensions_of)
                .unwrap_or_default(),
        }
    }

    fn far_end(&self, remote: &Description) -> Option<Remote> {
        let (_, section) = remote.transport()?;
        let roles = self.roles?;
        Some(Remote {
            credentials: section.ice.clone()?,
            fingerprint: section.fingerprint.clone()?,
            controlling: roles.controlling,
            active: roles.active,
        })
    }

    fn media(&self, line: usize, ours: &Section, theirs: &Section) -> Option<MediaPlan> {
        if ours.rejected || !theirs.is_usable() {
            return None;
        }
        let track = self.tracks.iter().find(|track| track.line == Some(line))?;
        let sends = ours.direction.sends() && theirs.direction.receives();
        let receives = ours.direction.receives() && theirs.direction.sends();
        let agreed = |of: &[Format], with: &[Format]| -> Vec<Format> {
            of.iter()
                .filter(|format| with.iter().any(|other| other.is_same_encoding(format)))
                .cloned()
                .collect()
        };
        let send = track.sender.as_ref().filter(|_| sends).map(|sender| {
            // The answer as we wrote it may name another source than ours.
            let named = ours.sources.first();
            SendPlan {
                ssrc: named.copied().unwrap_or(sender.ssrc),
                // Numbers of theirs, in the order of the answer, whoever made that.
                formats: if self.is_offerer() {
                    agreed(&theirs.formats, &ours.formats)
                } else {
                    let wire = |ours: &Format| {
                        let same = |theirs: &&Format| theirs.is_same_encoding(ours);
                        theirs.formats.iter().find(same).cloned()
                    };
                    ours.formats.iter().filter_map(wire).collect()
                },
            }
        });
        let receive = receives.then(|| ReceivePlan {
            formats: agreed(&ours.formats, &theirs.formats),
            sources: theirs.sources.clone(),
        });
        if send.is_none() && receive.is_none() {
            return None;
        }
        let named = theirs.mid.as_ref().or(ours.mid.as_ref());
        Some(MediaPlan {
            line,
            mid: named
                .filter(|mid| is_plain(mid))
                .cloned()
                .unwrap_or_else(|| format!("m{line}")),
            send,
            receive,
        })
    }
}

/// The extensions a description of the two that settle them names.
fn extensions_of(description: &Description) -> Vec<(u8, HeaderExtension)> {
    let mut found: Vec<(u8, HeaderExtension)> = Vec::new();
    for (number, uri) in description.sections.iter().flat_map(|s| &s.extensions) {
        if let Some(extension) = HeaderExtension::of_uri(uri)
            && ONE_BYTE.contains(number)
            && !found.iter().any(|(n, e)| n == number || *e == extension)
        {
            found.push((*number, extension));
        }
    }
    found
}
