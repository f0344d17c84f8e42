// SPDX-License-Identifier: MPL-2.0
//! Whom we take media from and send it to.
//!
//! The address in the session description counts. Far ends behind a NAT send from another, so until
//! a first source has proved itself another may win, by packets that follow each other. After that
//! no one else is heard before the next offer and answer: an attacker who sprays media ports
//! ("RTP bleed") gets neither our audio nor an ear.

use std::net::{IpAddr, SocketAddr};

/// Packets in a row that an address other than the described one must send.
const PROBATION_PACKETS: u8 = 4;

/// What a packet's source is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The far end.
    Known,
    /// The far end, from now on.
    Latched,
    /// Not (yet) the far end.
    Foreign,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
}

/// Who the far end is, by what it said and what it sends.
#[derive(Debug, Default)]
pub struct Source {
    described: Option<SocketAddr>,
    described_rtcp: Option<SocketAddr>,
    /// RTCP goes where RTP goes, and comes from there (RFC 5761).
    muxed: bool,
    latched: Option<SocketAddr>,
    rtcp_from: Option<SocketAddr>,
    candidate: Option<Candidate>,
    /// A way was found, or is looked for, that counts in place of all this.
    led: Option<Option<SocketAddr>>,
}

impl Source {
    /// Connectivity checks or a handshake say where the far end is; `None`: nowhere yet, or not any more.
    /// What comes has proved itself by its key then, and nothing is learnt from where it came.
    pub(super) fn lead(&mut self, to: Option<SocketAddr>) {
        self.led = Some(to.map(canonical));
    }

    /// Descriptions count, and what comes.
    pub(super) fn unlead(&mut self) {
        self.led = None;
    }

    /// A description names the far end's addresses. A re-offer that repeats them changes nothing;
    /// one that moves the far end opens a new probation.
    pub fn describe(&mut self, rtp: SocketAddr, rtcp: SocketAddr, muxed: bool) {
        let rtp = canonical(rtp);
        if self.muxed != muxed {
            self.muxed = muxed;
            self.rtcp_from = None;
        }
        if self.described != Some(rtp) {
            self.latched = None;
            self.rtcp_from = None;
            self.candidate = None;
        }
        self.described = Some(rtp);
        self.described_rtcp = Some(canonical(rtcp));
    }

    /// Judges a well-formed RTP packet of a payload type we agreed to.
    pub fn judge(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let from = canonical(from);
        if self.led.is_some() {
            return Verdict::Known;
        }
        if let Some(latched) = self.latched {
            return if from == latched {
                Verdict::Known
            } else {
                Verdict::Foreign
            };
        }
        if self.described.is_none() {
            return Verdict::Foreign;
        }
        if self.described == Some(from) {
            self.latch(from);
            return Verdict::Latched;
        }
        let packets = match self.candidate {
            Some(candidate)
                if candidate.from == from
                    && candidate.ssrc == ssrc
                    && candidate.sequence.wrapping_add(1) == sequence =>
            {
                candidate.packets + 1
            }
            // Another address in between starts the count again: probation is for a line on which
            // one alone speaks.
            _ => 1,
        };
        if packets >= PROBATION_PACKETS {
            self.latch(from);
            return Verdict::Latched;
        }
        self.candidate = Some(Candidate {
            from,
            ssrc,
            sequence,
            packets,
        });
        Verdict::Foreign
    }

    fn latch(&mut self, from: SocketAddr) {
        self.latched = Some(from);
        self.candidate = None;
    }

    /// Judges an RTCP packet: it must come from the described address, or from the host the media
    /// comes from.
    pub fn judge_rtcp(&mut self, from: SocketAddr) -> bool {
        let from = canonical(from);
        if self.led.is_some() {
            return true;
        }
        let host = |of: Option<SocketAddr>| of.map(|address| address.ip());
        let known: Option<IpAddr> = host(self.latched).or(host(self.described));
        if self.latched.is_none() && self.described_rtcp == Some(from) || known == Some(from.ip()) {
            self.rtcp_from = Some(from);
            return true;
        }
        false
    }

    /// Whether the far end is there, by its description or by what came.
    pub(super) fn is_at(&self, from: SocketAddr) -> bool {
        self.latched.or(self.described) == Some(canonical(from))
    }

    /// Where the far end's description said it is.
    pub(super) fn described(&self) -> Option<SocketAddr> {
        self.described
    }

    /// Where RTP goes.
    pub(super) fn rtp(&self) -> Option<SocketAddr> {
        self.led
            .unwrap_or_else(|| self.latched.or(self.described))
            .filter(|to| to.port() != 0 && !to.ip().is_unspecified())
    }

    /// Where RTCP goes; `None` where the far end has none.
    pub(super) fn rtcp(&self) -> Option<SocketAddr> {
        if self.muxed || self.led.is_some() {
            return self.rtp();
        }
        let described = self.described_rtcp.filter(|to| to.port() != 0)?;
        let to = if let Some(from) = self.rtcp_from {
            from
        } else if self.latched.is_some() && self.latched != self.described {
            let latched = self.latched?;
            SocketAddr::new(latched.ip(), latched.port().checked_add(1)?)
        } else {
            described
        };
        (!to.ip().is_unspecified()).then_some(to)
    }

