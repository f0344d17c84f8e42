// SPDX-License-Identifier: MPL-2.0
//! Stories of two far ends and the bridge between them, in virtual time.

mod both_agree;
mod it_is_refused;
mod many_answer;
mod they_offer_anew;
mod they_shake_hands;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sip_ua::sdp::{
    self, Codec, Direction, LocalMedia, LocalSrtp, Negotiated, OpusFmtp, SrtpPolicy,
};

use super::*;
use crate::media::bridge::Side;

const PATIENCE: Duration = Duration::from_secs(60);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn side(port: u16) -> SideConfig {
    let peer = ip("203.0.113.5");
    SideConfig::new(SocketAddr::new(ip("192.0.2.9"), port), peer)
}

/// The bridge, which side A reaches at port 6000 and side B at port 7000.
fn config() -> ExchangeConfig {
    ExchangeConfig {
        sides: [side(6000), side(7000)],
        transcode: true,
        name: "-".to_owned(),
        patience: PATIENCE,
    }
}

/// A far end.
struct Phone {
    local: LocalMedia,
    offered: Vec<u8>,
}

impl Phone {
    fn new(port: u16, codecs: &[Codec]) -> Phone {
        Phone {
            local: LocalMedia::new(ip("198.51.100.1"), port, codecs.to_vec()),
            offered: Vec::new(),
        }
    }

    fn secure(port: u16, codecs: &[Codec]) -> Phone {
        let mut phone = Phone::new(port, codecs);
        phone.local.srtp = LocalSrtp::new(SrtpPolicy::Required);
        phone
    }

    fn offer(&mut self) -> Vec<u8> {
        self.offered = if self.offered.is_empty() {
            sdp::offer(&self.local)
        } else {
            sdp::reoffer(&self.local, &self.offered)
        };
        self.offered.clone()
    }

    fn answer(&self, offer: &[u8]) -> (Vec<u8>, Negotiated) {
        sdp::answer(&self.local, offer).unwrap()
    }

    fn accept(&self, answer: &[u8]) -> Negotiated {
        sdp::accept_answer(&self.local, &self.offered, answer).unwrap()
    }
}

/// A caller, a callee, and what is between them.
struct Story {
    now: Instant,
    exchange: Exchange,
    alice: Phone,
    bob: Phone,
}

/// What one exchange came to, at all four ends.
struct Agreed {
    alice: Negotiated,
    bridge: [Negotiated; 2],
    bob: Negotiated,
    offer: Vec<u8>,
    answer: Vec<u8>,
}

impl Story {
    fn new(config: ExchangeConfig, alice: Phone, bob: Phone) -> Story {
        Story {
            now: Instant::now(),
            exchange: Exchange::new(config),
            alice,
            bob,
        }
    }

    fn plain(alice: &[Codec], bob: &[Codec]) -> Story {
        Story::new(config(), Phone::new(4000, alice), Phone::new(5000, bob))
    }

    fn alice_offers(&mut self) -> Result<Vec<u8>, ExchangeError> {
        let offer = self.alice.offer();
        self.exchange.offer(self.now, "alice", None, &offer)
    }

    /// Alice offers, Bob answers.
    fn call(&mut self) -> Agreed {
        let offer = self.alice_offers().unwrap();
        let (answer, bob) = self.bob.answer(&offer);
        let answered = self.exchange.answer("alice", "bob", &answer).unwrap();
        Agreed {
            alice: self.alice.accept(&answered.answer),
            bridge: answered.agreed,
            bob,
            offer,
            answer: answered.answer,
        }
    }

    /// Bob offers, Alice answers.
    fn call_back(&mut self) -> Agreed {
        let offer = self.bob.offer();
        let offer = self
            .exchange
            .offer(self.now, "bob", Some("alice"), &offer)
            .unwrap();
        let (answer, alice) = self.alice.answer(&offer);
        let answered = self.exchange.answer("bob", "alice", &answer).unwrap();
        Agreed {
            alice,
            bridge: answered.agreed,
            bob: self.bob.accept(&answered.answer),
            offer,
            answer: answered.answer,
        }
    }
}

fn text(sdp: &[u8]) -> &str {
    std::str::from_utf8(sdp).unwrap()
}

/// The lines of a description that begin so.
fn lines<'a>(sdp: &'a [u8], start: &str) -> Vec<&'a str> {
    let lines = text(sdp).lines();
    lines.filter(|line| line.starts_with(start)).collect()
}

fn replaced(sdp: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert!(text(sdp).contains(from), "{from} in {}", text(sdp));
    text(sdp).replace(from, to).into_bytes()
}
