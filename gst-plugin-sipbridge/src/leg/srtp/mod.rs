// SPDX-License-Identifier: MPL-2.0
//! SRTP and SRTCP (RFC 3711) between the sockets and the leg, with the keys that offer and answer
//! agreed on.
//!
//! Nothing is allocated for a packet: it is transformed in a buffer that is used again. Nothing is kept
//! of a sender before a packet of its proved authentic.

mod cipher;
mod window;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Instant;

use sip_ua::sdp::{MasterKey, SrtpKeys, Suite};

use super::Leg;
use cipher::{Ciphers, Place};
use window::Window;

/// Streams of the far end whose place is remembered: it may send with another SSRC after each hold.
const STREAMS_MAX: usize = 16;

/// Packets under a new key after which those under the former one are late enough to be none.
const OVERLAP: u8 = 64;

/// Longer packets come in no datagram we read.
const PACKET_MAX: usize = 2_048;

/// Why a packet is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// It is no SRTP packet at all.
    Malformed,
    /// It was made with another key, or changed on the way.
    Forged,
    /// It came before, or is too old to tell.
    Replayed,
}

/// Both directions of a call.
#[derive(Debug)]
pub(super) struct Srtp {
    keys: SrtpKeys,
    send: Outbound,
    receive: Inbound,
    /// What is left of the key before.
    before: Option<(Inbound, u8)>,
    sent: Vec<u8>,
}

impl Srtp {
    fn new(keys: &SrtpKeys) -> Srtp {
        Srtp {
            send: Outbound::new(&keys.send),
            receive: Inbound::new(&keys.receive, Vec::with_capacity(STREAMS_MAX)),
            before: None,
            keys: keys.clone(),
            sent: Vec::with_capacity(PACKET_MAX),
        }
    }

    pub(super) fn suite(&self) -> Suite {
        self.keys.suite()
    }

    /// What was agreed on now. `true`: we send with another key.
    fn agree(&mut self, keys: &SrtpKeys) -> bool {
        if self.keys.receive != keys.receive {
            let streams = self.receive.continued();
            let now = Inbound::new(&keys.receive, streams);
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

    /// An RTP packet of ours, protected; `None`: it cannot be, and must not be sent.
    pub(super) fn protect_rtp(&mut self, packet: &[u8]) -> Option<&[u8]> {
        let header = Header::read(packet)?;
        let index = self.send.rtp.index(header.sequence);
        self.send.rtp.came(index);
        let place = header.place(index);
        self.sent.clear();
        self.sent.extend_from_slice(packet);
        self.send
            .ciphers
            .protect_rtp(&mut self.sent, header.payload, place)
            .ok()?;
        Some(&self.sent)
    }

    /// An RTCP packet of ours, protected.
    pub(super) fn protect_rtcp(&mut self, packet: &[u8]) -> Option<&[u8]> {
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

    fn unprotect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), Refused> {
        let result = self.receive.rtp(packet);
        let Some((before, left)) = &mut self.before else {
            return result;
        };
        match result {
            Ok(()) => {
                *left -= 1;
                if *left == 0 {
                    self.before = None;
                }
                Ok(())
            }
            Err(Refused::Forged) => before.rtp(packet),
            refused => refused,
        }
    }

    fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Refused> {
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
    /// The one heard last is first.
    streams: Vec<Stream>,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
    /// Known from a former key, and not heard with this one yet. RFC 3711 section 3.3.1 has it count on,
    /// but those who set up everything anew for a new key begin with a roll-over counter of 0.
    continued: bool,
}

impl Inbound {
    fn new(key: &MasterKey, streams: Vec<Stream>) -> Inbound {
        Inbound {
            ciphers: Ciphers::new(key),
            streams,
        }
    }

    /// The streams as they go on under another key, which protected nothing yet.
    fn continued(&self) -> Vec<Stream> {
        let mut streams = Vec::with_capacity(STREAMS_MAX);
        streams.extend(self.streams.iter().map(|stream| Stream {
            rtp: stream.rtp.emptied(),
            rtcp: Window::default(),
            continued: true,
            ..*stream
        }));
        streams
    }

    fn stream(&self, ssrc: u32) -> Stream {
        let known = self.streams.iter().find(|stream| stream.ssrc == ssrc);
        known.copied().unwrap_or(Stream {
            ssrc,
            rtp: Window::default(),
            rtcp: Window::default(),
            continued: false,
        })
    }

    /// An authentic packet of this stream came.
    fn keep(&mut self, stream: Stream) {
        let known = self
            .streams
            .iter()
            .position(|other| other.ssrc == stream.ssrc);
        let at = match known {
            Some(at) => at,
            None => {
                self.streams.truncate(STREAMS_MAX - 1);
                self.streams.push(stream);
                self.streams.len() - 1
            }
        };
        if let Some(places) = self.streams.get_mut(..=at) {
            places.rotate_right(1);
        }
        if let Some(first) = self.streams.first_mut() {
            *first = stream;
        }
    }

    fn rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), Refused> {
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
        Ok(())
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
fn is_rtcp(bytes: &[u8]) -> bool {
    matches!(bytes.get(1), Some(192..=223))
}

impl Leg {
    /// Puts the keys agreed on into force.
    pub(super) fn agree_on_keys(&mut self, keys: Option<&SrtpKeys>) {
        let other = match (&mut self.srtp, keys) {
            (_, None) => {
                self.srtp = None;
                return;
            }
            (Some(srtp), Some(keys)) => srtp.agree(keys),
            (srtp, Some(keys)) => {
                *srtp = Some(Box::new(Srtp::new(keys)));
                true
            }
        };
        // Whether roll-over counters go on or begin anew with another key, people differ about; with
        // another SSRC it is one and the same. And no key ever meets the same counter twice.
        if other && self.sender.packets() > 0 {
            self.reports.rename(self.sender.begin_stream());
        }
    }

    /// One datagram from the RTP socket.
    pub fn receive_rtp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(srtp) = &mut self.srtp else {
            return self.take_rtp(now, from, bytes);
        };
        if is_rtcp(bytes) {
            return self.receive_rtcp(now, from, bytes);
        }
        let mut packet = std::mem::take(&mut self.opened);
        packet.clear();
        packet.extend_from_slice(bytes);
        match srtp.unprotect_rtp(&mut packet) {
            Ok(()) => self.take_rtp(now, from, &packet),
            Err(refused) => self.refuse(refused),
        }
        self.opened = packet;
    }

    /// One datagram from the RTCP socket.
    pub fn receive_rtcp(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(srtp) = &mut self.srtp else {
            return self.take_rtcp(now, from, bytes);
        };
        let mut packet = std::mem::take(&mut self.opened);
        packet.clear();
        packet.extend_from_slice(bytes);
        match srtp.unprotect_rtcp(&mut packet) {
            Ok(()) => self.take_rtcp(now, from, &packet),
            Err(refused) => self.refuse(refused),
        }
        self.opened = packet;
    }

    fn refuse(&mut self, refused: Refused) {
        match refused {
            Refused::Malformed => self.stats.malformed += 1,
            Refused::Forged => self.stats.forged += 1,
            Refused::Replayed => self.stats.replayed += 1,
        }
    }
}
