// SPDX-License-Identifier: MPL-2.0
//! SRTP and SRTCP (RFC 3711) of one far end, with the keys that were agreed on: by descriptions
//! (RFC 4568), or by a DTLS handshake (RFC 5764).
//!
//! Nothing is allocated for a packet: it is transformed in a buffer that is used again. Nothing is kept
//! of a sender before a packet of its proved authentic.

mod cipher;
mod window;

#[cfg(test)]
mod tests;

use sip_ua::sdp::{MasterKey, SrtpKeys, Suite};

use cipher::{Ciphers, Place};
use window::Window;

/// Streams of a phone whose place is remembered: it may send with another SSRC after each hold.
const STREAMS_OF_A_PHONE: usize = 16;

/// Streams of a media server, which has one for everybody in a room, and more as they come and go.
const STREAMS_OF_A_ROOM: usize = 512;

/// Packets under a new key after which those under the former one are late enough to be none.
const OVERLAP: u8 = 64;

/// Longer packets come in no datagram we read.
const PACKET_MAX: usize = 2_048;

/// Why a packet is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no SRTP packet at all.
    Malformed,
    /// It was made with another key, or changed on the way.
    Forged,
    /// It came before, or is too old to tell.
    Replayed,
}

/// Both directions of a call.
#[derive(Debug)]
pub struct Srtp {
    keys: SrtpKeys,
    send: Outbound,
    receive: Inbound,
    /// What is left of the key before.
    before: Option<(Inbound, u8)>,
    sent: Vec<u8>,
}

impl Srtp {
    /// With somebody who has one stream at a time.
    pub fn new(keys: &SrtpKeys) -> Srtp {
        Srtp::with(keys, STREAMS_OF_A_PHONE)
    }

    /// With somebody who has many streams at a time.
    pub fn for_many(keys: &SrtpKeys) -> Srtp {
        Srtp::with(keys, STREAMS_OF_A_ROOM)
    }

    fn with(keys: &SrtpKeys, streams_max: usize) -> Srtp {
        Srtp {
            send: Outbound::new(&keys.send),
            receive: Inbound::new(&keys.receive, Vec::new(), streams_max),
            before: None,
            keys: keys.clone(),
            sent: Vec::with_capacity(PACKET_MAX),
        }
    }

    pub(crate) fn suite(&self) -> Suite {
        self.keys.suite()
    }

    /// What was agreed on now. `true`: we send with another key.
    pub(crate) fn agree(&mut self, keys: &SrtpKeys) -> bool {
        if self.keys.receive != keys.receive {
            let streams = self.receive.continued();
            let now = Inbound::new(&keys.receive, streams, self.receive.streams_max);
            let before = std::mem::replace(&mut self.receive, now);
            self.before = Some((before, OVERLAP));
        }
        let other = self.keys.send != keys.send;
        if other {
            self.send = Outbound::new(&keys.send);
        }
        self.keys = keys.clone();
        other
    }

    /// An RTP packet of our only stream, protected; `None`: it cannot be, and must not be sent.
    pub fn protect_rtp(&mut self, packet: &[u8]) -> Option<&[u8]> {
        let header = Header::read(packet)?;
        let index = self.send.rtp.index(header.sequence);
        self.send.rtp.came(index);
        self.sent.clear();
        self.sent.extend_from_slice(packet);
        self.send
            .ciphers
            .protect_rtp(&mut self.sent, header.payload, header.place(index))
            .ok()?;
        Some(&self.sent)
    }

    /// Protects an RTP packet of one of several streams where it is; roll-over counter and sequence
    /// number make its index. `None`: it cannot be, and must not be sent.
    pub(crate) fn protect_rtp_at(&self, packet: &mut Vec<u8>, index: u64) -> Option<()> {
        let header = Header::read(packet)?;
        self.send
            .ciphers
            .protect_rtp(packet, header.payload, header.place(index))
            .ok()
    }

    /// An RTCP packet of ours, protected.
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Option<&[u8]> {
        let index = self.send.rtcp_index;
        self.send.rtcp_index = (index + 1) & 0x7fff_ffff;
        let place = Place {
            ssrc: rtcp_ssrc(packet)?,
            index: u64::from(index),
        };
        self.sent.clear();
        self.sent.extend_from_slice(packet);
        let protected = self.send.ciphers.protect_rtcp(&mut self.sent, place);
        protected.ok().map(|()| self.sent.as_slice())
    }

    /// Opens an RTP packet of the far end in place. `false`: it is forged or replayed, or no SRTP at all.
    pub fn open_rtp(&mut self, packet: &mut Vec<u8>) -> bool {
        self.unprotect_rtp(packet).is_ok()
    }

    /// The same for RTCP.
    pub fn open_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        self.unprotect_rtcp(packet).is_ok()
    }

    /// An RTP packet of theirs, opened where it is; its roll-over counter and sequence number.
    pub(crate) fn unprotect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<u64, Refused> {
        let result = self.receive.rtp(packet);
        let Some((before, left)) = &mut self.before else {
            return result;
        };
        match result {
            Ok(index) => {
                *left -= 1;
                if *left == 0 {
                    self.before = None;
                }
                Ok(index)
            }
            Err(Refused::Forged) => before.rtp(packet),
            refused => refused,
        }
    }

    /// An RTCP packet of theirs, opened where it is.
    pub(crate) fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Refused> {
        match (self.receive.rtcp(packet), &mut self.before) {
            (Err(Refused::Forged), Some((before, _))) => before.rtcp(packet),
            (result, _) => result,
        }
    }
}

