// SPDX-License-Identifier: MPL-2.0
//! The offers and answers with one far end (RFC 3264), first and later ones. Knows no sockets.

mod address;
mod handshake;

use std::net::{IpAddr, SocketAddr};

use sip_ua::sdp::{
    self, Codec, Direction, IceCredentials, LocalMedia, LocalSrtp, Negotiated, OpusFmtp, SdpError,
    SrtpPolicy, TlsId,
};

pub use address::MediaAddressError;
pub(crate) use address::are_alike;

use handshake::ice_of;

/// Why offer and answer came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A description that cannot be agreed on.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// It asks for media where none may go.
    #[error(transparent)]
    Address(#[from] MediaAddressError),
    /// There is no description at all.
    #[error("the far end answered without SDP")]
    NoAnswer,
}

impl SessionError {
    /// What SIP says to it.
    pub fn sip_code(&self) -> u16 {
        match self {
            SessionError::Sdp(error) => error.sip_code(),
            SessionError::Address(_) | SessionError::NoAnswer => 488,
        }
    }
}

/// What our side is to say, where somebody else decides that: the far end across a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) codecs: Vec<Codec>,
    pub(crate) direction: Direction,
    pub(crate) ptime_ms: u8,
    pub(crate) telephone_event: bool,
    pub(crate) comfort_noise: bool,
    pub(crate) opus_fmtp: OpusFmtp,
}

/// Our side of the session, the offer that waits for its answer, and what was agreed last.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    local: LocalMedia,
    peer: IpAddr,
    /// What we sent last: later descriptions keep its media lines and payload types.
    described: Option<Vec<u8>>,
    offered: Option<Vec<u8>>,
    agreed: Option<Negotiated>,
    /// Candidates of theirs that came by themselves (RFC 8840).
    trickled: Vec<String>,
}

impl Session {
    /// `media` is where the far end reaches us, `peer` whom SIP is spoken with.
    pub(crate) fn new(
        media: SocketAddr,
        peer: IpAddr,
        codecs: Vec<Codec>,
        ptime_ms: u8,
        srtp: SrtpPolicy,
    ) -> Session {
        let mut local = LocalMedia::new(media.ip(), media.port(), codecs);
        local.ptime_ms = ptime_ms;
        local.srtp = LocalSrtp::new(srtp);
        Session {
            local,
            peer,
            described: None,
            offered: None,
            agreed: None,
            trickled: Vec::new(),
        }
    }

    /// Whether RFC 4733 events are offered and agreed to.
    pub(crate) fn set_events(&mut self, events: bool) {
        self.local.telephone_event = events;
    }

    /// How its transport is offered: RTCP on the port of RTP, a profile with feedback.
    pub(crate) fn set_transport(&mut self, rtcp_mux: bool, feedback: bool) {
        self.local.rtcp_mux = rtcp_mux;
        self.local.feedback = feedback;
    }

    /// What our descriptions call the session.
    pub(crate) fn set_name(&mut self, name: &str) {
        self.local.name = name.to_owned();
    }

    /// What our descriptions say from the next on.
    pub(crate) fn set_terms(&mut self, terms: Terms) {
        self.local.codecs = terms.codecs;
        self.local.direction = terms.direction;
        self.local.ptime_ms = terms.ptime_ms;
        self.local.telephone_event = terms.telephone_event;
        self.local.comfort_noise = terms.comfort_noise;
        self.local.opus_fmtp = terms.opus_fmtp;
    }

    /// What an offer of theirs would come to, if we took all of it that is in these codecs. Nothing is
    /// agreed on by that.
    pub(crate) fn foresee(
        &self,
        offer: &[u8],
        codecs: &[Codec],
    ) -> Result<Negotiated, SessionError> {
        let local = LocalMedia {
            codecs: codecs.to_vec(),
            direction: Direction::SendRecv,
            telephone_event: true,
            comfort_noise: true,
            ..self.local.clone()
        };
        let (_, negotiated) = sdp::answer(&local, offer)?;
        self.check(&negotiated)?;
        Ok(negotiated)
    }

    /// What was agreed last.
    pub(crate) fn agreed(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// Whether an offer of ours waits for its answer.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.offered.is_some()
    }

    /// Our direction in the next description: on hold we go on sending (silence), so that the far
    /// end's time-outs and address translators see traffic, and take nothing.
    pub(crate) fn set_hold(&mut self, hold: bool) {
        self.local.direction = if hold {
            Direction::SendOnly
        } else {
            Direction::SendRecv
        };
    }

