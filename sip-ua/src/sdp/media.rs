// SPDX-License-Identifier: MPL-2.0
//! What an audio stream is made of: codecs, directions, our side of it, and what was agreed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::dtls::{DtlsKeys, LocalDtls};
use super::sdes::{LocalSrtp, SrtpKeys};

/// An audio codec this workspace can speak on the telephone side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, RFC 3551.
    Pcmu,
    /// G.711 A-law, RFC 3551.
    Pcma,
    /// G.722 at 64 kbit/s: wide-band audio whose RTP clock runs at 8000 Hz all the same (RFC 3551
    /// section 4.5.2).
    G722,
    /// Linear 16-bit samples, mono at 16000 Hz, RFC 3551 section 4.5.11.
    L16,
    /// Opus, RFC 6716 and RFC 7587.
    Opus,
}

impl Codec {
    /// Every codec there is.
    pub const ALL: [Codec; 5] = [
        Codec::Pcmu,
        Codec::Pcma,
        Codec::G722,
        Codec::L16,
        Codec::Opus,
    ];

    /// The encoding name of the RTP payload format registry.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::L16 => "L16",
            Codec::Opus => "opus",
        }
    }

    /// Clock rate of the RTP timestamps, in Hz. Opus always says 48000 (RFC 7587 section 4.1).
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => 8_000,
            Codec::L16 => 16_000,
            Codec::Opus => 48_000,
        }
    }

    /// The rate of the audio itself, in Hz: what it can be decoded to without inventing anything.
    pub fn audio_rate(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma => 8_000,
            Codec::G722 | Codec::L16 => 16_000,
            Codec::Opus => 48_000,
        }
    }

    /// The channels an `a=rtpmap` states. Opus always says 2, whatever is sent (RFC 7587 section 7).
    pub fn channels(self) -> u8 {
        match self {
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::L16 => 1,
            Codec::Opus => 2,
        }
    }

    /// The payload type RFC 3551 fixed for it, if any.
    pub fn static_pt(self) -> Option<u8> {
        match self {
            Codec::Pcmu => Some(0),
            Codec::Pcma => Some(8),
            Codec::G722 => Some(9),
            Codec::L16 | Codec::Opus => None,
        }
    }

    /// The codec of this encoding name, case-blind (RFC 4855 section 3).
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which way media flows, as seen by the side that states it (RFC 3264 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways; also what an absent attribute means.
    #[default]
    SendRecv,
    /// We send only.
    SendOnly,
    /// We receive only.
    RecvOnly,
    /// Nothing flows (RTCP still does).
    Inactive,
}

