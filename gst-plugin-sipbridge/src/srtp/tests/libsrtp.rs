// SPDX-License-Identifier: MPL-2.0
//! Against libsrtp itself, as GStreamer's srtpenc and srtpdec wrap it: each opens what the other
//! protected.

use gst::prelude::*;

use super::*;

const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(10);
const SSRC: u32 = 7;

/// The names of cipher and authentication for RTP and RTCP there.
fn names(suite: Suite) -> [&'static str; 4] {
    let (cipher, auth, rtcp_auth) = match suite {
        Suite::AesCm128HmacSha1Tag80 => ("aes-128-icm", "hmac-sha1-80", "hmac-sha1-80"),
        Suite::AesCm128HmacSha1Tag32 => ("aes-128-icm", "hmac-sha1-32", "hmac-sha1-80"),
        Suite::Aes256CmHmacSha1Tag80 => ("aes-256-icm", "hmac-sha1-80", "hmac-sha1-80"),
        Suite::Aes256CmHmacSha1Tag32 => ("aes-256-icm", "hmac-sha1-32", "hmac-sha1-80"),
        Suite::AeadAes128Gcm => ("aes-128-gcm", "null", "null"),
        Suite::AeadAes256Gcm => ("aes-256-gcm", "null", "null"),
    };
    [cipher, auth, cipher, rtcp_auth]
}

fn buffer(key: &MasterKey) -> gst::Buffer {
    gst::Buffer::from_slice([key.key(), key.salt()].concat())
}

/// One of the elements, with something to push into it and to pull from it. RTP and RTCP have one each:
/// the caps of either make srtpdec set its stream up anew, and what comes on the other meanwhile is
/// dropped.
struct Other {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    sink: gst_app::AppSink,
}

impl Other {
    fn new(element: &gst::Element, (into, out): (&str, &str), caps: &gst::Caps) -> Other {
        let pipeline = gst::Pipeline::new();
        let source = gst_app::AppSrc::builder()
            .caps(caps)
            .format(gst::Format::Time)
            .build();
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .async_(false)
            .build();
        pipeline
            .add_many([source.upcast_ref(), element, sink.upcast_ref()])
            .unwrap();
        source.link_pads(None, element, Some(into)).unwrap();
        element.link_pads(Some(out), &sink, None).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Other {
            pipeline,
            source,
            sink,
        }
    }

    fn pass(&self, packet: Vec<u8>) -> Vec<u8> {
        let buffer = gst::Buffer::from_slice(packet);
        self.source.push_buffer(buffer).unwrap();
        let sample = self.sink.try_pull_sample(PATIENCE).unwrap();
        let map = sample.buffer().unwrap().map_readable().unwrap();
        map.to_vec()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// For RTP, and for RTCP.
fn encrypting(key: &MasterKey) -> [Other; 2] {
    let [rtp_cipher, rtp_auth, rtcp_cipher, rtcp_auth] = names(key.suite());
    let rtp = gst::Caps::builder("application/x-rtp")
        .field("media", "audio")
        .field("payload", 0)
        .field("clock-rate", 8_000)
        .field("ssrc", SSRC)
        .build();
    let rtcp = gst::Caps::new_empty_simple("application/x-rtcp");
    let pads = [("rtp_sink_0", "rtp_src_0"), ("rtcp_sink_0", "rtcp_src_0")];
    [(pads[0], rtp), (pads[1], rtcp)].map(|(pads, caps)| {
        let element = gst::ElementFactory::make("srtpenc")
            .property("key", buffer(key))
            .property_from_str("rtp-cipher", rtp_cipher)
            .property_from_str("rtp-auth", rtp_auth)
            .property_from_str("rtcp-cipher", rtcp_cipher)
            .property_from_str("rtcp-auth", rtcp_auth)
            .build()
            .unwrap();
        element.request_pad_simple(pads.0).unwrap();
        Other::new(&element, pads, &caps)
    })
}

/// The same.
fn decrypting(key: &MasterKey) -> [Other; 2] {
    let [rtp_cipher, rtp_auth, rtcp_cipher, rtcp_auth] = names(key.suite());
    let ways = [
        (("rtp_sink", "rtp_src"), "application/x-srtp"),
        (("rtcp_sink", "rtcp_src"), "application/x-srtcp"),
    ];
    ways.map(|(pads, name)| {
        let caps = gst::Caps::builder(name)
            .field("ssrc", SSRC)
            .field("roc", 0u32)
            .field("srtp-key", buffer(key))
            .field("srtp-cipher", rtp_cipher)
            .field("srtp-auth", rtp_auth)
            .field("srtcp-cipher", rtcp_cipher)
            .field("srtcp-auth", rtcp_auth)
            .build();
        let element = gst::ElementFactory::make("srtpdec").build().unwrap();
        Other::new(&element, pads, &caps)
    })
}

/// A sender report without blocks.
fn report(number: u32) -> Vec<u8> {
    let mut report = bytes("80c80006 00000007 1122334455667788 00000000 00000009 00000a00");
    report[16..20].copy_from_slice(&number.to_be_bytes());
    report
}

#[test]
fn each_opens_what_the_other_protected() {
    gst::init().unwrap();
    for suite in Suite::ALL {
        let key = random(suite);
        let (encrypting, decrypting) = (encrypting(&key), decrypting(&key));
        let mut ours = Srtp::new(&both(&key));
        // Through two wraps.
        for number in (65_000..140_000u32).step_by(100) {
            let plain = packet(SSRC, number as u16);
            let mut theirs = encrypting[0].pass(plain.clone());
            assert_eq!(
                ours.unprotect_rtp(&mut theirs).map(drop),
                Ok(()),
                "{suite} {number}"
            );
            assert_eq!(theirs, plain);
            let protected = ours.protect_rtp(&plain).unwrap().to_vec();
            assert_eq!(decrypting[0].pass(protected), plain, "{suite} {number}");
        }
        for number in 0..20 {
            let plain = report(number);
            let mut theirs = encrypting[1].pass(plain.clone());
            assert_eq!(ours.unprotect_rtcp(&mut theirs), Ok(()), "{suite} {number}");
            assert_eq!(theirs, plain);
            let protected = ours.protect_rtcp(&plain).unwrap().to_vec();
            assert_eq!(decrypting[1].pass(protected), plain, "{suite} {number}");
        }
    }
}