    /// An offer of ours. The same words keep their version (RFC 3264 section 8).
    pub(crate) fn offer(&mut self) -> Vec<u8> {
        let mut offer = self.next_offer();
        if self.described.as_ref().is_some_and(|said| *said != offer) {
            self.next_version();
            offer = self.next_offer();
        }
        self.described = Some(offer.clone());
        self.offered = Some(offer.clone());
        offer
    }

    fn next_offer(&self) -> Vec<u8> {
        match &self.described {
            Some(previous) => sdp::reoffer(&self.local, previous),
            None => sdp::offer(&self.local),
        }
    }

    /// The answer to an offer of theirs. On error the session stays as it was.
    pub(crate) fn answer(&mut self, offer: &[u8]) -> Result<(Vec<u8>, Negotiated), SessionError> {
        let (mut answer, mut negotiated) = sdp::answer(&self.local, offer)?;
        self.check(&negotiated)?;
        // A far end that comes with another key set up its SRTP anew, and would take our former key
        // with a roll-over counter that is not ours any more: it gets another one too.
        if let (Some(before), Some(now)) = (
            self.agreed.as_ref().and_then(|agreed| agreed.srtp.as_ref()),
            negotiated.srtp.as_ref(),
        ) && before.receive != now.receive
            && before.send == now.send
            && let Some(srtp) = &mut self.local.srtp
        {
            srtp.renew();
            (answer, negotiated) = sdp::answer(&self.local, offer)?;
        }
        // Who restarts ICE is answered with other credentials (RFC 8839 section 4.4.2.1).
        if self.restarts(&negotiated)
            && let Some(ice) = self.local.dtls.as_mut().and_then(|dtls| dtls.ice.as_mut())
        {
            ice.credentials = IceCredentials::random();
            (answer, negotiated) = sdp::answer(&self.local, offer)?;
        }
        // Who wants another association is answered with another name of ours, too (RFC 8842 section 5.3).
        if self.begins_anew(&negotiated)
            && let Some(dtls) = &mut self.local.dtls
        {
            dtls.tls_id = TlsId::random();
            (answer, negotiated) = sdp::answer(&self.local, offer)?;
        }
        // The same words keep their version (RFC 3264 section 8): a session that is only refreshed
        // (RFC 4028) looks so to both sides.
        if self.described.as_ref() != Some(&answer) {
            self.next_version();
            (answer, negotiated) = sdp::answer(&self.local, offer)?;
        }
        self.settle_handshake(&mut negotiated);
        self.agreed = Some(negotiated.clone());
        self.described = Some(answer.clone());
        Ok((answer, negotiated))
    }

    /// Their answer to our offer. A second answer to the same offer (early media, then the 200, or a
    /// forked early dialog) counts as well.
    pub(crate) fn accept(&mut self, answer: &[u8]) -> Result<Negotiated, SessionError> {
        let offered = self.offered.as_deref().ok_or(SessionError::NoAnswer)?;
        let mut negotiated = sdp::accept_answer(&self.local, offered, answer)?;
        self.check(&negotiated)?;
        self.settle_handshake(&mut negotiated);
        self.agreed = Some(negotiated.clone());
        Ok(negotiated)
    }

    /// Their answer to what we described last, said again to refresh the session. `None`: it agrees to
    /// what was agreed before.
    pub(crate) fn refresh(&mut self, answer: &[u8]) -> Result<Option<Negotiated>, SessionError> {
        let described = self.described.as_deref().ok_or(SessionError::NoAnswer)?;
        let mut negotiated = sdp::accept_answer(&self.local, described, answer)?;
        self.check(&negotiated)?;
        self.settle_handshake(&mut negotiated);
        let changed = self.agreed.as_ref() != Some(&negotiated);
        self.agreed = Some(negotiated.clone());
        Ok(changed.then_some(negotiated))
    }

    /// The offer is settled: what comes now belongs to a later one.
    pub(crate) fn settle(&mut self) {
        self.offered = None;
    }

    fn check(&self, negotiated: &Negotiated) -> Result<(), MediaAddressError> {
        if ice_of(negotiated).is_some() {
            // Nothing is sent to what is described: candidates count.
            return Ok(());
        }
        if !negotiated.direction.sends() && negotiated.remote_rtp.ip().is_unspecified() {
            return Ok(());
        }
        address::check(negotiated.remote_rtp.ip(), self.peer)?;
        if negotiated.remote_rtcp.port() != 0 {
            address::check(negotiated.remote_rtcp.ip(), self.peer)?;
        }
        Ok(())
    }

