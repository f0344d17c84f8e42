// SPDX-License-Identifier: MPL-2.0
//! The ways to the far ends of a leg, sans-IO, where keys come from handshakes (DTLS-SRTP) and addresses from
//! connectivity checks (ICE): one way for each who answered, for several may answer one offer, and the first of
//! them may be the one that is heard in the end. A leg of a call knows one of them at a time.

use std::net::SocketAddr;
use std::time::Instant;

use sip_ua::sdp::{DtlsKeys, Negotiated, SrtpKeys};

use super::pace::Wire;
use crate::leg::{Datagram, Leg};
use crate::rtc::Certificate;
use crate::rtc::path::{Candidates, Checks, Early, Path, PathEvent, PathPlan, Way};

/// One far end.
struct Strand {
    /// Who it is.
    party: usize,
    agreed: DtlsKeys,
    /// Where its description says it is.
    described: SocketAddr,
    candidates: Candidates,
    path: Box<Path>,
    keys: Option<SrtpKeys>,
}

impl Strand {
    fn begin(
        now: Instant,
        party: usize,
        local: SocketAddr,
        negotiated: &Negotiated,
        agreed: &DtlsKeys,
    ) -> Result<Strand, String> {
        let certificate = Certificate::of_process()
            .ok_or_else(|| "no DTLS certificate can be made".to_owned())?;
        let mut candidates = Candidates::default();
        // An address that cannot be a candidate is found by the far end's checks all the same.
        if let Ok(host) = is::Candidate::host(local, "udp") {
            candidates.add_local(host);
        }
        for candidate in candidates_of(agreed) {
            candidates.add_remote(candidate);
        }
        let described = negotiated.remote_rtp;
        let plan = plan_of(agreed, local, described);
        let path = Path::begin(now, &certificate, &plan, &candidates)?;
        Ok(Strand {
            party,
            agreed: agreed.clone(),
            described,
            candidates,
            path: Box::new(path),
            keys: None,
        })
    }

    /// Whether it is the same connection: one that moves without checks is another.
    fn goes_on(&self, negotiated: &Negotiated, agreed: &DtlsKeys) -> bool {
        let to = negotiated.remote_rtp;
        // No address is a hold as RFC 2543 had it, and no move.
        let stays = agreed.ice.is_some() || to == self.described || to.ip().is_unspecified();
        !self.path.is_over() && self.agreed.goes_on(agreed) && stays
    }

    fn follow(&mut self, local: SocketAddr, agreed: &DtlsKeys) {
        let remote = |agreed: &DtlsKeys| agreed.ice.as_ref().map(|ice| ice.remote.clone());
        if remote(&self.agreed) != remote(agreed) {
            self.candidates.forget_remote();
        }
        self.path.follow(&plan_of(agreed, local, self.described));
        self.agreed = agreed.clone();
        for candidate in candidates_of(agreed) {
            self.add_candidate(candidate);
        }
    }

    fn add_candidate(&mut self, candidate: &str) {
        if let Some(candidate) = self.candidates.add_remote(candidate) {
            self.path.add_remote(candidate.clone());
        }
    }
}

fn candidates_of(agreed: &DtlsKeys) -> &[String] {
    let ice = agreed.ice.as_ref();
    ice.map(|ice| ice.candidates.as_slice()).unwrap_or_default()
}

fn plan_of(agreed: &DtlsKeys, local: SocketAddr, described: SocketAddr) -> PathPlan {
    let way = match &agreed.ice {
        Some(ice) => Way::Checked(Checks {
            local: ice.local.clone(),
            remote: ice.remote.clone(),
            lite: ice.lite,
            controlling: ice.controlling,
        }),
        None => Way::Described {
            from: local,
            to: described,
        },
    };
    PathPlan {
        way,
        fingerprint: agreed.fingerprint.clone(),
        active: agreed.active,
    }
}

pub(super) struct Paths {
    /// Where checks come to.
    local: SocketAddr,
    /// The first is the one that is heard.
    strands: Vec<Strand>,
    /// What came before anything was agreed on.
    early: Early,
    /// Whether there may be events or datagrams.
    stirred: bool,
    /// The time of the last call.
    now: Instant,
}

impl Paths {
    pub(super) fn new(now: Instant, local: SocketAddr) -> Paths {
        Paths {
            local,
            strands: Vec::new(),
            early: Early::default(),
            stirred: false,
            now,
        }
    }

