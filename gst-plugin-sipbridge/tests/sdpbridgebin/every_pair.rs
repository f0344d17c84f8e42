// SPDX-License-Identifier: MPL-2.0
//! Every transport on one side with every transport on the other, and every codec with every codec; what was
//! heard is printed as a table.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;

use sip_ua::sdp::{Codec, LocalSrtp, Negotiated, SrtpPolicy};
use sipbridge_measure::steady::asserted_steadily;

use crate::phone::{Bridge, Phone, hear_each_other};

/// What a side speaks.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    name: &'static str,
    profile: &'static str,
    rtcp_mux: bool,
    address: &'static str,
    /// With a handshake: how the bridge finds the far end, and how that one finds it.
    ice: Option<[&'static str; 2]>,
}

const DTLS: &str = "UDP/TLS/RTP/SAVPF";

const fn described(profile: &'static str, rtcp_mux: bool, address: &'static str) -> Transport {
    Transport {
        name: profile,
        profile,
        rtcp_mux,
        address,
        ice: None,
    }
}

const fn shaking(
    name: &'static str,
    profile: &'static str,
    address: &'static str,
    ice: [&'static str; 2],
) -> Transport {
    Transport {
        name,
        profile,
        rtcp_mux: true,
        address,
        ice: Some(ice),
    }
}

/// All there are, over IPv4 and over IPv6.
const TRANSPORTS: [Transport; 8] = [
    described("RTP/AVP", false, "127.0.0.1"),
    described("RTP/AVPF", true, "::1"),
    described("RTP/SAVP", true, "127.0.0.1"),
    described("RTP/SAVPF", false, "::1"),
    shaking("DTLS", "UDP/TLS/RTP/SAVP", "127.0.0.1", ["off", "off"]),
    shaking("DTLS/IPv6", DTLS, "::1", ["off", "off"]),
    shaking("DTLS, ICE lite", DTLS, "127.0.0.1", ["lite", "full"]),
    shaking("DTLS, ICE full", DTLS, "::1", ["full", "full"]),
];

impl Transport {
    fn has_described_keys(self) -> bool {
        self.profile.starts_with("RTP/SAVP")
    }

    fn has_feedback(self) -> bool {
        self.profile.ends_with('F')
    }

    /// A side of a bridge that speaks it; `at_bridge`: of the one that is looked at.
    fn side(self, codec: Codec, at_bridge: bool) -> String {
        let keys = match self.ice {
            Some(ice) => format!("dtls=true,ice={}", ice[usize::from(!at_bridge)]),
            None if self.has_described_keys() => "srtp=required".to_owned(),
            None => "srtp=off".to_owned(),
        };
        format!(
            "\"side,address=(string){},{keys},feedback={},rtcp-mux={},codecs=(string)<{}>\"",
            self.address,
            self.has_feedback(),
            self.rtcp_mux,
            codec.name()
        )
    }
}

/// A phone; in front of one that shakes hands is a bridge of its own.
struct FarEnd {
    phone: Phone,
    before: Option<Bridge>,
}

impl FarEnd {
    fn new(transport: Transport, codec: Codec, calls: bool) -> FarEnd {
        if transport.ice.is_some() {
            let side = if calls { "side-b" } else { "side-a" };
            let properties = format!("transcode=false {side}={}", transport.side(codec, false));
            return FarEnd {
                phone: Phone::new(&[codec]),
                before: Some(Bridge::new(&properties)),
            };
        }
        let address: IpAddr = transport.address.parse().unwrap();
        let mut phone = Phone::at(address, &[codec]);
        if transport.has_described_keys() {
            phone.local.srtp = LocalSrtp::new(SrtpPolicy::Required);
        }
        phone.local.feedback = transport.has_feedback();
        FarEnd {
            phone,
            before: None,
        }
    }

    fn offer(&mut self) -> String {
        let offer = self.phone.offer();
        match &self.before {
            Some(before) => before.offer("phone", &offer).unwrap(),
            None => offer,
        }
    }

    fn answer(&mut self, offer: &str) -> String {
        let Some(before) = &self.before else {
            return self.phone.answer(offer);
        };
        let answer = self.phone.answer(&before.offer("far", offer).unwrap());
        before.answer("far", "phone", &answer).unwrap()
    }

    fn accept(&self, answer: &str) -> Negotiated {
        match &self.before {
            Some(before) => {
                let answer = before.answer("phone", "far", answer).unwrap();
                self.phone.accept(&answer)
            }
            None => self.phone.accept(answer),
        }
    }
}

/// How much of what was said was heard, there and back.
fn bridged(
    (one, codec_one): (Transport, Codec),
    (other, codec_other): (Transport, Codec),
) -> [f64; 2] {
    let sides = [one.side(codec_one, true), other.side(codec_other, true)];
    let bridge = Bridge::new(&format!("side-a={} side-b={}", sides[0], sides[1]));
    let mut alice = FarEnd::new(one, codec_one, true);
    let mut bob = FarEnd::new(other, codec_other, false);
    let offered = alice.offer();
    assert!(offered.contains(&format!(" {} ", one.profile)), "{offered}");
    let offer = bridge.offer("alice", &offered).unwrap();
    assert!(offer.contains(&format!(" {} ", other.profile)), "{offer}");
    let answer = bob.answer(&offer);
    let agreed = alice.accept(&bridge.answer("alice", "bob", &answer).unwrap());
    if one.ice.is_none() {
        assert_eq!(agreed.rtcp_mux, one.rtcp_mux);
    }
    assert_eq!(answer.contains("a=rtcp-mux"), other.rtcp_mux, "{answer}");
    let heard = hear_each_other(&mut alice.phone, &mut bob.phone);
    let sides = [("a", one, codec_one), ("b", other, codec_other)];
    for (side, transport, codec) in sides {
        let stats = bridge.stats(side);
        let secure = transport.profile.contains("SAVP");
        assert_eq!(stats.has_field("srtp-suite"), secure, "{stats}");
        assert_eq!(stats.get::<u64>("packets-forged"), Ok(0), "{stats}");
        for name in ["codec", "codec-received"] {
            assert_eq!(stats.get::<&str>(name), Ok(codec.name()), "{stats}");
        }
    }
    heard
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

/// What was heard, by row and column.
type Fields = Mutex<BTreeMap<(usize, usize), String>>;

fn print(title: &str, names: &[String], fields: &Fields) {
    let fields = fields.lock().unwrap();
    println!("\n{title}\n");
    println!("| A \\ B | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for (row, name) in names.iter().enumerate() {
        let columns = 0..names.len();
        let row: Vec<_> = columns.map(|at| fields[&(row, at)].as_str()).collect();
        println!("| {name} | {} |", row.join(" | "));
    }
}

/// Each pair of transports with a pair of codecs, so that every pair of codecs is there more than once.
#[test]
fn of_transports() {
    let fields = Fields::default();
    let all: Vec<usize> = (0..TRANSPORTS.len()).collect();
    asserted_steadily(|| {
        each(&all, |row, column| {
            let number = row * TRANSPORTS.len() + column;
            let codec = |number: usize| Codec::ALL[number % Codec::ALL.len()];
            let codecs = [codec(number), codec(number / Codec::ALL.len())];
            let [there, back] = bridged(
                (TRANSPORTS[row], codecs[0]),
                (TRANSPORTS[column], codecs[1]),
            );
            let field = format!("{} – {}: {there:.2}, {back:.2}", codecs[0], codecs[1]);
            fields.lock().unwrap().insert((row, column), field);
        });
    });
    let names = TRANSPORTS.map(|transport| transport.name.to_owned());
    let title = "Codecs, and how much of what A and B said the other heard (1: all of it)";
    print(title, &names, &fields);
}

#[test]
fn of_codecs() {
    let fields = Fields::default();
    let all: Vec<usize> = (0..Codec::ALL.len()).collect();
    let plain = TRANSPORTS[0];
    asserted_steadily(|| {
        each(&all, |row, column| {
            let (one, other) = (Codec::ALL[row], Codec::ALL[column]);
            let [there, back] = bridged((plain, one), (plain, other));
            let field = format!("{there:.2}, {back:.2}");
            fields.lock().unwrap().insert((row, column), field);
        });
    });
    let names = Codec::ALL.map(|codec| codec.name().to_owned());
    print(
        "How much of what A and B said the other heard (1: all of it)",
        &names,
        &fields,
    );
}
