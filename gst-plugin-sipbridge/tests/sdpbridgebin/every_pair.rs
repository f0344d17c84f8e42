// SPDX-License-Identifier: MPL-2.0
//! Every transport on one side with every transport on the other, and every codec with every codec.

use sip_ua::sdp::{Codec, LocalSrtp, SrtpPolicy};
use sipbridge_measure::steady::asserted_steadily;

use crate::phone::{Bridge, Phone, hear_each_other};

/// What a side speaks.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    profile: &'static str,
    rtcp_mux: bool,
}

pub const TRANSPORTS: [Transport; 4] = [
    Transport {
        profile: "RTP/AVP",
        rtcp_mux: false,
    },
    Transport {
        profile: "RTP/AVPF",
        rtcp_mux: true,
    },
    Transport {
        profile: "RTP/SAVP",
        rtcp_mux: true,
    },
    Transport {
        profile: "RTP/SAVPF",
        rtcp_mux: false,
    },
];

impl Transport {
    fn is_secure(self) -> bool {
        self.profile.contains("SAVP")
    }

    fn has_feedback(self) -> bool {
        self.profile.ends_with('F')
    }

    pub fn side(self) -> String {
        let srtp = if self.is_secure() { "required" } else { "off" };
        format!(
            "\"side,address=127.0.0.1,srtp={srtp},feedback={},rtcp-mux={}\"",
            self.has_feedback(),
            self.rtcp_mux
        )
    }

    pub fn phone(self) -> Phone {
        let mut phone = Phone::new(&[Codec::Pcma]);
        if self.is_secure() {
            phone.local.srtp = LocalSrtp::new(SrtpPolicy::Required);
        }
        phone.local.feedback = self.has_feedback();
        phone
    }
}

fn bridged(one: Transport, other: Transport) {
    let sides = format!("side-a={} side-b={}", one.side(), other.side());
    let bridge = Bridge::new(&sides);
    let (mut alice, mut bob) = (one.phone(), other.phone());
    let offered = alice.offer();
    assert!(offered.contains(&format!(" {} ", one.profile)), "{offered}");
    let offer = bridge.offer("alice", &offered).unwrap();
    assert!(offer.contains(&format!(" {} ", other.profile)), "{offer}");
    let answer = bob.answer(&offer);
    let agreed = alice.accept(&bridge.answer("alice", "bob", &answer).unwrap());
    assert_eq!(agreed.rtcp_mux, one.rtcp_mux);
    assert_eq!(answer.contains("a=rtcp-mux"), other.rtcp_mux, "{answer}");
    hear_each_other(&mut alice, &mut bob);
    for (side, transport) in [("a", one), ("b", other)] {
        let stats = bridge.stats(side);
        assert_eq!(
            stats.has_field("srtp-suite"),
            transport.is_secure(),
            "{stats}"
        );
        assert_eq!(stats.get::<u64>("packets-forged"), Ok(0), "{stats}");
    }
}

fn transcoded(one: Codec, other: Codec) {
    let side = format!("side,address=127.0.0.1,codecs=(string)<{}>", other.name());
    let bridge = Bridge::new(&format!("side-b=\"{side}\""));
    let (mut alice, mut bob) = (Phone::new(&[one]), Phone::new(&[other]));
    bridge.call(&mut alice, &mut bob);
    hear_each_other(&mut alice, &mut bob);
    for (side, codec) in [("a", one), ("b", other)] {
        let stats = bridge.stats(side);
        assert_eq!(stats.get::<&str>("codec"), Ok(codec.name()), "{stats}");
        assert_eq!(
            stats.get::<&str>("codec-received"),
            Ok(codec.name()),
            "{stats}"
        );
    }
}

/// One row of the table after the other, its fields side by side.
pub fn each<T: Copy + Send + Sync>(all: &[T], pair: impl Fn(T, T) + Sync) {
    for one in all {
        std::thread::scope(|scope| {
            for other in all {
                let pair = &pair;
                scope.spawn(move || pair(*one, *other));
            }
        });
    }
}

#[test]
fn of_transports() {
    asserted_steadily(|| each(&TRANSPORTS, bridged));
}

#[test]
fn of_codecs() {
    asserted_steadily(|| each(&Codec::ALL, transcoded));
}
