// SPDX-License-Identifier: MPL-2.0
//! Which elements a pipeline file may use.

/// Elements that make, change, carry or measure media, and nothing else: none of them opens a file,
/// shared memory, a device or a connection of its own choosing.
const MEDIA: &[&str] = &[
    // Ours.
    "sipbin",
    "sipsrc",
    "sipsink",
    "sipmixer",
    "sipopusenc",
    "sipopusdec",
    "rtcbin",
    "sdpbridgebin",
    "g722enc",
    "g722dec",
    // WebRTC and RTP.
    "webrtcbin",
    "rtpbin",
    "rtpjitterbuffer",
    "rtpopuspay",
    "rtpopusdepay",
    "rtppcmupay",
    "rtppcmudepay",
    "rtppcmapay",
    "rtppcmadepay",
    "rtpg722pay",
    "rtpg722depay",
    "rtpL16pay",
    "rtpL16depay",
    "rtpdtmfdepay",
    "rtpfunnel",
    "rtpptdemux",
    "rtpssrcdemux",
    // Codecs.
    "opusenc",
    "opusdec",
    "opusparse",
    "alawenc",
    "alawdec",
    "mulawenc",
    "mulawdec",
    "avenc_g722",
    "avdec_g722",
    "spanplc",
    // Plumbing.
    "queue",
    "tee",
    "funnel",
    "concat",
    "valve",
    "identity",
    "capsfilter",
    "capssetter",
    "clocksync",
    "input-selector",
    "output-selector",
    "fakesink",
    "fakesrc",
    "appsink",
    "appsrc",
    // Sound.
    "audiomixer",
    "liveadder",
    "audioconvert",
    "audioresample",
    "audiorate",
    "audiobuffersplit",
    "audiotestsrc",
    "volume",
    "level",
    "audiodynamic",
    "audioamplify",
    "audiopanorama",
    "audiocheblimit",
    "audiochebband",
    "audiowsinclimit",
    "equalizer-3bands",
    "equalizer-10bands",
    "audiointerleave",
    "interleave",
    "deinterleave",
    "removesilence",
    "rglimiter",
    "webrtcdsp",
    "webrtcechoprobe",
    "dtmfdetect",
    "dtmfsrc",
];

/// Whether it is one of the usual ones, which are known.
pub(super) fn is_usual(element: &str) -> bool {
    MEDIA.contains(&element)
}

/// Whether a file may use it, given what the operator permits beyond.
pub(super) fn permits(element: &str, more: &[String]) -> bool {
    is_usual(element) || more.iter().any(|name| name == element)
}
