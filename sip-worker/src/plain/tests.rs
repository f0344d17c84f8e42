// SPDX-License-Identifier: MPL-2.0
//! Two connections of the shipped graph's kind, one that says something and one that hears it, over loopback.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gst::glib;

use super::*;
use crate::webrtc::{PeerConfig, PeerError};

const SAYS: &str = "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay pt=111 ! said.send_rtp_sink_0 \
    ( name=publish rtpbin name=said said.send_rtp_src_0 ! udpsink name=rtp_out sync=false async=false \
    said.send_rtcp_src_0 ! udpsink name=rtcp_out sync=false async=false \
    udpsrc name=rtp_in port=0 ! funnel name=reports ! said.recv_rtcp_sink_0 udpsrc name=rtcp_in port=0 ! reports. )";
const HEARS: &str = "( name=subscribe rtpbin name=heard udpsrc name=rtp_in port=0 ! tee name=both \
    both. ! heard.recv_rtp_sink_0 both. ! funnel name=reports ! heard.recv_rtcp_sink_0 \
    udpsrc name=rtcp_in port=0 ! reports. heard.send_rtcp_src_0 ! udpsink name=rtcp_out sync=false async=false )";

/// In the place of five seconds, so that nobody waits for them.
const REPORTS_EVERY: Duration = Duration::from_millis(200);

struct Side {
    pipeline: gst::Pipeline,
    peer: Peer,
}

fn side(text: &str, name: &str, suite: Option<Suite>) -> Side {
    gst::init().unwrap();
    let pipeline = gst::parse::bin_from_description(text, false).unwrap();
    let (bin, pipeline) = (pipeline, gst::Pipeline::new());
    pipeline.add(&bin).unwrap();
    let config = PeerConfig {
        plain: PlainConfig {
            address: Some(Ipv4Addr::LOCALHOST.into()),
            suite,
            ..PlainConfig::default()
        },
        ..PeerConfig::default()
    };
    let (peer, _) = Peer::new(&pipeline.by_name(name).unwrap(), config).unwrap();
    let rtpbin = pipeline
        .iterate_all_by_element_factory_name("rtpbin")
        .next();
    let session = rtpbin
        .unwrap()
        .unwrap()
        .emit_by_name::<gst::glib::Object>("get-internal-session", &[&0u32]);
    session.set_property("rtcp-min-interval", REPORTS_EVERY.as_nanos() as u64);
    pipeline.set_state(gst::State::Playing).unwrap();
    Side { pipeline, peer }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Brings both together; the far end wants another payload type and SSRC than is offered. Returns what comes.
async fn heard(suite: Option<Suite>) -> Option<(u8, u32)> {
    let hears = side(HEARS, "subscribe", suite);
    let says = side(SAYS, "publish", suite);
    came(&says, &hears).await
}

/// Payload type and SSRC of each packet that is heard.
fn listen(hears: &Side) -> mpsc::Receiver<(u8, u32)> {
    let (sender, came) = mpsc::channel();
    let bin = hears.pipeline.by_name("subscribe").unwrap();
    bin.connect_pad_added(move |_, pad| {
        let sender = sender.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let bytes = info.buffer().unwrap().map_readable().unwrap();
            let ssrc = u32::from_be_bytes(bytes[8..12].try_into().unwrap());
            let _ = sender.send((bytes[1] & 0x7f, ssrc));
            gst::PadProbeReturn::Handled
        });
    });
    came
}

async fn offer(side: &Side) -> Description {
    Description::read(&side.peer.create_offer().await.unwrap()).unwrap()
}

/// This end, as one that sends or takes such packets.
fn with(end: Description, ssrc: Option<u32>) -> Description {
    Description {
        payload_type: 96,
        ssrc,
        ..end
    }
}

/// Has it send such packets there.
async fn speak(says: &Side, there: &Description, ssrc: u32) {
    let there = with(there.clone(), Some(ssrc));
    says.peer.accept_answer(&there.write()).await.unwrap();
}

async fn next<T: Send + 'static>(of: mpsc::Receiver<T>) -> Option<T> {
    let next = move || of.recv_timeout(Duration::from_secs(10)).ok();
    tokio::task::spawn_blocking(next).await.unwrap()
}

