// SPDX-License-Identifier: MPL-2.0
//! The exchange itself: who is there, which offer is open, and what crosses.

use std::time::Instant;

use sip_ua::sdp::{Codec, Negotiated};

use super::{ExchangeConfig, ExchangeError, SideConfig, terms};
use crate::media::bridge::Side;
use crate::session::{Session, SessionError};

/// More branches than any call has: proxies fork to a handful of phones.
const CALLEES_MAX: usize = 32;

/// Somebody who offered or answered.
#[derive(Debug, Clone)]
struct Party {
    tag: String,
    session: Session,
}

/// An offer, until the next one. It can be answered more than once.
#[derive(Debug, Clone)]
struct Open {
    from: Side,
    /// The party of side B that made it or is to answer it; none: whoever there is.
    callee: Option<usize>,
    offer: Vec<u8>,
    /// What it would come to if all of it was taken.
    seen: Negotiated,
    /// When it is given up; none: it was answered.
    until: Option<Instant>,
}

/// An answer that crossed.
#[derive(Debug, Clone)]
pub struct Answered {
    /// For whoever offered.
    pub answer: Vec<u8>,
    /// What is agreed on with side A and with side B.
    pub agreed: [Negotiated; 2],
    /// With whom on each side, by number: a handshake is with one of several who answer.
    pub parties: [usize; 2],
}

/// An answer that can cross, and has not yet.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// Who of side B takes part, where they are new.
    tag: String,
    /// What is to be of the sessions of sides A and B.
    sessions: [Session; 2],
    answered: Answered,
}

impl Crossing {
    /// What it comes to.
    pub fn answered(&self) -> &Answered {
        &self.answered
    }
}

/// What became of an offer that nobody answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It was the first one: there is no bridge.
    Bridge,
    /// It was a later one: what was agreed before holds.
    Offer,
}

/// The offers and answers of one bridge.
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    caller_tag: Option<String>,
    caller: Session,
    /// Side B as it was offered to, before anybody there answered: each who does begins with a copy.
    unanswered: Session,
    callees: Vec<Party>,
    /// Who of them is heard.
    current: Option<usize>,
    open: Option<Open>,
    /// What side B was offered first: whoever there was not heard of answers that, however late.
    first: Option<Open>,
}

impl Exchange {
    /// Nobody has offered anything.
    pub fn new(config: ExchangeConfig) -> Exchange {
        let session = |side: &SideConfig| {
            let ptime_ms = side.ptime_ms.unwrap_or(20);
            let mut session = Session::new(
                side.reached_at,
                side.peer,
                Codec::ALL.to_vec(),
                ptime_ms,
                side.srtp,
            );
            session.set_transport(side.rtcp_mux, side.feedback);
            let dtls = side.dtls.as_ref();
            session.set_dtls(dtls.map(|dtls| dtls.local(side.reached_at)));
            session.set_name(&config.name);
            session
        };
        let [a, b] = &config.sides;
        Exchange {
            caller_tag: None,
            caller: session(a),
            unanswered: session(b),
            callees: Vec::new(),
            current: None,
            open: None,
            first: None,
            config,
        }
    }

    /// Who `from` offers; `to`, where it is known, is whom it offers to. Returns the offer for the other
    /// side. The same side may offer again while nobody answered: that takes the former's place.
    pub fn offer(
        &mut self,
        now: Instant,
        from: &str,
        to: Option<&str>,
        offer: &[u8],
    ) -> Result<Vec<u8>, ExchangeError> {
        let (side, callee) = self.whose(from, to)?;
        if let Some(open) = self.open.as_ref().filter(|open| open.until.is_some())
            && open.from != side
        {
            return Err(ExchangeError::Glare(open.from));
        }
        let spoken = self.config.sides[side.index()].codecs.as_deref();
        let seen = self
            .session(side, callee)
            .foresee(offer, spoken.unwrap_or(&Codec::ALL))
            .map_err(|error| ExchangeError::Description { side, error })?;
        let terms = terms::of_offer(&self.config, side, &seen)?;
        let across = self.session_mut(side.other(), callee);
        across.set_terms(terms);
        let offered = across.offer();
        self.caller_tag.get_or_insert_with(|| from.to_owned());
        let open = Open {
            from: side,
            callee,
            offer: offer.to_vec(),
            seen,
            until: Some(now + self.config.patience),
        };
        if callee.is_none() {
            self.first = Some(open.clone());
        }
        self.open = Some(open);
        Ok(offered)
    }