    /// Where the far end turned out to be.
    pub(super) fn latched(&self) -> Option<SocketAddr> {
        self.latched
    }
}

/// An IPv4 address as itself, also where a dual-stack socket says it in IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn described() -> Source {
        let mut source = Source::default();
        source.describe(at("192.0.2.1:4000"), at("192.0.2.1:4001"), false);
        source
    }

    #[test]
    fn the_described_address_counts_at_once_and_for_good() {
        let mut source = described();
        assert_eq!(source.judge(at("192.0.2.1:4000"), 1, 1), Verdict::Latched);
        for sequence in 0..100 {
            let verdict = source.judge(at("203.0.113.9:9"), 1, sequence);
            assert_eq!(verdict, Verdict::Foreign);
        }
        assert_eq!(source.rtp(), Some(at("192.0.2.1:4000")));
    }

    #[test]
    fn a_far_end_behind_a_nat_wins_by_packets_in_a_row() {
        let mut source = described();
        for sequence in 65534..=65535 {
            assert_eq!(
                source.judge(at("203.0.113.9:9"), 7, sequence),
                Verdict::Foreign
            );
        }
        assert_eq!(source.judge(at("203.0.113.9:9"), 7, 0), Verdict::Foreign);
        assert_eq!(source.judge(at("203.0.113.9:9"), 7, 1), Verdict::Latched);
        assert_eq!(source.rtp(), Some(at("203.0.113.9:9")));
        assert_eq!(source.rtcp(), Some(at("203.0.113.9:10")));
        assert_eq!(source.judge(at("192.0.2.1:4000"), 1, 1), Verdict::Foreign);
    }

    #[test]
    fn spraying_does_not_win_against_someone_who_sends_too() {
        let mut source = described();
        for sequence in 0..50 {
            let attacker = source.judge(at("198.51.100.66:6"), 6, sequence);
            assert_eq!(attacker, Verdict::Foreign);
            let other = source.judge(at("203.0.113.9:9"), 7, sequence);
            assert_eq!(other, Verdict::Foreign);
        }
        assert_eq!(source.judge(at("192.0.2.1:4000"), 1, 1), Verdict::Latched);
    }

    #[test]
    fn packets_that_do_not_follow_each_other_prove_nothing() {
        let mut source = described();
        for sequence in (0..50).step_by(2) {
            let verdict = source.judge(at("203.0.113.9:9"), 7, sequence);
            assert_eq!(verdict, Verdict::Foreign);
        }
    }

    #[test]
    fn only_a_description_that_moves_the_far_end_lets_another_in() {
        let mut source = described();
        source.judge(at("192.0.2.1:4000"), 1, 1);
        source.describe(at("192.0.2.1:4000"), at("192.0.2.1:4001"), false);
        assert_eq!(source.judge(at("192.0.2.2:5000"), 1, 1), Verdict::Foreign);
        source.describe(at("192.0.2.2:5000"), at("192.0.2.2:5001"), false);
        assert_eq!(source.judge(at("192.0.2.2:5000"), 1, 1), Verdict::Latched);
    }

    #[test]
    fn rtcp_comes_from_the_same_host_only() {
        let mut source = described();
        assert!(source.judge_rtcp(at("192.0.2.1:4001")));
        assert!(!source.judge_rtcp(at("203.0.113.9:4001")));
        source.judge(at("[::ffff:192.0.2.1]:4000"), 1, 1);
        assert!(source.judge_rtcp(at("192.0.2.1:7777")));
        assert_eq!(source.rtcp(), Some(at("192.0.2.1:7777")));
    }

    #[test]
    fn a_way_that_was_found_counts_and_no_description() {
        let mut source = described();
        source.lead(None);
        assert_eq!((source.rtp(), source.rtcp()), (None, None));
        source.lead(Some(at("198.51.100.7:9000")));
        source.describe(at("0.0.0.0:9"), at("0.0.0.0:9"), true);
        assert_eq!(source.rtp(), Some(at("198.51.100.7:9000")));
        assert_eq!(source.rtcp(), source.rtp());
        assert_eq!(source.judge(at("203.0.113.9:9"), 1, 1), Verdict::Known);
        source.describe(at("192.0.2.1:4000"), at("192.0.2.1:4001"), false);
        source.unlead();
        assert_eq!(source.rtp(), Some(at("192.0.2.1:4000")));
    }

    #[test]
    fn an_unspecified_address_is_never_sent_to() {
        let mut source = Source::default();
        source.describe(at("0.0.0.0:4000"), at("0.0.0.0:4001"), false);
        assert_eq!(source.rtp(), None);
        assert_eq!(source.rtcp(), None);
    }
}
