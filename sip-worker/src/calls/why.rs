// SPDX-License-Identifier: MPL-2.0
//! Which hop was at fault when a call's media were: one clause that ends the sentence of its `why`.
//!
//! A pure function of what was measured. It says nothing where nothing was wrong.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::figures::{Figures, PhoneFigures, RoomFigures, percent};

/// A call shorter than this proves nothing.
const LONG_ENOUGH: Duration = Duration::from_secs(2);
/// A phone that says nothing may send nothing; not for so long.
const SILENT_MS: u64 = 5_000;
/// Loss and lateness that people hear.
const HEARD_PERCENT: f64 = 5.0;
/// Fewer packets make no percentage.
const ENOUGH_PACKETS: u64 = 100;

/// What is known of an answered call at its end.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Who the phone's side is: its trunk or user.
    pub trunk: &'a str,
    /// Who the room's side is.
    pub sfu: &'a str,
    /// From the answer to the end.
    pub lasted: Duration,
    /// The phone was to send when the call ended: nobody held it.
    pub phone_sends: bool,
    /// Nothing of the phone was to reach the room.
    pub muted: bool,
    /// Where the SIP messages came from or went to.
    pub signalling: Option<IpAddr>,
    /// As measured last.
    pub figures: &'a Figures,
}

/// The sentence of how a call ended, with the hop at fault where there is one.
pub fn why(ended: &str, facts: &Facts<'_>) -> String {
    match fault(facts) {
        Some(fault) => format!("{ended}; {fault}"),
        None => ended.to_owned(),
    }
}

/// The worst that was wrong, nearest to the phone first.
fn fault(facts: &Facts<'_>) -> Option<String> {
    if facts.lasted < LONG_ENOUGH {
        return None;
    }
    let phone = facts.figures.phone.as_ref();
    let room = facts.figures.room.as_ref();
    phone
        .and_then(|phone| nothing_from_phone(facts, phone))
        .or_else(|| phone.and_then(|phone| bad_line(facts.trunk, phone)))
        .or_else(|| room.and_then(|room| room_side(facts, phone, room)))
}

fn nothing_from_phone(facts: &Facts<'_>, phone: &PhoneFigures) -> Option<String> {
    if !facts.phone_sends {
        return None;
    }
    let trunk = facts.trunk;
    let said = described(phone.described, facts.signalling);
    if phone.received.packets == 0 {
        let lasted = seconds(facts.lasted);
        let instead = match phone.foreign_from {
            _ if phone.forged > 0 => {
                let forged = phone.forged;
                format!("; {forged} packets came that the agreed SRTP key does not open")
            }
            Some(from) => format!("; {} packets came from {from} instead", phone.foreign),
            None => String::new(),
        };
        return Some(format!("no RTP from {trunk} in {lasted}{instead}{said}"));
    }
    let silent_ms = phone.received.silent_ms.filter(|ms| *ms >= SILENT_MS)?;
    let silent = seconds(Duration::from_millis(silent_ms));
    Some(format!("no RTP from {trunk} since {silent}{said}"))
}

/// `; last SDP said 10.0.0.5: private address`.
fn described(address: Option<SocketAddr>, signalling: Option<IpAddr>) -> String {
    let Some(address) = address else {
        return String::new();
    };
    let ip = address.ip().to_canonical();
    match unreachable_kind(ip) {
        // Where SIP came from the same kind of network, that is where it belongs.
        Some(kind)
            if signalling.is_none_or(|sip| unreachable_kind(sip.to_canonical()) != Some(kind)) =>
        {
            format!("; last SDP said {ip}: {kind}")
        }
        _ => format!("; last SDP said {address}"),
    }
}

/// Why packets from elsewhere cannot be exchanged with this address.
fn unreachable_kind(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            Some(match ip {
                _ if ip.is_unspecified() => "no address at all",
                _ if ip.is_loopback() => "loopback address",
                _ if ip.is_private() => "private address",
                _ if ip.is_link_local() => "link-local address",
                _ if a == 100 && (64..128).contains(&b) => "address behind a carrier's NAT",
                _ if ip.is_documentation() => "address for documentation",
                _ if ip.is_multicast() => "multicast address",
                _ => return None,
            })
        }
        IpAddr::V6(ip) => {
            let first = ip.segments().first().copied().unwrap_or_default();
            Some(match ip {
                _ if ip.is_unspecified() => "no address at all",
                _ if ip.is_loopback() => "loopback address",
                _ if first & 0xfe00 == 0xfc00 => "private address",
                _ if first & 0xffc0 == 0xfe80 => "link-local address",
                _ if ip.is_multicast() => "multicast address",
                _ => return None,
            })
        }
    }
}