    /// `to` answers the offer of `from`. Returns the answer for that one, and what is agreed on. An answer
    /// that is said again, or one more to the same offer, counts as well.
    pub fn answer(
        &mut self,
        from: &str,
        to: &str,
        answer: &[u8],
    ) -> Result<Answered, ExchangeError> {
        let crossing = self.consider(from, to, answer)?;
        Ok(self.settle(crossing))
    }

    /// What [`Exchange::answer`] would come to. Nothing has happened before it is settled.
    pub fn consider(&self, from: &str, to: &str, answer: &[u8]) -> Result<Crossing, ExchangeError> {
        let open = self.offer_to(to).ok_or(ExchangeError::NoOffer)?;
        let (offerer, answerer) = (open.from, open.from.other());
        let callee = self.who_answers(open, from, to)?;
        let described =
            |side| move |error: SessionError| ExchangeError::Description { side, error };
        let mut across = self.session(answerer, callee).clone();
        let said = across.accept(answer).map_err(described(answerer))?;
        let mut session = self.session(offerer, callee).clone();
        session.set_terms(terms::of_answer(&self.config, open.from, &open.seen, &said));
        let (answer, agreed) = session.answer(&open.offer).map_err(described(offerer))?;
        let (agreed, sessions) = match offerer {
            Side::A => ([agreed, said], [session, across]),
            Side::B => ([said, agreed], [across, session]),
        };
        Ok(Crossing {
            tag: to.to_owned(),
            sessions,
            answered: Answered {
                answer,
                agreed,
                parties: [0, callee.unwrap_or(self.callees.len())],
            },
        })
    }

    /// What was considered last holds from now on.
    pub fn settle(&mut self, crossing: Crossing) -> Answered {
        let Crossing {
            tag,
            sessions: [caller, session],
            answered,
        } = crossing;
        let [_, index] = answered.parties;
        self.caller = caller;
        match self.callees.get_mut(index) {
            Some(party) => party.session = session,
            None => self.callees.push(Party { tag, session }),
        }
        self.current = Some(index);
        if let Some(open) = &mut self.open
            && (open.callee.is_none() || open.callee == Some(index))
        {
            open.until = None;
        }
        answered
    }

    /// A candidate of this one, that came after its description (RFC 8840). Returns the side and the number
    /// of whose it is, where something was agreed on with them already.
    pub fn add_candidate(
        &mut self,
        tag: &str,
        candidate: &str,
    ) -> Result<Option<(Side, usize)>, ExchangeError> {
        let (side, callee) = match self.caller_tag.as_deref() {
            Some(caller) if caller == tag => (Side::A, None),
            _ => (Side::B, self.callee(tag)),
        };
        if side == Side::B && callee.is_none() {
            return Err(ExchangeError::UnknownTag(tag.to_owned()));
        }
        let session = self.session_mut(side, callee);
        let is_news = session.add_candidate(candidate) && session.agreed().is_some();
        Ok(is_news.then_some((side, callee.unwrap_or(0))))
    }

    /// The open offer was refused, or is withdrawn. What was agreed before holds; where there is no such
    /// thing, there is no bridge.
    pub fn rollback(&mut self) -> Result<Expired, ExchangeError> {
        let open = self.open.take_if(|open| open.until.is_some());
        open.ok_or(ExchangeError::NoOffer)?;
        Ok(match self.current {
            Some(_) => Expired::Offer,
            None => Expired::Bridge,
        })
    }