/// What we send with one key.
#[derive(Debug)]
struct Outbound {
    ciphers: Ciphers,
    rtp: Window,
    rtcp_index: u32,
}

impl Outbound {
    fn new(key: &MasterKey) -> Outbound {
        Outbound {
            ciphers: Ciphers::new(key),
            rtp: Window::default(),
            rtcp_index: 0,
        }
    }
}

/// What comes with one key.
#[derive(Debug)]
struct Inbound {
    ciphers: Ciphers,
    streams: Vec<Stream>,
    /// Of more the one that was silent for longest is forgotten.
    streams_max: usize,
    /// Authentic packets.
    heard: u64,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
    /// Known from a former key, and not heard with this one yet. RFC 3711 section 3.3.1 has it count on,
    /// but those who set up everything anew for a new key begin with a roll-over counter of 0.
    continued: bool,
    /// Which authentic packet its last one was.
    heard: u64,
}

impl Inbound {
    fn new(key: &MasterKey, streams: Vec<Stream>, streams_max: usize) -> Inbound {
        Inbound {
            ciphers: Ciphers::new(key),
            streams,
            streams_max,
            heard: 0,
        }
    }

    /// The streams as they go on under another key, which protected nothing yet.
    fn continued(&self) -> Vec<Stream> {
        let continued = |stream: &Stream| Stream {
            rtp: stream.rtp.emptied(),
            rtcp: Window::default(),
            continued: true,
            heard: 0,
            ..*stream
        };
        self.streams.iter().map(continued).collect()
    }

    fn stream(&self, ssrc: u32) -> Stream {
        let known = self.streams.iter().find(|stream| stream.ssrc == ssrc);
        known.copied().unwrap_or(Stream {
            ssrc,
            rtp: Window::default(),
            rtcp: Window::default(),
            continued: false,
            heard: 0,
        })
    }

    /// An authentic packet of this stream came.
    fn keep(&mut self, stream: Stream) {
        self.heard += 1;
        let stream = Stream {
            heard: self.heard,
            ..stream
        };
        let full = self.streams.len() >= self.streams_max;
        let known = self.streams.iter_mut();
        let mut known = known.filter(|other| other.ssrc == stream.ssrc);
        let place = match known.next() {
            None if full => self.streams.iter_mut().min_by_key(|other| other.heard),
            known => known,
        };
        match place {
            Some(place) => *place = stream,
            None => self.streams.push(stream),
        }
    }

    fn rtp(&mut self, packet: &mut Vec<u8>) -> Result<u64, Refused> {
        let header = Header::read(packet).ok_or(Refused::Malformed)?;
        let mut stream = self.stream(header.ssrc);
        let mut index = stream.rtp.index(header.sequence);
        if !stream.rtp.is_new(index) {
            return Err(Refused::Replayed);
        }
        let mut opened = self
            .ciphers
            .unprotect_rtp(packet, header.payload, header.place(index));
        let afresh = u64::from(header.sequence);
        if opened == Err(Refused::Forged) && stream.continued && index != afresh {
            index = afresh;
            opened = self
                .ciphers
                .unprotect_rtp(packet, header.payload, header.place(index));
            stream.rtp = Window::default();
        }
        opened?;
        stream.rtp.came(index);
        stream.continued = false;
        self.keep(stream);
        Ok(index)
    }

    fn rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Refused> {
        let ssrc = rtcp_ssrc(packet).ok_or(Refused::Malformed)?;
        let index = self.ciphers.rtcp_index(packet)?;
        let mut stream = self.stream(ssrc);
        if !stream.rtcp.is_new(index) {
            return Err(Refused::Replayed);
        }
        self.ciphers.unprotect_rtcp(packet, Place { ssrc, index })?;
        stream.rtcp.came(index);
        self.keep(stream);
        Ok(())
    }
}

/// What SRTP needs of an RTP packet's header. The rest, padding included, is encrypted.
#[derive(Debug, Clone, Copy)]
struct Header {
    ssrc: u32,
    sequence: u16,
    /// Where the payload begins.
    payload: usize,
}

impl Header {
    fn read(packet: &[u8]) -> Option<Header> {
        let (fixed, rest) = packet.split_first_chunk::<12>()?;
        let [first, _, s0, s1, _, _, _, _, ssrc @ ..] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let sources = usize::from(first & 0x0f) * 4;
        let mut payload = 12 + sources;
        if first & 0x10 != 0 {
            let [_, _, l0, l1] = *rest.get(sources..)?.first_chunk::<4>()?;
            payload += 4 + usize::from(u16::from_be_bytes([l0, l1])) * 4;
        }
        (payload <= packet.len()).then_some(Header {
            ssrc: u32::from_be_bytes(ssrc),
            sequence: u16::from_be_bytes([s0, s1]),
            payload,
        })
    }

    fn place(&self, index: u64) -> Place {
        Place {
            ssrc: self.ssrc,
            index,
        }
    }
}

fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let [first, _, _, _, ssrc @ ..] = *packet.first_chunk::<8>()?;
    (first >> 6 == 2).then(|| u32::from_be_bytes(ssrc))
}

/// RTCP on the RTP port (RFC 5761 section 4).
pub(crate) fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(192..=223))
}
