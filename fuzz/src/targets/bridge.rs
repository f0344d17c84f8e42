// SPDX-License-Identifier: MPL-2.0
//! A description that is to cross a bridge, as an offer, as an answer and as an offer in between: a verdict,
//! nothing of one side in what the other is told, and a bridge that still works.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use gstsipbridge::bridge::{DtlsConfig, Exchange, ExchangeConfig, IcePolicy, SideConfig};
use sip_ua::sdp::{
    Codec, IceCredentials, LocalDtls, LocalIce, LocalMedia, LocalSrtp, SrtpPolicy, TlsId, answer,
    offer,
};

use super::sdp;
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "bridge",
    about: "a description of media that crosses a bridge",
    seeds: sdp::seeds,
    words: sdp::TARGET.words,
    short: 500,
    run,
};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Where keys come from, on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Keys {
    Described(SrtpPolicy),
    Handshake,
}

impl Keys {
    pub(super) const ALL: [Keys; 4] = [
        Keys::Described(SrtpPolicy::Off),
        Keys::Described(SrtpPolicy::Optional),
        Keys::Described(SrtpPolicy::Required),
        Keys::Handshake,
    ];

    pub(super) fn described(self) -> SrtpPolicy {
        match self {
            Keys::Described(srtp) => srtp,
            Keys::Handshake => SrtpPolicy::Off,
        }
    }

    pub(super) fn shakes(self) -> bool {
        matches!(self, Keys::Handshake)
    }
}

fn exchange(keys: Keys, transcode: bool) -> Exchange {
    let [a, b] = [6000, 7000].map(|port| SideConfig {
        srtp: keys.described(),
        dtls: keys.shakes().then(|| DtlsConfig {
            fingerprint: vec![1; 32],
            ice: IcePolicy::Full,
        }),
        ..SideConfig::new(SocketAddr::new(ip("192.0.2.9"), port), ip("192.0.2.5"))
    });
    Exchange::new(ExchangeConfig {
        sides: [a, b],
        transcode,
        name: "-".to_owned(),
        patience: Duration::from_secs(1),
    })
}

/// Somebody who speaks everything.
pub(super) fn phone(keys: Keys, address: IpAddr, port: u16) -> LocalMedia {
    let candidate = format!("candidate:1 1 udp 1 {address} {port} typ host");
    LocalMedia {
        srtp: LocalSrtp::new(keys.described()),
        dtls: keys.shakes().then(|| LocalDtls {
            fingerprint: vec![2; 32],
            ice: Some(LocalIce {
                credentials: IceCredentials::random(),
                lite: false,
                candidates: vec![candidate],
            }),
            role: None,
            tls_id: TlsId::random(),
        }),
        ..LocalMedia::new(address, port, Codec::ALL.to_vec())
    }
}

fn run(theirs: &[u8], traits: &mut Traits) {
    let now = Instant::now();
    for (which, keys) in Keys::ALL.into_iter().enumerate() {
        let good = phone(keys, ip("198.51.100.1"), 4000);
        let first = offer(&good);
        let both = || exchange(keys, which != 0);

        // As the first offer: what crosses can be answered.
        let mut bridge = both();
        match bridge.offer(now, "alice", None, theirs) {
            Err(error) => traits.sentence(error),
            Ok(offered) => {
                private(theirs, &offered);
                let (answered, _) = answer(&good, &offered).expect("our own offer");
                let crossed = bridge.answer("alice", "bob", &answered);
                let crossed = crossed.expect("an answer to what crossed");
                traits.see((which, crossed.agreed.map(|side| side.codec.name())));
            }
        }

        // As an answer; and whatever that came to, a good one still crosses.
        let mut bridge = both();
        let offered = bridge.offer(now, "alice", None, &first);
        let offered = offered.expect("a good offer");
        match bridge.answer("alice", "mallory", theirs) {
            Err(error) => traits.sentence(error),
            Ok(crossed) => private(theirs, &crossed.answer),
        }
        let (answered, _) = answer(&good, &offered).expect("our own offer");
        bridge
            .answer("alice", "bob", &answered)
            .expect("a good answer");
        let candidate = String::from_utf8_lossy(theirs);
        let known = bridge.add_candidate("bob", &candidate);
        known.expect("whose candidate it is, is known");

        // As a later offer, which is refused; and then a good one crosses.
        if let Err(error) = bridge.offer(now, "bob", None, theirs) {
            traits.sentence(error);
        }
        let _ = bridge.timeout(now + Duration::from_secs(1));
        let again = bridge.offer(now, "alice", None, &first);
        again.expect("a good offer again");
    }
}

/// No address of theirs is told to the other side.
fn private(theirs: &[u8], told: &[u8]) {
    let told = std::str::from_utf8(told).expect("our descriptions are text");
    let theirs = String::from_utf8_lossy(theirs);
    for address in ["198.51.100.1", "192.0.2.77", "2001:db8::1"] {
        assert!(
            !theirs.contains(address) || !told.contains(address),
            "{told}"
        );
    }
}
