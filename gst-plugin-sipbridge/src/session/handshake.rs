// SPDX-License-Identifier: MPL-2.0
//! What a session has where keys come from a handshake (DTLS-SRTP) and its way from checks (ICE): a role, and
//! the candidates of the far end.

use sip_ua::sdp::{IceAgreed, LocalDtls, Negotiated, Setup};

use super::{Session, address};

/// Candidates of a far end that came after its description; a peer has a few interfaces.
const TRICKLED_MAX: usize = 100;

impl Session {
    /// Keys come from a handshake, and nothing else is spoken.
    pub(crate) fn set_dtls(&mut self, dtls: Option<LocalDtls>) {
        self.local.dtls = dtls;
    }

    /// A candidate of theirs, that did not stand in a description. False: it is none, or nothing may be
    /// sent there.
    pub(crate) fn add_candidate(&mut self, candidate: &str) -> bool {
        let candidate = candidate.trim().trim_start_matches("a=");
        if self.trickled.len() >= TRICKLED_MAX || !self.may_check(candidate) {
            return false;
        }
        self.trickled.push(candidate.to_owned());
        true
    }

    /// What we are in the handshake stays so (RFC 8842 section 5.5). The candidates are those of the
    /// description and those that came by themselves, but for places where nothing may be sent.
    pub(super) fn settle_handshake(&mut self, negotiated: &mut Negotiated) {
        let (Some(ours), Some(agreed)) = (&mut self.local.dtls, &mut negotiated.dtls) else {
            return;
        };
        ours.role = Some(if agreed.active {
            Setup::Active
        } else {
            Setup::Passive
        });
        if let Some(ice) = &mut agreed.ice {
            ice.candidates.extend(self.trickled.iter().cloned());
            ice.candidates.retain(|candidate| self.may_check(candidate));
        }
    }

    /// Whether these are other checks than were agreed on before.
    pub(super) fn restarts(&self, negotiated: &Negotiated) -> bool {
        let before = self.agreed.as_ref().and_then(ice_of);
        let now = ice_of(negotiated);
        before
            .zip(now)
            .is_some_and(|(before, now)| before.remote != now.remote)
    }

    /// Whether this is another association than was agreed on before.
    pub(super) fn begins_anew(&self, now: &Negotiated) -> bool {
        let before = self.agreed.as_ref();
        let both = before.and_then(|before| before.dtls.as_deref().zip(now.dtls.as_deref()));
        both.is_some_and(|(before, now)| !before.goes_on(now))
    }

    /// Whether checks may go where a candidate is (RFC 8839 section 5.1: the address is its fifth word).
    fn may_check(&self, candidate: &str) -> bool {
        let address = candidate.split_ascii_whitespace().nth(4);
        let address = address.and_then(|address| address.parse().ok());
        address.is_some_and(|address| address::check(address, self.peer).is_ok())
    }
}