async fn came(says: &Side, hears: &Side) -> Option<(u8, u32)> {
    let came = listen(hears);
    let there = offer(hears).await;
    let here = with(offer(says).await, Some(77));
    speak(says, &there, 77).await;
    hears.peer.accept_answer(&here.write()).await.unwrap();
    next(came).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_heard_as_it_was_agreed_on() {
    assert_eq!(heard(None).await, Some((96, 77)));
    for suite in [Suite::AesCm128HmacSha1Tag80, Suite::AeadAes256Gcm] {
        assert_eq!(heard(Some(suite)).await, Some((96, 77)), "{suite}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_both_are_agreed_disturbs_nothing() {
    gst::init().unwrap();
    let (tell, told) = mpsc::channel();
    let levels = glib::LogLevels::LEVEL_WARNING | glib::LogLevels::LEVEL_CRITICAL;
    let handler = glib::log_set_handler(
        Some("GStreamer"),
        levels,
        false,
        false,
        move |_, level, said| {
            let _ = tell.send((level, said.to_owned()));
        },
    );
    let came = heard(None).await;
    glib::log_remove_handler(Some("GStreamer"), handler);
    assert!(came.is_some());
    // Whose a critical one is it does not say, and nobody's is right.
    let of_ours: Vec<String> = told
        .try_iter()
        .filter(|(level, said)| *level == glib::LogLevel::Critical || said.contains("said:"))
        .map(|(_, said)| said)
        .collect();
    assert!(of_ours.is_empty(), "{of_ours:#?}");
}

/// A stranger speaks first, and then whom it was agreed on with. All of it comes by one socket: once that one is heard,
/// what the stranger said before has been looked at.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_not_heard() {
    for suite in [None, Some(Suite::AesCm128HmacSha1Tag80)] {
        let hears = side(HEARS, "subscribe", suite);
        let (stranger, friend) = (side(SAYS, "publish", suite), side(SAYS, "publish", suite));
        let came = listen(&hears);
        let there = offer(&hears).await;
        // With a key, that alone tells them apart.
        let ssrc = suite.is_none().then_some(77);
        let agreed = with(offer(&friend).await, ssrc);
        hears.peer.accept_answer(&agreed.write()).await.unwrap();

        offer(&stranger).await;
        let (sender, sent) = mpsc::channel();
        let out = stranger.pipeline.by_name("rtp_out").unwrap();
        let pad = out.static_pad("sink").unwrap();
        let goes = AtomicU32::new(0);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            // Those before have been sent.
            if goes.fetch_add(1, Ordering::Relaxed) == 3 {
                let _ = sender.send(());
            }
            gst::PadProbeReturn::Ok
        });
        speak(&stranger, &there, 78).await;
        assert!(next(sent).await.is_some(), "the stranger says nothing");
        speak(&friend, &there, 77).await;
        assert_eq!(next(came).await, Some((96, 77)), "{suite:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_it_is_somebody_else_each_time_is_given_up() {
    let hears = side(HEARS, "subscribe", None);
    let ours = Description::read(&hears.peer.create_offer().await.unwrap()).unwrap();
    let theirs = Description {
        address: Ipv4Addr::LOCALHOST.into(),
        ..Description::of(OPUS)
    };
    hears.peer.accept_answer(&theirs.write()).await.unwrap();
    let (sender, came) = mpsc::channel();
    let source = hears.pipeline.by_name("rtp_in").unwrap();
    let pad = source.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let _ = sender.send(());
        gst::PadProbeReturn::Ok
    });
    let (sender, begun) = mpsc::channel();
    let heard = hears.pipeline.by_name("heard").unwrap();
    heard.connect("new-jitterbuffer", false, move |_| {
        let _ = sender.send(());
        None
    });
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for ssrc in 0..100_u32 {
        // A source is believed in when two packets of it came, one after the other.
        for sequence in 0..3_u16 {
            let mut packet = vec![0x80, OPUS];
            packet.extend(sequence.to_be_bytes());
            packet.extend((u32::from(sequence) * 960).to_be_bytes());
            packet.extend(ssrc.to_be_bytes());
            packet.push(0xf8);
            far.send_to(&packet, (Ipv4Addr::LOCALHOST, ours.port))
                .unwrap();
            came.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    }
    drop(hears);
    assert_eq!(begun.try_iter().count(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_cannot_be_reached_is_refused() {
    let hears = side(HEARS, "subscribe", None);
    let theirs = Description {
        address: Ipv6Addr::LOCALHOST.into(),
        port: 5004,
        ..Description::of(OPUS)
    };
    let refused = hears.peer.accept_answer(&theirs.write()).await.unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains("at ::1, and our sockets are at 127.0.0.1"),
        "{said}"
    );
    assert!(!hears.peer.is_verified());
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_not_given_up_in_silence() {
    let says = side(SAYS, "publish", Some(Suite::AesCm128HmacSha1Tag80));
    let mut ours = Description::read(&says.peer.create_offer().await.unwrap()).unwrap();
    ours.key = None;
    let refused = says.peer.accept_answer(&ours.write()).await;
    assert!(
        matches!(refused, Err(PeerError::Step { .. })),
        "{refused:?}"
    );
    assert!(!says.peer.is_verified());
}

/// A round trip is known only to who has a report about a report of their own.
#[tokio::test(flavor = "multi_thread")]
async fn reports_go_both_ways() {
    for suite in [None, Some(Suite::AesCm128HmacSha1Tag80)] {
        let hears = side(HEARS, "subscribe", suite);
        let says = side(SAYS, "publish", suite);
        assert!(came(&says, &hears).await.is_some());
        let probe = says.peer.probe();
        let deadline = Instant::now() + Duration::from_secs(20);
        let reported = loop {
            let told = probe.read().unwrap();
            if told.round_trip_ms.is_some() || Instant::now() > deadline {
                break told;
            }
            // rtpbin has no event for it that tells the figure.
            tokio::time::sleep(REPORTS_EVERY).await;
        };
        assert!(reported.round_trip_ms.is_some(), "{suite:?}: {reported:?}");
        // A receiver believes in a source with its second packet. GStreamer's then counts the first one too, but
        // numbers from the second on: nothing was lost, and one more came than it expects (RFC 3550 appendix A.3).
        assert!(
            matches!(reported.remote_lost, Some(-1..=0)),
            "{suite:?}: {reported:?}"
        );
    }
}