    /// The leg has a new agreement with this party, which is heard from now on. An error is a sentence: there
    /// will be no keys.
    pub(super) fn agree(
        &mut self,
        now: Instant,
        party: usize,
        negotiated: &Negotiated,
        leg: &mut Leg,
    ) -> Result<(), String> {
        self.now = self.now.max(now);
        let early = self.early.take();
        let Some(agreed) = negotiated.dtls.as_deref() else {
            self.strands.clear();
            return Ok(());
        };
        let known = self.strands.iter().position(|strand| strand.party == party);
        let mut changed = known != Some(0);
        match known.and_then(|at| self.strands.get_mut(at)) {
            Some(strand) if strand.goes_on(negotiated, agreed) => strand.follow(self.local, agreed),
            known => {
                let strand = Strand::begin(now, party, self.local, negotiated, agreed)?;
                changed = true;
                match known {
                    Some(place) => *place = strand,
                    None => self.strands.push(strand),
                }
            }
        }
        let at = known.unwrap_or(self.strands.len() - 1);
        self.strands.swap(0, at);
        if let Some(strand) = self.strands.first().filter(|_| changed) {
            leg.take_keys(now, None);
            leg.take_keys(now, strand.keys.as_ref());
            leg.lead_to(now, strand.path.leads_to());
        }
        self.stirred = true;
        for early in early {
            self.receive(early.at, early.from, &early.bytes, leg);
        }
        Ok(())
    }

    /// A candidate that came after its description.
    pub(super) fn add_candidate(&mut self, party: usize, candidate: &str) {
        let mut strands = self.strands.iter_mut();
        if let Some(strand) = strands.find(|strand| strand.party == party) {
            strand.add_candidate(candidate);
            self.stirred = true;
        }
    }

    /// Tells apart what shares the port (RFC 7983): media are for the leg.
    pub(super) fn receive(&mut self, at: Instant, from: SocketAddr, bytes: &[u8], leg: &mut Leg) {
        let is_check = matches!(bytes.first(), Some(0..=3));
        let is_media = !is_check && !matches!(bytes.first(), Some(20..=63));
        match (self.strands.first(), leg.negotiated()) {
            (Some(heard), _) if is_media => {
                if heard.path.knows(from) {
                    leg.receive_rtp(at, from, bytes);
                }
            }
            (None, None) if !is_media => self.early.keep(at, self.local, from, bytes),
            (None, _) => leg.receive_rtp(at, from, bytes),
            (Some(_), _) => {
                // Only jitter is about when a packet came; for checks and handshakes time does not go back.
                self.now = self.now.max(at);
                let (now, local) = (self.now, self.local);
                self.stirred |= self.strands.iter_mut().any(|strand| match is_check {
                    true => strand.path.take_check(now, local, from, bytes),
                    false if strand.path.knows(from) => {
                        strand.path.take_record(now, from, bytes);
                        true
                    }
                    false => false,
                });
            }
        }
    }

    /// Whether [`Paths::settle`] has something to do.
    pub(super) fn is_stirred(&self) -> bool {
        self.stirred
    }

    /// Time has passed.
    pub(super) fn timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        for strand in &mut self.strands {
            if strand.path.due().is_some_and(|due| due <= now) {
                strand.path.timeout(self.now);
                self.stirred = true;
            }
        }
    }

    /// When [`Paths::timeout`] wants to be called.
    pub(super) fn due(&mut self) -> Option<Instant> {
        let due = self.strands.iter_mut();
        due.filter_map(|strand| strand.path.due()).min()
    }

    /// Sends what is to be sent, and tells the leg what was found. Returns why the one that is heard will
    /// never be.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        leg: &mut Leg,
        wire: &mut impl Wire,
    ) -> Option<String> {
        if !std::mem::take(&mut self.stirred) {
            return None;
        }
        let mut failed = None;
        for (at, strand) in self.strands.iter_mut().enumerate() {
            let is_heard = at == 0;
            while let Some(event) = strand.path.poll_event() {
                match event {
                    PathEvent::Keys(keys) => strand.keys = Some(keys),
                    PathEvent::Goodbye => strand.keys = None,
                    PathEvent::Failed(reason) => {
                        strand.keys = None;
                        if is_heard {
                            failed = Some(reason);
                        }
                    }
                    PathEvent::Leads { .. } | PathEvent::Connected | PathEvent::Lost => {
                        if is_heard {
                            leg.lead_to(now, strand.path.leads_to());
                        }
                        continue;
                    }
                    PathEvent::Ice(_) => continue,
                }
                if is_heard {
                    leg.take_keys(now, strand.keys.as_ref());
                }
            }
            send_all(&mut strand.path, wire);
        }
        // Who is not heard any more, and gone, is forgotten.
        let mut heard = true;
        self.strands
            .retain(|strand| std::mem::take(&mut heard) || !strand.path.is_over());
        failed
    }

    /// Says goodbye to all of them.
    pub(super) fn close(&mut self, wire: &mut impl Wire) {
        for strand in &mut self.strands {
            strand.path.close();
            send_all(&mut strand.path, wire);
        }
    }
}

fn send_all(path: &mut Path, wire: &mut impl Wire) {
    while let Some(sent) = path.poll_transmit() {
        wire.send(Datagram {
            to: sent.to,
            bytes: &sent.bytes,
        });
    }
}