    fn next_version(&mut self) {
        if self.described.is_some() {
            self.local.session = self.local.session.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(port: u16, peer: &str) -> Session {
        let media = SocketAddr::from(([127, 0, 0, 1], port));
        Session::new(
            media,
            peer.parse().unwrap(),
            vec![Codec::Pcma, Codec::Pcmu],
            20,
            SrtpPolicy::Off,
        )
    }

    fn secure(port: u16) -> Session {
        let mut session = session(port, "127.0.0.1");
        session.local.srtp = LocalSrtp::new(SrtpPolicy::Required);
        session
    }

    fn version(sdp: &[u8]) -> u64 {
        let text = String::from_utf8_lossy(sdp).into_owned();
        let origin = text
            .lines()
            .find(|line| line.starts_with("o="))
            .unwrap()
            .to_owned();
        origin.split(' ').nth(2).unwrap().parse().unwrap()
    }

    #[test]
    fn two_sides_agree() {
        let (mut a, mut b) = (session(4000, "127.0.0.1"), session(5000, "127.0.0.1"));
        let offer = a.offer();
        let (answer, at_b) = b.answer(&offer).unwrap();
        let at_a = a.accept(&answer).unwrap();
        assert_eq!(at_a.codec, Codec::Pcma);
        assert_eq!(at_a.remote_rtp.port(), 5000);
        assert_eq!(at_b.remote_rtp.port(), 4000);
        assert!(a.awaits_answer());
        a.settle();
        assert!(!a.awaits_answer());
    }

    #[test]
    fn hold_is_a_new_version_and_a_new_direction() {
        let (mut a, mut b) = (session(4000, "127.0.0.1"), session(5000, "127.0.0.1"));
        let first = a.offer();
        a.accept(&b.answer(&first).unwrap().0).unwrap();
        a.set_hold(true);
        let second = a.offer();
        assert_eq!(version(&second), version(&first) + 1);
        let (answer, at_b) = b.answer(&second).unwrap();
        assert_eq!(at_b.direction, Direction::RecvOnly);
        assert_eq!(a.accept(&answer).unwrap().direction, Direction::SendOnly);
    }

    #[test]
    fn keys_outlast_hold_and_refresh_and_are_answered_with_others_when_renewed() {
        let (mut a, mut b) = (secure(4000), secure(5000));
        let first = a.offer();
        let (answer, at_b) = b.answer(&first).unwrap();
        let at_a = a.accept(&answer).unwrap();
        let keys = at_a.srtp.clone().unwrap();
        assert_eq!(keys.send, at_b.srtp.as_ref().unwrap().receive);
        assert_eq!(a.refresh(&answer), Ok(None));
        assert_eq!(b.answer(&first).unwrap().0, answer, "a refresh of theirs");

        a.set_hold(true);
        let (held, _) = b.answer(&a.offer()).unwrap();
        assert_eq!(a.accept(&held).unwrap().srtp, Some(keys.clone()));

        a.local.srtp.as_mut().unwrap().renew();
        let (renewed, _) = b.answer(&a.offer()).unwrap();
        let now = a.accept(&renewed).unwrap().srtp.unwrap();
        assert_ne!(now.send, keys.send);
        assert_ne!(now.receive, keys.receive);
    }

    #[test]
    fn a_refresh_changes_no_version_and_a_moved_far_end_is_noticed() {
        let (mut a, mut b) = (session(4000, "127.0.0.1"), session(5000, "127.0.0.1"));
        let offer = a.offer();
        let (answer, _) = b.answer(&offer).unwrap();
        a.accept(&answer).unwrap();
        a.settle();
        // The offer comes again, as it was.
        let (again, _) = b.answer(&offer).unwrap();
        assert_eq!(again, answer);
        assert_eq!(a.refresh(&again), Ok(None));
        let moved = String::from_utf8(answer).unwrap().replace("5000", "6000");
        let agreed = a.refresh(moved.as_bytes()).unwrap().unwrap();
        assert_eq!(agreed.remote_rtp.port(), 6000);
    }

    #[test]
    fn an_offer_that_aims_at_our_loopback_is_refused_and_changes_nothing() {
        let mut stranger = session(4000, "127.0.0.1");
        let mut ours = session(5000, "203.0.113.9");
        let error = ours.answer(&stranger.offer()).unwrap_err();
        assert_eq!(error.sip_code(), 488);
        assert!(error.to_string().contains("loopback"), "{error}");
        assert!(ours.agreed().is_none());
    }
}