impl Direction {
    /// Whether the side stating this sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the side stating this receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The direction of a side that sends and receives so.
    pub fn from_flags(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The same flow seen from the other end.
    #[must_use]
    pub fn reversed(self) -> Direction {
        Direction::from_flags(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub fn intersect(self, other: Direction) -> Direction {
        Direction::from_flags(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }

    /// The SDP attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The numbers of our `o=` line. The user name is always `-`: it would tell the far end nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId {
    /// Constant for the whole session.
    pub id: u64,
    /// Grows by one with every description sent (RFC 3264 section 8).
    pub version: u64,
}

impl SessionId {
    /// A fresh session. Both numbers fit 63 bits: some peers read them as signed.
    pub fn random() -> SessionId {
        let id = rand::random::<u64>() >> 2;
        SessionId { id, version: id }
    }

    /// The same session, one version later: for the next description in the same dialog.
    #[must_use]
    pub fn next(self) -> SessionId {
        SessionId {
            id: self.id,
            version: self.version.wrapping_add(1),
        }
    }
}

/// Our side of the stream: what we put into offers and answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalMedia {
    /// The address the far end sends to (the advertised one).
    pub address: IpAddr,
    /// RTP port there; RTCP is the next one.
    pub rtp_port: u16,
    /// Codecs we take, in order of preference.
    pub codecs: Vec<Codec>,
    /// Whether digits as RFC 4733 events are offered and accepted.
    pub telephone_event: bool,
    /// Whether comfort noise (RFC 3389) is offered and accepted.
    pub comfort_noise: bool,
    /// Whether RTP and RTCP may share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// What we want: `SendOnly` holds the far end with our music, `Inactive` in silence.
    pub direction: Direction,
    /// The packet time we ask the far end for, and send with where it asks for none, in
    /// milliseconds.
    pub ptime_ms: u8,
    /// How we want Opus.
    pub opus_fmtp: OpusFmtp,
    /// Our keys for SRTP; none: plain RTP.
    pub srtp: Option<LocalSrtp>,
    /// Our side of a handshake: DTLS-SRTP (RFC 5764) is spoken, and nothing else.
    pub dtls: Option<LocalDtls>,
    /// Whether the profile of a first offer is one with feedback: RTP/AVPF (RFC 4585), RTP/SAVPF
    /// (RFC 5124), UDP/TLS/RTP/SAVPF (RFC 5764). An answer has the profile of its offer.
    pub feedback: bool,
    /// Our `o=` line.
    pub session: SessionId,
    /// Our `s=` line (RFC 8866 section 5.3); a dash says nothing.
    pub name: String,
}

impl LocalMedia {
    /// Two-way audio with RFC 4733 digits, comfort noise, RTCP on the RTP port where the far end
    /// can, and 20 ms packets, in a fresh session.
    pub fn new(address: IpAddr, rtp_port: u16, codecs: Vec<Codec>) -> LocalMedia {
        LocalMedia {
            address,
            rtp_port,
            codecs,
            telephone_event: true,
            comfort_noise: true,
            rtcp_mux: true,
            direction: Direction::SendRecv,
            ptime_ms: 20,
            opus_fmtp: OpusFmtp::OURS,
            srtp: None,
            dtls: None,
            feedback: false,
            session: SessionId::random(),
            name: "-".to_owned(),
        }
    }
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Where to send RTP. The unspecified address (an old-style hold) only ever stands beside a
    /// direction that does not send.
    pub remote_rtp: SocketAddr,
    /// Where to send RTCP: `a=rtcp` (RFC 3605), else the next port. Port 0: the far end has none.
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share one port on both sides (RFC 5761): `remote_rtcp` is `remote_rtp`.
    pub rtcp_mux: bool,
    /// Our direction.
    pub direction: Direction,
    /// What we send.
    pub codec: Codec,
    /// The payload type to send it with: the number the far end gave it.
    pub send_pt: u8,
    /// What may come in, by the numbers we gave: first the preferred one.
    pub receive: Vec<(u8, Codec)>,
    /// Payload type and clock rate to send digits with.
    pub telephone_event_send: Option<(u8, u32)>,
    /// Payload types and clock rates digits may come in with.
    pub telephone_event_receive: Vec<(u8, u32)>,
    /// The payload type to send comfort noise with (RFC 3389), where the far end takes it beside the
    /// codec agreed on.
    pub comfort_noise_send: Option<u8>,
    /// Payload types comfort noise may come in with.
    pub comfort_noise_receive: Vec<u8>,
    /// The packet time the far end wants, made to fit the codec: 10, 20, 40 or 60 (G.711 and
    /// G.722 also 30 and 50; L16 up to 40).
    pub ptime_ms: u8,
    /// The keys of both directions, where the descriptions have them.
    pub srtp: Option<SrtpKeys>,
    /// The handshake that the keys come from; nothing is sent or taken before it came to some.
    pub dtls: Option<Box<DtlsKeys>>,
    /// How the far end wants Opus, where it takes that at all.
    pub opus_fmtp: OpusFmtp,
}

/// The parameters of Opus that a sender heeds (RFC 7587 section 6.1), with that section's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusFmtp {
    /// The far end plays stereo; when false, stereo is wasted on it.
    pub stereo: bool,
    /// The far end is likely to send stereo.
    pub sprop_stereo: bool,
    /// The far end can use in-band forward error correction.
    pub use_inband_fec: bool,
    /// The far end would like discontinuous transmission.
    pub use_dtx: bool,
    /// The far end wants a constant bit rate.
    pub cbr: bool,
    /// The highest sampling rate the far end plays, in Hz.
    pub max_playback_rate_hz: u32,
    /// The most bits a second it wants to get.
    pub max_average_bitrate: Option<u32>,
}

impl OpusFmtp {
    /// What we say where nobody else decides: what is lost can be recovered.
    pub const OURS: OpusFmtp = OpusFmtp {
        use_inband_fec: true,
        ..OpusFmtp::RFC
    };

    /// The defaults of RFC 7587 section 6.1.
    const RFC: OpusFmtp = OpusFmtp {
        stereo: false,
        sprop_stereo: false,
        use_inband_fec: false,
        use_dtx: false,
        cbr: false,
        max_playback_rate_hz: 48_000,
        max_average_bitrate: None,
    };

    /// The value of `a=fmtp` without its payload type; empty where all is as the RFC has it.
    pub(super) fn write(&self) -> String {
        let rate = Some(self.max_playback_rate_hz).filter(|rate| *rate != 48_000);
        let mut parameters: Vec<String> = [
            ("maxplaybackrate", rate),
            ("maxaveragebitrate", self.max_average_bitrate),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
        .collect();
        let flags = [
            ("stereo", self.stereo),
            ("sprop-stereo", self.sprop_stereo),
            ("useinbandfec", self.use_inband_fec),
            ("usedtx", self.use_dtx),
            ("cbr", self.cbr),
        ];
        let set = flags.into_iter().filter(|(_, set)| *set);
        parameters.extend(set.map(|(name, _)| format!("{name}=1")));
        parameters.join(";")
    }
}

impl Default for OpusFmtp {
    fn default() -> OpusFmtp {
        OpusFmtp::RFC
    }
}
