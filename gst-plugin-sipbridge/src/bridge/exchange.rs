// SPDX-License-Identifier: MPL-2.0
//! The exchange itself: who is there, which offer is open, and what crosses.

use std::net::SocketAddr;
use std::time::Instant;

use sip_ua::sdp::{Codec, IceCredentials, LocalDtls, LocalIce, Negotiated, OpusFmtp};

use super::{DtlsConfig, ExchangeConfig, ExchangeError, IcePolicy, SideConfig};
use crate::media::bridge::Side;
use crate::rtc::host_candidate;
use crate::session::{Session, SessionError, Terms};

/// More branches than any call has: proxies fork to a handful of phones.
const CALLEES_MAX: usize = 32;

/// What a side is offered behind the other side's codecs, the best first.
const TRANSCODED: [Codec; 4] = [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu];

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
            session.set_dtls(dtls.map(|dtls| local_dtls(dtls, side.reached_at)));
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
        let terms = self.terms_of_offer(side, &seen)?;
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
        let open = self.offer_to(to).ok_or(ExchangeError::NoOffer)?;
        let (offerer, answerer) = (open.from, open.from.other());
        let callee = self.who_answers(open, from, to)?;
        let described =
            |side| move |error: SessionError| ExchangeError::Description { side, error };
        // On copies: what fails half-way has not happened.
        let mut across = self.session(answerer, callee).clone();
        let said = across.accept(answer).map_err(described(answerer))?;
        let mut session = self.session(offerer, callee).clone();
        session.set_terms(self.terms_of_answer(open, &said));
        let (answer, agreed) = session.answer(&open.offer).map_err(described(offerer))?;

        let index = callee.unwrap_or_else(|| {
            self.callees.push(Party {
                tag: to.to_owned(),
                session: self.unanswered.clone(),
            });
            self.callees.len() - 1
        });
        *self.session_mut(answerer, Some(index)) = across;
        *self.session_mut(offerer, Some(index)) = session;
        self.current = Some(index);
        if let Some(open) = &mut self.open
            && (open.callee.is_none() || open.callee == Some(index))
        {
            open.until = None;
        }
        let agreed = match offerer {
            Side::A => [agreed, said],
            Side::B => [said, agreed],
        };
        Ok(Answered {
            answer,
            agreed,
            parties: [0, index],
        })
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

    /// What the side across is offered.
    fn terms_of_offer(&self, from: Side, seen: &Negotiated) -> Result<Terms, ExchangeError> {
        let offered = codecs_of(seen);
        let across = &self.config.sides[from.other().index()];
        let transcode = self.config.transcode;
        let codecs = match &across.codecs {
            Some(spoken) => spoken
                .iter()
                .copied()
                .filter(|codec| transcode || offered.contains(codec))
                .collect(),
            None => {
                let more = TRANSCODED.into_iter().filter(|_| transcode);
                let more = more.filter(|codec| !offered.contains(codec));
                offered.iter().copied().chain(more).collect::<Vec<_>>()
            }
        };
        if codecs.is_empty() {
            return Err(ExchangeError::NothingToOffer { from, offered });
        }
        Ok(Terms {
            codecs,
            direction: seen.direction.reversed(),
            ptime_ms: across.ptime_ms.unwrap_or(seen.ptime_ms),
            telephone_event: !seen.telephone_event_receive.is_empty(),
            comfort_noise: !seen.comfort_noise_receive.is_empty(),
            opus_fmtp: match offered.contains(&Codec::Opus) {
                true => seen.opus_fmtp,
                false => OpusFmtp::OURS,
            },
        })
    }

    /// What whoever offered is answered, after what the other side said.
    fn terms_of_answer(&self, open: &Open, said: &Negotiated) -> Terms {
        let offered = codecs_of(&open.seen);
        // What passes as it is, or else what they like best.
        let same = offered.iter().find(|codec| **codec == said.codec);
        let codec = same.or(offered.first()).copied();
        let side = &self.config.sides[open.from.index()];
        Terms {
            codecs: codec.into_iter().collect(),
            direction: said.direction.reversed(),
            ptime_ms: side.ptime_ms.unwrap_or(said.ptime_ms),
            // Digits of a form that cannot go on are better not asked for.
            telephone_event: said.telephone_event_send.is_some(),
            comfort_noise: said.comfort_noise_send.is_some(),
            opus_fmtp: match same {
                Some(Codec::Opus) => said.opus_fmtp,
                _ => OpusFmtp::OURS,
            },
        }
    }
}

fn local_dtls(config: &DtlsConfig, reached_at: SocketAddr) -> LocalDtls {
    let ice = (config.ice != IcePolicy::Off).then(|| LocalIce {
        credentials: IceCredentials::random(),
        lite: config.ice == IcePolicy::Lite,
        candidates: host_candidate(reached_at).into_iter().collect(),
    });
    LocalDtls {
        fingerprint: config.fingerprint.clone(),
        ice,
        role: None,
    }
}

/// What may come in, in the order of the offer.
fn codecs_of(seen: &Negotiated) -> Vec<Codec> {
    let mut codecs = Vec::new();
    for (_, codec) in &seen.receive {
        if !codecs.contains(codec) {
            codecs.push(*codec);
        }
    }
    codecs
}