fn bad_line(trunk: &str, phone: &PhoneFigures) -> Option<String> {
    let (received, sent) = (&phone.received, &phone.sent);
    if received.packets >= ENOUGH_PACKETS {
        if received.loss_percent >= HEARD_PERCENT {
            let loss = received.loss_percent;
            return Some(format!(
                "{loss:.1} % of the RTP from {trunk} was lost on its way to us"
            ));
        }
        let late = received.late as f64 * 100.0 / received.packets as f64;
        if late >= HEARD_PERCENT {
            let jitter = received.jitter_ms;
            return Some(format!(
                "{late:.1} % of the RTP from {trunk} came too late to be played (jitter {jitter:.0} ms)"
            ));
        }
    }
    let loss = lost_there(sent.packets, sent.lost)?;
    Some(format!(
        "{loss:.1} % of our RTP to {trunk} was lost on its way there"
    ))
}

fn room_side(
    facts: &Facts<'_>,
    phone: Option<&PhoneFigures>,
    room: &RoomFigures,
) -> Option<String> {
    let sfu = facts.sfu;
    if let Some(published) = &room.published {
        if let Some(loss) = lost_there(published.sent.packets, published.sent.lost) {
            return Some(format!(
                "{loss:.1} % of our RTP to the SFU {sfu} was lost on its way there"
            ));
        }
        let spoke = phone.is_some_and(|phone| phone.received.packets >= ENOUGH_PACKETS);
        if spoke && published.sent.packets == 0 && !facts.muted {
            return Some(format!(
                "nothing of what the phone sent went on to the SFU {sfu}"
            ));
        }
    }
    let worst = room
        .heard
        .iter()
        .filter(|heard| heard.received.packets >= ENOUGH_PACKETS)
        .max_by(|a, b| a.received.loss_percent.total_cmp(&b.received.loss_percent))?;
    let loss = worst.received.loss_percent;
    (loss >= HEARD_PERCENT)
        .then(|| format!("{loss:.1} % of the RTP from the SFU {sfu} was lost on its way to us"))
}

