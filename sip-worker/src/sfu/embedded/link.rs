// SPDX-License-Identifier: MPL-2.0
//! One WebRTC connection of the SFU: descriptions and transport together. No I/O here.
//!
//! Its candidates are the sockets that all connections share, so its descriptions are complete at once. Whoever
//! wants into a room must reach it; it checks all the same, for a far end on an older libnice (webrtcbin's) does
//! so once and never again, and would count as gone (RFC 7675).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use gstsipbridge::rtc::description::{
    Credentials, Description, DescriptionError, Direction, Format,
};
use gstsipbridge::rtc::{
    Action, Certificate, Kind, Kinship, Negotiation, NegotiationConfig, NegotiationError, Outgoing,
    Packet, Plan, Sender, Transport, advertised, credentials, host_candidate,
};

/// Lines that one connection may hear on: more than anybody can tell apart.
const LINES_MAX: usize = 32;

/// Why a description does not lead to a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(DescriptionError),
    /// It can, and does not fit.
    #[error(transparent)]
    Unfit(#[from] NegotiationError),
    #[error("it has {found} lines for audio; {wanted}")]
    Lines { found: usize, wanted: &'static str },
    #[error("it offers no Opus, and rooms speak nothing else")]
    NoOpus,
    #[error("{0}")]
    Direction(&'static str),
}

/// What the far end begins anew with (RFC 8839 section 4.4.3.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restart {
    pub(crate) credentials: Credentials,
    pub(crate) candidates: Vec<String>,
}

pub(super) struct Link {
    negotiation: Negotiation,
    transport: Transport,
    plan: Option<Plan>,
    /// When the transport wants to be woken.
    wake: Option<Instant>,
    /// Phones of this worker are in this process, and need no DTLS.
    _kinship: Kinship,
}

impl Link {
    /// A connection that can be reached at `hosts`, to nobody yet. The far end is told `advertise` in place
    /// of those of its kind (IPv4, IPv6).
    pub(super) fn new(
        certificate: &Certificate,
        hosts: &[SocketAddr],
        advertise: Option<IpAddr>,
    ) -> Link {
        let mut negotiation = Negotiation::new(NegotiationConfig {
            fingerprint: certificate.fingerprint().to_vec(),
            credentials: credentials(),
            lite: false,
            // RFC 8829 section 5.2.1 leaves the first bit free.
            session_id: rand::random::<u64>() >> 1,
            cname: format!("{:016x}", rand::random::<u64>()),
        });
        let mut transport = Transport::new(certificate.clone(), false);
        for host in hosts {
            let known = transport.add_host(*host).is_some();
            let told = host_candidate(advertised(*host, advertise)).filter(|_| known);
            told.into_iter()
                .for_each(|candidate| negotiation.add_candidate(candidate));
        }
        negotiation.candidates_complete();
        Link {
            _kinship: Kinship::of(&negotiation.credentials().ufrag),
            negotiation,
            transport,
            plan: None,
            wake: None,
        }
    }

    /// Whom checks of this connection are for.
    pub(super) fn ufrag(&self) -> &str {
        &self.negotiation.credentials().ufrag
    }

    /// Answers an offer to speak here. Returns the answer and the line.
    pub(super) fn take_speaker(
        &mut self,
        now: Instant,
        offer: &str,
    ) -> Result<(String, usize), LinkError> {
        let offer = Description::read(offer).map_err(LinkError::Unreadable)?;
        let lines = audio(&offer);
        let [line] = lines[..] else {
            return Err(LinkError::Lines {
                found: lines.len(),
                wanted: "one is published at a time",
            });
        };
        if !offer.sections[line].direction.sends() {
            return Err(LinkError::Direction("whoever publishes must offer to send"));
        }
        self.negotiation
            .add_receiver(Direction::RecvOnly, vec![opus()]);
        let answer = self.answer(now, offer)?;
        Ok((answer, line))
    }

    /// Answers an offer to hear what is said here. Returns the answer and the lines to be heard on.
    pub(super) fn take_listener(
        &mut self,
        now: Instant,
        offer: &str,
    ) -> Result<(String, Vec<usize>), LinkError> {
        let offer = Description::read(offer).map_err(LinkError::Unreadable)?;
        let lines = audio(&offer);
        if !(1..=LINES_MAX).contains(&lines.len()) {
            return Err(LinkError::Lines {
                found: lines.len(),
                wanted: "whoever listens offers one or more",
            });
        }
        if !lines
            .iter()
            .all(|line| offer.sections[*line].direction.receives())
        {
            return Err(LinkError::Direction(
                "whoever listens must offer to receive on each line",
            ));
        }
        for seat in 0..lines.len() {
            self.speak(&format!("room seat{seat}"));
        }
        let answer = self.answer(now, offer)?;
        Ok((answer, lines))
    }

    /// Offers one line to hear on.
    pub(super) fn offer(&mut self, now: Instant, msid: &str) -> Result<String, LinkError> {
        self.speak(msid);
        let offer = self.negotiation.create_offer()?;
        let plan = self.negotiation.set_local(Kind::Offer, offer)?;
        self.apply(now, plan);
        let described = self.negotiation.pending_local();
        Ok(described.map(|d| d.to_string()).unwrap_or_default())
    }

    /// Takes the answer to [`Link::offer`].
    pub(super) fn accept(&mut self, now: Instant, answer: &str) -> Result<(), LinkError> {
        let answer = Description::read(answer).map_err(LinkError::Unreadable)?;
        self.reach(&answer);
        let plan = self.negotiation.set_remote(Kind::Answer, answer)?;
        self.apply(now, plan);
        Ok(())
    }

    /// Begins ICE anew with a far end that made the offer: as if it had made that offer once more, with
    /// other credentials. Returns ours.
    pub(super) fn restart(&mut self, now: Instant, restart: Restart) -> Result<Restart, LinkError> {
        let Some(mut offer) = self.negotiation.current_remote().cloned() else {
            return Err(LinkError::Direction("nothing was agreed on yet"));
        };
        for section in &mut offer.sections {
            section.ice = Some(restart.credentials.clone());
            section.candidates.clone_from(&restart.candidates);
        }
        // Where we are has not changed; a restart forgets it.
        let current = self.negotiation.current_local();
        let section = current.as_ref().and_then(|local| local.transport());
        let candidates = section.map_or_else(Vec::new, |(_, section)| section.candidates.clone());
        self.negotiation.restart_ice(credentials());
        for candidate in &candidates {
            self.negotiation.add_candidate(candidate.clone());
        }
        self.negotiation.candidates_complete();
        self.answer(now, offer)?;
        Ok(Restart {
            credentials: self.negotiation.credentials().clone(),
            candidates,
        })
    }

    fn speak(&mut self, msid: &str) {
        let sender = Sender {
            ssrc: rand::random(),
            msid: msid.to_owned(),
        };
        let track = self.negotiation.add_sender(sender, vec![opus()]);
        self.negotiation.set_direction(track, Direction::SendOnly);
    }

    fn answer(&mut self, now: Instant, offer: Description) -> Result<String, LinkError> {
        let wanted = audio(&offer);
        self.reach(&offer);
        self.negotiation.set_remote(Kind::Offer, offer)?;
        let answer = self.negotiation.create_answer()?;
        let declined = |line: &usize| answer.sections.get(*line).is_none_or(|s| s.rejected);
        if wanted.iter().any(declined) {
            return Err(LinkError::NoOpus);
        }
        let plan = self.negotiation.set_local(Kind::Answer, answer)?;
        self.apply(now, plan);
        let described = self.negotiation.current_local();
        Ok(described.map(|d| d.to_string()).unwrap_or_default())
    }

    fn reach(&mut self, theirs: &Description) {
        let candidates = theirs.sections.iter().flat_map(|s| &s.candidates);
        candidates.for_each(|candidate| self.transport.add_remote(candidate));
    }

    fn apply(&mut self, now: Instant, plan: Plan) {
        self.plan = Some(plan.clone());
        self.transport.apply(now, plan);
    }

    /// A candidate of the far end.
    pub(super) fn add_candidate(&mut self, candidate: &str) {
        self.transport.add_remote(candidate);
    }

    /// A datagram of the far end.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        self.transport.receive(now, local, from, bytes);
    }

    /// Time has passed.
    pub(super) fn timeout(&mut self, now: Instant) {
        self.transport.timeout(now);
    }

    /// When [`Link::timeout`] is called for.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Sends on somebody else's packet, with the numbers it has here.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        line: usize,
        packet: &Packet,
        (sequence, timestamp): (u64, u32),
    ) {
        let media = self.plan.as_ref().map(|plan| plan.media.as_slice());
        let of_line = media
            .unwrap_or_default()
            .iter()
            .find(|media| media.line == line);
        let format = of_line.and_then(|media| media.send.as_ref()?.formats.first());
        let Some(format) = format else { return };
        self.transport.send(
            now,
            line,
            &Outgoing {
                pt: format.pt,
                sequence,
                timestamp,
                marker: packet.marker,
                level: packet.level,
                payload: &packet.payload,
            },
        );
    }

    /// What was sent, to be filled again.
    pub(super) fn give_back(&mut self, bytes: Vec<u8>) {
        self.transport.give_back(bytes);
    }

    /// Whether a packet holds what was agreed on for its line.
    pub(super) fn is_agreed(&self, packet: &Packet) -> bool {
        let media = self.plan.as_ref().map(|plan| plan.media.as_slice());
        let mut of_line = media
            .unwrap_or_default()
            .iter()
            .filter(|media| media.line == packet.line);
        of_line.any(|media| {
            let receive = media.receive.as_ref();
            receive.is_some_and(|receive| receive.formats.iter().any(|f| f.pt == packet.pt))
        })
    }

    /// What is to be done next.
    pub(super) fn poll(&mut self) -> Action {
        let action = self.transport.poll();
        if let Action::Wait(at) = action {
            self.wake = at;
        }
        action
    }

    /// Says goodbye; [`Link::poll`] has the last packets.
    pub(super) fn close(&mut self) {
        self.transport.close();
    }
}

/// The lines for audio that are not declined.
fn audio(description: &Description) -> Vec<usize> {
    let sections = description.sections.iter().enumerate();
    sections
        .filter(|(_, section)| section.is_usable())
        .map(|(line, _)| line)
        .collect()
}

/// What rooms speak (RFC 7587).
fn opus() -> Format {
    Format {
        pt: 111,
        name: "opus".to_owned(),
        clock_hz: 48_000,
        channels: Some(2),
        fmtp: Some("minptime=10;useinbandfec=1".to_owned()),
    }
}
