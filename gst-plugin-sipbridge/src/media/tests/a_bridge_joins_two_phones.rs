// SPDX-License-Identifier: MPL-2.0
//! Two phones that speak different codecs hear each other through a bridge, which moves to another
//! thread meanwhile and gives its ports back at the end.

use super::*;
use crate::codec::OpusSettings;
use crate::media::bridge::{self, BridgeHandle, Side};

struct Joined {
    phones: [End; 2],
    bridge: BridgeHandle,
    told: Receiver<(Side, MediaEvent)>,
}

fn join(context: &Context, codecs: [Codec; 2]) -> Joined {
    let phones = [End::open(context), End::open(context)];
    let (tell, told) = channel();
    let config = || MediaConfig {
        ports: 20_000..=60_000,
        ..MediaConfig::default()
    };
    let events = Box::new(move |side, event| {
        let _ = tell.send((side, event));
    });
    let bridge = bridge::open(context, [config(), config()], events).unwrap();
    for ((side, phone), codec) in Side::BOTH.into_iter().zip(&phones).zip(codecs) {
        phone.agree(bridge.local_rtp(side), codec);
        bridge
            .apply(side, agreement(phone.media.local_rtp(), codec))
            .unwrap();
    }
    Joined {
        phones,
        bridge,
        told,
    }
}

#[test]
fn both_are_heard_and_go_on_after_a_move() {
    asserted_steadily(|| {
        let context = Context::acquire("bridge-test", MAX_WAIT).unwrap();
        let Joined { phones, bridge, .. } = join(&context, [Codec::Pcmu, Codec::Opus]);
        let heard = phones
            .each_ref()
            .map(|phone| phone.listen(Format::Raw { rate_hz: 8_000 }));
        let _mouths = [(&phones[0], 440.0), (&phones[1], 700.0)]
            .map(|(phone, hz)| Mouth::speak(phone, 8_000, hz));
        let away = Context::acquire("bridge-test-away", MAX_WAIT).unwrap();
        for moved in [false, true] {
            if moved {
                bridge.move_to(&away);
            }
            for (heard, hz) in [(&heard[1], 440.0), (&heard[0], 700.0)] {
                let pcm = listen_to(heard, Duration::from_secs(1), 8_000);
                let steady = &pcm[pcm.len() / 3..];
                let found = pitch(steady, 8_000);
                assert!((found - hz).abs() < hz * 0.03, "{found} for {hz}");
                let gap = longest_gap(steady, 8_000);
                assert!(gap < Duration::from_millis(15), "{gap:?}");
            }
        }
        let ports = Side::BOTH.map(|side| bridge.local_rtp(side));
        bridge.close();
        for port in ports {
            std::net::UdpSocket::bind(port).unwrap();
        }
    });
}

/// Every sample is looked at, from well before the first move until well after the last.
#[test]
fn no_sample_is_missing_while_it_moves() {
    asserted_steadily(|| {
        let home = Context::acquire("bridge-test-home", MAX_WAIT).unwrap();
        let away = Context::acquire("bridge-test-else", MAX_WAIT).unwrap();
        let Joined { phones, bridge, .. } = join(&home, [Codec::Pcmu, Codec::Opus]);
        let heard = phones
            .each_ref()
            .map(|phone| phone.listen(Format::Raw { rate_hz: 8_000 }));
        let _mouths = [(&phones[0], 440.0), (&phones[1], 700.0)]
            .map(|(phone, hz)| Mouth::speak(phone, 8_000, hz));
        let both = [(&heard[1], 440.0), (&heard[0], 700.0)];
        for (heard, _) in both {
            listen_to(heard, Duration::from_secs(1), 8_000);
        }
        for to in [&away, &home, &away] {
            bridge.move_to(to);
            for (heard, hz) in both {
                let pcm = listen_to(heard, Duration::from_millis(600), 8_000);
                let found = pitch(&pcm, 8_000);
                assert!((found - hz).abs() < hz * 0.03, "{found} for {hz}");
                let gap = longest_gap(&pcm, 8_000);
                assert!(gap < Duration::from_millis(15), "{gap:?}");
            }
            assert_eq!(bridge.context().name(), to.name());
        }
        for side in Side::BOTH {
            let stats = bridge.stats(side);
            assert_eq!((stats.lost, stats.late), (0, 0), "{side:?}");
        }
    });
}

#[test]
fn digits_pass_from_one_to_the_other() {
    asserted_steadily(|| {
        let context = Context::acquire("bridge-test", MAX_WAIT).unwrap();
        let Joined {
            phones,
            bridge,
            told,
        } = join(&context, [Codec::Pcmu, Codec::Opus]);
        phones[0].media.send_digits("42", 120).unwrap();
        for digit in ['4', '2'] {
            let event = phones[1].wait_for(|event| matches!(event, MediaEvent::Digit { .. }));
            let MediaEvent::Digit {
                digit: heard,
                duration_ms,
            } = event
            else {
                unreachable!("waited for a digit");
            };
            assert_eq!(heard, digit);
            assert!((100..=160).contains(&duration_ms), "{duration_ms}");
        }
        let digits = told
            .try_iter()
            .filter(|(side, event)| *side == Side::A && matches!(event, MediaEvent::Digit { .. }));
        assert_eq!(digits.count(), 2);
        bridge.close();
    });
}

#[test]
fn what_cannot_be_spoken_is_not_agreed_on() {
    gst::init().unwrap();
    let context = Context::acquire("bridge-test", MAX_WAIT).unwrap();
    let config = |bitrate_bps| MediaConfig {
        ports: 20_000..=60_000,
        opus: OpusSettings {
            bitrate_bps,
            ..OpusSettings::default()
        },
        ..MediaConfig::default()
    };
    // libopus refuses such a bit rate.
    let configs = [config(0), config(1 << 31)];
    let bridge = bridge::open(&context, configs, Box::new(|_, _| {})).unwrap();
    let nobody = "127.0.0.1:9".parse().unwrap();
    let agreed = [Codec::Pcmu; 2].map(|codec| agreement(nobody, codec));
    bridge.apply_both([0, 0], agreed).unwrap();
    let mut refused = [Codec::Pcmu, Codec::Opus].map(|codec| agreement(nobody, codec));
    for agreed in &mut refused {
        agreed.telephone_event_send = None;
    }
    let error = bridge.apply_both([0, 0], refused).unwrap_err();
    assert!(matches!(error, MediaError::Codec(_)), "{error}");
    // Either side can be sent digits still, as was agreed on.
    for side in Side::BOTH {
        bridge.play_digits(side, "1", 100).unwrap();
    }
    bridge.close();
}