/// The checks that were agreed on.
pub(super) fn ice_of(negotiated: &Negotiated) -> Option<&IceAgreed> {
    negotiated.dtls.as_ref()?.ice.as_ref()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use sip_ua::sdp::{Codec, IceCredentials, LocalIce, SrtpPolicy, TlsId};

    use super::*;

    /// With a handshake and checks.
    fn checked(port: u16, peer: &str) -> Session {
        let media = SocketAddr::from(([127, 0, 0, 1], port));
        let peer = peer.parse().unwrap();
        let mut session = Session::new(media, peer, vec![Codec::Pcma], 20, SrtpPolicy::Off);
        session.set_dtls(Some(LocalDtls {
            fingerprint: vec![7; 32],
            ice: Some(LocalIce {
                credentials: IceCredentials::random(),
                lite: false,
                candidates: vec![candidate("127.0.0.1")],
            }),
            role: None,
            tls_id: TlsId::random(),
        }));
        session
    }

    fn candidate(address: &str) -> String {
        format!("candidate:1 1 udp 2130706175 {address} 4000 typ host")
    }

    #[test]
    fn a_refresh_is_nothing_new() {
        let (mut a, mut b) = (checked(4000, "127.0.0.1"), checked(5000, "127.0.0.1"));
        // Where nothing may be sent.
        let ice = b.local.dtls.as_mut().and_then(|dtls| dtls.ice.as_mut());
        ice.unwrap().candidates.push(candidate("224.0.0.1"));
        let (answer, _) = b.answer(&a.offer()).unwrap();
        let agreed = a.accept(&answer).unwrap();
        assert_eq!(ice_of(&agreed).unwrap().candidates.len(), 1);
        a.settle();
        assert_eq!(a.refresh(&answer), Ok(None));
    }

    #[test]
    fn a_role_outlasts_a_hold_and_credentials_end_with_a_restart() {
        let (mut a, mut b) = (checked(4000, "127.0.0.1"), checked(5000, "127.0.0.1"));
        let (answer, _) = b.answer(&a.offer()).unwrap();
        let first = a.accept(&answer).unwrap();
        a.settle();
        let ours = |agreed: &Negotiated| ice_of(agreed).unwrap().local.clone();
        let theirs = |agreed: &Negotiated| ice_of(agreed).unwrap().remote.clone();

        // Now the other one offers: who began goes on to.
        b.set_hold(true);
        let (answer, held) = a.answer(&b.offer()).unwrap();
        assert!(held.dtls.as_ref().unwrap().active);
        assert_eq!(ours(&held), ours(&first));
        b.accept(&answer).unwrap();
        b.settle();

        let ice = a.local.dtls.as_mut().and_then(|dtls| dtls.ice.as_mut());
        ice.unwrap().credentials = IceCredentials::random();
        let (answer, restarted) = b.answer(&a.offer()).unwrap();
        let again = a.accept(&answer).unwrap();
        assert_ne!(theirs(&again), theirs(&first), "answered with others");
        assert_eq!(theirs(&again), ours(&restarted));
        assert_eq!(
            again.dtls.unwrap().fingerprint,
            first.dtls.unwrap().fingerprint
        );
    }

    #[test]
    fn a_name_of_the_association_outlasts_a_hold_and_ends_with_the_other_ones() {
        let (mut a, mut b) = (checked(4000, "127.0.0.1"), checked(5000, "127.0.0.1"));
        let ids = |agreed: &Negotiated| agreed.dtls.as_ref().unwrap().tls_ids.clone();
        let (answer, at_b) = b.answer(&a.offer()).unwrap();
        let at_a = a.accept(&answer).unwrap();
        let [of_b, of_a] = ids(&at_b).unwrap();
        assert_eq!(ids(&at_a), Some([of_a.clone(), of_b.clone()]));
        a.settle();
        a.set_hold(true);
        let (answer, held) = b.answer(&a.offer()).unwrap();
        assert_eq!(ids(&held), ids(&at_b));
        a.accept(&answer).unwrap();
        a.settle();

        // Another certificate is another association, too; then the name alone.
        let mut before = of_b;
        for renew in [
            |dtls: &mut LocalDtls| dtls.fingerprint = vec![8; 32],
            |dtls: &mut LocalDtls| dtls.tls_id = TlsId::random(),
        ] {
            renew(a.local.dtls.as_mut().unwrap());
            let (answer, anew) = b.answer(&a.offer()).unwrap();
            let [ours, _] = ids(&anew).unwrap();
            assert_ne!(ours, before);
            let [_, theirs] = ids(&a.accept(&answer).unwrap()).unwrap();
            assert_eq!(theirs, ours);
            a.settle();
            before = ours;
        }

        // Who has no name for it is told none, and asks for nothing by that.
        let offer = String::from_utf8(a.offer()).unwrap();
        let lines = offer.split_inclusive("\r\n");
        let old: String = lines.filter(|line| !line.starts_with("a=tls-id")).collect();
        let (answer, agreed) = b.answer(old.as_bytes()).unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains("tls-id"));
        assert_eq!(ids(&agreed), None);
        let (_, agreed) = b.answer(offer.as_bytes()).unwrap();
        assert_eq!(ids(&agreed).unwrap()[0], before);
    }

    #[test]
    fn candidates_may_come_later_and_not_from_everywhere() {
        let (mut a, mut b) = (checked(4000, "127.0.0.1"), checked(5000, "203.0.113.9"));
        let offer = a.offer();
        assert!(b.add_candidate(&candidate("198.51.100.7")));
        for refused in [
            candidate("127.0.0.1"),
            candidate("169.254.169.254"),
            candidate("5b2e1d2c.local"),
            String::new(),
            "candidate".to_owned(),
        ] {
            assert!(!b.add_candidate(&refused), "{refused}");
        }
        // The description's own one is at loopback, too.
        let (_, agreed) = b.answer(&offer).unwrap();
        assert_eq!(
            ice_of(&agreed).unwrap().candidates,
            [candidate("198.51.100.7")]
        );
        let many = (0..1_000).filter(|_| b.add_candidate(&candidate("198.51.100.8")));
        assert_eq!(many.count(), 99);
    }
}