/// The share of what we sent that the far end says it never got, where that is heard.
fn lost_there(sent: u64, lost: Option<i64>) -> Option<f64> {
    let lost = lost?.max(0);
    let came = sent.saturating_sub(lost.unsigned_abs());
    let loss = percent(lost, came);
    (sent >= ENOUGH_PACKETS && loss >= HEARD_PERCENT).then_some(loss)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::figures::{HeardFigures, PublishedFigures, Received, Sent};
    use super::*;

    /// A call of 40 s in which all went well.
    fn good() -> Figures {
        let received = Received {
            packets: 2_000,
            silent_ms: Some(20),
            ..Received::default()
        };
        let sent = Sent {
            packets: 2_000,
            lost: Some(3),
            ..Sent::default()
        };
        Figures {
            phone: Some(PhoneFigures {
                described: "198.51.100.7:4000".parse().ok(),
                received: received.clone(),
                sent: sent.clone(),
                ..PhoneFigures::default()
            }),
            room: Some(RoomFigures {
                published: Some(PublishedFigures {
                    sent,
                    ..PublishedFigures::default()
                }),
                heard: vec![HeardFigures {
                    received,
                    ..HeardFigures::default()
                }],
            }),
        }
    }

    fn said(change: impl FnOnce(&mut PhoneFigures, &mut RoomFigures)) -> String {
        said_from("203.0.113.9", true, change)
    }

    fn said_from(
        signalling: &str,
        phone_sends: bool,
        change: impl FnOnce(&mut PhoneFigures, &mut RoomFigures),
    ) -> String {
        let mut figures = good();
        let Figures { phone, room } = &mut figures;
        change(phone.as_mut().unwrap(), room.as_mut().unwrap());
        let facts = Facts {
            trunk: "carrier",
            sfu: "main",
            lasted: Duration::from_secs(40),
            phone_sends,
            muted: false,
            signalling: signalling.parse().ok(),
            figures: &figures,
        };
        let sentence = why("the far end hung up", &facts);
        sentence
            .strip_prefix("the far end hung up")
            .unwrap()
            .trim_start_matches("; ")
            .to_owned()
    }

    #[test]
    fn a_good_call_is_not_explained() {
        assert_eq!(said(|_, _| ()), "");
        assert_eq!(said(|phone, _| phone.received.silent_ms = Some(4_900)), "");
        assert_eq!(said(|phone, _| phone.received.lost = 90), "");
    }

    #[test]
    fn a_silent_phone_is_named_with_where_it_said_it_is() {
        let silent = |address: &str| {
            said(|phone, _| {
                phone.received.silent_ms = Some(12_400);
                phone.described = address.parse().ok();
            })
        };
        let table = [
            ("10.0.0.5:4000", "10.0.0.5: private address"),
            ("[fd00::5]:4000", "fd00::5: private address"),
            ("127.0.0.1:4000", "127.0.0.1: loopback address"),
            ("169.254.1.1:4000", "169.254.1.1: link-local address"),
            ("[fe80::1]:4000", "fe80::1: link-local address"),
            (
                "100.64.0.1:4000",
                "100.64.0.1: address behind a carrier's NAT",
            ),
            ("0.0.0.0:4000", "0.0.0.0: no address at all"),
            ("[::ffff:10.0.0.5]:4000", "10.0.0.5: private address"),
            ("8.8.8.8:4000", "8.8.8.8:4000"),
        ];
        for (address, expected) in table {
            assert_eq!(
                silent(address),
                format!("no RTP from carrier since 12.4 s; last SDP said {expected}")
            );
        }
    }

    #[test]
    fn a_private_address_is_no_fault_in_a_private_network() {
        let sentence = said_from("192.168.1.20", true, |phone, _| {
            phone.received.silent_ms = Some(7_000);
            phone.described = "10.0.0.5:4000".parse().ok();
        });
        assert_eq!(
            sentence,
            "no RTP from carrier since 7.0 s; last SDP said 10.0.0.5:4000"
        );
    }

    #[test]
    fn a_phone_that_never_sent_and_one_that_sends_from_elsewhere() {
        let never = said(|phone, _| {
            phone.received = Received::default();
            phone.described = "10.0.0.5:4000".parse().ok();
        });
        assert_eq!(
            never,
            "no RTP from carrier in 40.0 s; last SDP said 10.0.0.5: private address"
        );
        let elsewhere = said(|phone, _| {
            phone.received = Received::default();
            phone.foreign = 3;
            phone.foreign_from = "198.51.100.8:999".parse().ok();
        });
        assert_eq!(
            elsewhere,
            "no RTP from carrier in 40.0 s; 3 packets came from 198.51.100.8:999 instead; last SDP said 198.51.100.7:4000"
        );
        let other_key = said(|phone, _| {
            phone.received = Received::default();
            phone.forged = 1_999;
        });
        assert_eq!(
            other_key,
            "no RTP from carrier in 40.0 s; 1999 packets came that the agreed SRTP key does not open; last SDP said 198.51.100.7:4000"
        );
        let held = said_from("203.0.113.9", false, |phone, _| {
            phone.received = Received::default();
        });
        assert_eq!(held, "");
    }

    #[test]
    fn loss_is_told_by_direction_and_hop() {
        type Change = fn(&mut PhoneFigures, &mut RoomFigures);
        let table: [(&str, Change); 6] = [
            (
                "7.5 % of the RTP from carrier was lost on its way to us",
                |phone, _| phone.received.loss_percent = 7.5,
            ),
            (
                "10.0 % of our RTP to carrier was lost on its way there",
                |phone, _| phone.sent.lost = Some(200),
            ),
            (
                "6.0 % of the RTP from carrier came too late to be played (jitter 81 ms)",
                |phone, _| (phone.received.late, phone.received.jitter_ms) = (120, 81.2),
            ),
            (
                "10.0 % of our RTP to the SFU main was lost on its way there",
                |_, room| room.published.as_mut().unwrap().sent.lost = Some(200),
            ),
            (
                "nothing of what the phone sent went on to the SFU main",
                |_, room| room.published.as_mut().unwrap().sent = Sent::default(),
            ),
            (
                "9.0 % of the RTP from the SFU main was lost on its way to us",
                |_, room| room.heard[0].received.loss_percent = 9.0,
            ),
        ];
        for (expected, change) in table {
            assert_eq!(said(change), expected);
        }
    }

    #[test]
    fn the_nearest_hop_comes_first_and_a_moment_proves_nothing() {
        let both = said(|phone, room| {
            phone.received.loss_percent = 7.5;
            room.heard[0].received.loss_percent = 9.0;
        });
        assert!(both.contains("from carrier"), "{both}");
        let figures = Figures::default();
        let facts = Facts {
            trunk: "carrier",
            sfu: "main",
            lasted: Duration::from_millis(1_500),
            phone_sends: true,
            muted: false,
            signalling: None,
            figures: &figures,
        };
        assert_eq!(why("the far end hung up", &facts), "the far end hung up");
    }
}
