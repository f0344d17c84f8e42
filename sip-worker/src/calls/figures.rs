// SPDX-License-Identifier: MPL-2.0
//! How a call's media fare, both ways, on the phone's side and on the room's.

use std::net::SocketAddr;

use gstsipbridge::media::LegStats;
use serde::{Deserialize, Serialize};

use crate::webrtc::LinkStats;

/// The media of one call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Between us and the phone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneFigures>,
    /// Between us and the SFU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomFigures>,
}

/// RTP that comes to us.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Packets.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Packets that never came.
    pub lost: i64,
    /// Those, of all that should have come.
    pub loss_percent: f64,
    /// Interarrival jitter (RFC 3550).
    pub jitter_ms: f64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// How it sounds, from 1 to 4.4, by the E-model (ITU-T G.107) on the narrow-band scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
    /// Packet times that were concealed, for their packet was lost or late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concealed_frames: Option<u64>,
    /// For how long no packet has come; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_ms: Option<u64>,
}

/// RTP that we send.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Packets that never came there, as the far end reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<i64>,
    /// Lost of late, as the far end reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_percent: Option<f64>,
    /// Interarrival jitter, as the far end reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<f64>,
    /// How it sounds there, by those reports, from 1 to 4.4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
}

/// The phone's side of a call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PhoneFigures {
    /// The codec we send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// The codec that comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec_received: Option<String>,
    /// The SRTP suite of both directions; none: plain RTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srtp: Option<String>,
    /// Where our packets go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<SocketAddr>,
    /// Where the phone's last SDP said it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described: Option<SocketAddr>,
    /// From the phone.
    pub received: Received,
    /// To the phone.
    pub sent: Sent,
    /// To the phone and back, from its reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// What the jitter buffer holds back.
    pub buffer_ms: f64,
    /// Packets from somebody else than the phone: not played.
    pub foreign: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_from: Option<SocketAddr>,
    /// Packets that the agreed SRTP key does not open: not played.
    pub forged: u64,
}

/// The room's side of a call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoomFigures {
    /// What the phone says, on its way to the SFU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedFigures>,
    /// What the phone hears, a track each.
    pub heard: Vec<HeardFigures>,
}

/// Our own track.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PublishedFigures {
    /// Its codec.
    pub codec: String,
    /// To the SFU.
    pub sent: Sent,
    /// To the SFU and back, from its reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
}

/// Somebody else's track.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeardFigures {
    /// As the SFU names it.
    pub track: String,
    /// Its codec.
    pub codec: String,
    /// From the SFU, for all calls of the room.
    pub received: Received,
    /// It is this call that subscribed to it. A sum over calls counts it there.
    #[serde(skip)]
    pub carried: bool,
}

/// What was lost of what should have come.
pub(super) fn percent(lost: i64, came: u64) -> f64 {
    let lost = lost.max(0) as f64;
    let all = lost + came as f64;
    if all > 0.0 { lost * 100.0 / all } else { 0.0 }
}

impl From<&LegStats> for PhoneFigures {
    fn from(leg: &LegStats) -> PhoneFigures {
        PhoneFigures {
            codec: leg.send_codec.map(|codec| codec.name().to_owned()),
            codec_received: leg.receive_codec.map(|codec| codec.name().to_owned()),
            srtp: leg.srtp_suite.map(|suite| suite.name().to_owned()),
            remote: leg.remote,
            described: leg.described,
            received: Received {
                packets: leg.packets_received,
                bytes: leg.bytes_received,
                lost: leg.lost,
                loss_percent: percent(leg.lost, leg.packets_received),
                jitter_ms: leg.jitter_ms,
                late: leg.late,
                mos: leg.mos,
                concealed_frames: Some(leg.concealed_frames),
                silent_ms: leg
                    .heard_ago
                    .map(|ago| u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)),
            },
            sent: Sent {
                packets: leg.packets_sent,
                bytes: leg.bytes_sent,
                lost: leg.remote_lost.map(i64::from),
                loss_percent: leg.remote_loss_percent,
                jitter_ms: leg.remote_jitter_ms,
                mos: leg.remote_mos,
            },
            round_trip_ms: leg.round_trip.map(|time| time.as_secs_f64() * 1000.0),
            buffer_ms: leg.depth_ms,
            foreign: leg.foreign,
            foreign_from: leg.foreign_from,
            forged: leg.forged,
        }
    }
}

impl From<&LinkStats> for PublishedFigures {
    fn from(link: &LinkStats) -> PublishedFigures {
        PublishedFigures {
            codec: "opus".to_owned(),
            sent: Sent {
                packets: link.packets_sent,
                bytes: link.bytes_sent,
                lost: link.remote_lost,
                loss_percent: link.remote_loss_percent,
                jitter_ms: link.remote_jitter_ms,
                mos: None,
            },
            round_trip_ms: link.round_trip_ms,
        }
    }
}

impl HeardFigures {
    /// Of one track; `concealed` as its decoder counts it.
    pub(super) fn new(
        track: String,
        carried: bool,
        link: &LinkStats,
        concealed: Option<u64>,
    ) -> HeardFigures {
        HeardFigures {
            track,
            carried,
            codec: "opus".to_owned(),
            received: Received {
                packets: link.packets_received,
                bytes: link.bytes_received,
                lost: link.lost,
                loss_percent: percent(link.lost, link.packets_received),
                jitter_ms: link.jitter_ms,
                late: link.late,
                mos: None,
                concealed_frames: concealed,
                silent_ms: None,
            },
        }
    }
}