    /// When [`Exchange::timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.open.as_ref()?.until
    }

    /// Time has passed: says what became of an offer that was open for too long.
    pub fn timeout(&mut self, now: Instant) -> Option<Expired> {
        self.next_timeout().filter(|until| *until <= now)?;
        self.rollback().ok()
    }

    /// The tag of who is heard on a side.
    pub fn tag(&self, side: Side) -> Option<&str> {
        match side {
            Side::A => self.caller_tag.as_deref(),
            Side::B => Some(&self.callees.get(self.current?)?.tag),
        }
    }

    /// The side of who offers, and who on side B takes part.
    fn whose(&self, from: &str, to: Option<&str>) -> Result<(Side, Option<usize>), ExchangeError> {
        let unknown = |tag: &str| ExchangeError::UnknownTag(tag.to_owned());
        let Some(caller) = self.caller_tag.as_deref() else {
            return Ok((Side::A, None));
        };
        if from == caller {
            let callee = match to {
                // Before anybody answered, whoever is called by any name.
                Some(to) if !self.callees.is_empty() => {
                    Some(self.callee(to).ok_or_else(|| unknown(to))?)
                }
                _ => self.current,
            };
            return Ok((Side::A, callee));
        }
        let callee = self.callee(from).ok_or_else(|| unknown(from))?;
        match to {
            Some(to) if to != caller => Err(unknown(to)),
            _ => Ok((Side::B, Some(callee))),
        }
    }

    /// What this tag answers.
    fn offer_to(&self, tag: &str) -> Option<&Open> {
        let known = self.caller_tag.as_deref() == Some(tag) || self.callee(tag).is_some();
        let open = if known { &self.open } else { &self.first };
        open.as_ref()
    }

    /// Which party of side B takes part in an answer; none: one that is new.
    fn who_answers(
        &self,
        open: &Open,
        from: &str,
        to: &str,
    ) -> Result<Option<usize>, ExchangeError> {
        let caller = self.caller_tag.as_deref().unwrap_or_default();
        let asked = open.callee.and_then(|index| self.callees.get(index));
        let asked = asked.map(|party| party.tag.as_str());
        let (offerer, expected) = match open.from {
            Side::A => (caller, asked),
            Side::B => (asked.unwrap_or_default(), Some(caller)),
        };
        if from != offerer {
            return Err(ExchangeError::UnknownTag(from.to_owned()));
        }
        if to == offerer {
            return Err(ExchangeError::OwnOffer(to.to_owned()));
        }
        if let Some(expected) = expected.filter(|expected| *expected != to) {
            return Err(ExchangeError::NotAsked {
                expected: expected.to_owned(),
                found: to.to_owned(),
            });
        }
        let callee = open.callee.or_else(|| self.callee(to));
        if callee.is_none() && self.callees.len() >= CALLEES_MAX {
            return Err(ExchangeError::TooManyAnswers(CALLEES_MAX));
        }
        Ok(callee)
    }

    fn callee(&self, tag: &str) -> Option<usize> {
        self.callees.iter().position(|party| party.tag == tag)
    }

    fn session(&self, side: Side, callee: Option<usize>) -> &Session {
        match (side, callee.and_then(|index| self.callees.get(index))) {
            (Side::A, _) => &self.caller,
            (Side::B, Some(party)) => &party.session,
            (Side::B, None) => &self.unanswered,
        }
    }

    fn session_mut(&mut self, side: Side, callee: Option<usize>) -> &mut Session {
        let party = callee.and_then(|index| self.callees.get_mut(index));
        match (side, party) {
            (Side::A, _) => &mut self.caller,
            (Side::B, Some(party)) => &mut party.session,
            (Side::B, None) => &mut self.unanswered,
        }
    }
}
