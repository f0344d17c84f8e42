// SPDX-License-Identifier: MPL-2.0
//! How two ends come to keys: by DTLS, or in one process without a handshake.

use std::time::Instant;

use openssl::error::ErrorStack;

use super::{PathPlan, Way};
use crate::rtc::certificate::Certificate;
use crate::rtc::dtls::{Handshake, HandshakeError, Outcome};
use crate::rtc::kin::Kin;

pub(super) enum Hands {
    Dtls(Box<Handshake>),
    Kin(Box<Kin>),
}

impl Hands {
    pub(super) fn new(certificate: &Certificate, plan: &PathPlan) -> Result<Hands, ErrorStack> {
        if let Way::Checked(checks) = &plan.way
            && plan.fingerprint == certificate.fingerprint()
            && let ends = [&checks.local, &checks.remote]
            && let Some(kin) = Kin::new(certificate.dtls(), ends, plan.active)
        {
            return Ok(Hands::Kin(Box::new(kin)));
        }
        let handshake = Handshake::new(certificate.dtls(), plan.active)?;
        Ok(Hands::Dtls(Box::new(handshake)))
    }

    /// Says the first word, where that is ours to say.
    pub(super) fn begin(&mut self, now: Instant) -> Result<(), HandshakeError> {
        match self {
            Hands::Dtls(dtls) => dtls.begin(now),
            Hands::Kin(_) => Ok(()),
        }
    }

    /// A record of the far end. `false`: it is not understood.
    pub(super) fn receive(&mut self, now: Instant, record: &[u8]) -> Result<bool, HandshakeError> {
        match self {
            Hands::Dtls(dtls) => dtls.receive(now, record).map(|()| true),
            Hands::Kin(kin) => Ok(kin.receive(record)),
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Result<bool, HandshakeError> {
        match self {
            Hands::Dtls(dtls) => dtls.timeout(now).map(|()| true),
            Hands::Kin(_) => Ok(true),
        }
    }

    /// When it wants to be asked again.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Hands::Dtls(dtls) => dtls.due(),
            Hands::Kin(_) => None,
        }
    }

    /// A record to send.
    pub(super) fn poll_record(&mut self) -> Option<Vec<u8>> {
        match self {
            Hands::Dtls(dtls) => dtls.poll_record(),
            Hands::Kin(kin) => kin.poll_record(),
        }
    }

    /// What happened; whether there is a way to the far end is `leads`.
    pub(super) fn poll_outcome(&mut self, leads: bool) -> Option<Outcome> {
        match self {
            Hands::Dtls(dtls) => dtls.poll_outcome(),
            Hands::Kin(kin) if leads => kin.poll_outcome(),
            Hands::Kin(_) => None,
        }
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) {
        match self {
            Hands::Dtls(dtls) => dtls.close(),
            Hands::Kin(kin) => kin.close(),
        }
    }
}
