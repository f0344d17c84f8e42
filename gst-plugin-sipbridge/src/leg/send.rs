// SPDX-License-Identifier: MPL-2.0
//! What goes out: audio, digits, and the time that passes in between.

use std::time::{Duration, Instant};

use super::{Datagram, DigitsError, Leg, LegEvent};

impl Leg {
    /// Whether digits wait or are being sent.
    pub fn sending_digits(&self) -> bool {
        !self.digits_out.is_idle()
    }

    /// The packet of a digit for the packet time that begins now, `samples` RTP clock units long;
    /// `None`: no digit is being sent, it is audio's turn.
    pub fn send_digit(&mut self, samples: u32) -> Option<Datagram<'_>> {
        if !self.sends() {
            return None;
        }
        let (payload_type, clock_hz) = self.negotiated.as_ref()?.telephone_event_send?;
        let to = self.source.rtp()?;
        let timestamp = self.sender.timestamp();
        let packet = self.digits_out.step(timestamp, samples, clock_hz)?;
        if self.digits_out.is_idle() {
            self.events.push_back(LegEvent::DigitsSent);
        }
        self.tell_of_first_packet();
        let bytes = self.sender.event(
            payload_type,
            &packet.payload,
            packet.timestamp,
            packet.marker,
            samples,
        );
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.protect_rtp(bytes)?,
            None => bytes,
        };
        Some(Datagram { to, bytes })
    }

    /// A packet of audio in the codec agreed on, `samples` RTP clock units long.
    pub fn send_audio(&mut self, payload: &[u8], samples: u32) -> Option<Datagram<'_>> {
        if !self.sends() {
            return None;
        }
        let payload_type = self.negotiated.as_ref()?.send_pt;
        let to = self.source.rtp()?;
        self.tell_of_first_packet();
        let bytes = self.sender.audio(payload_type, payload, samples);
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.protect_rtp(bytes)?,
            None => bytes,
        };
        Some(Datagram { to, bytes })
    }

    /// Comfort noise (RFC 3389) in place of `samples` RTP clock units of audio; `None` where the far
    /// end takes none.
    pub fn send_noise(&mut self, payload: &[u8], samples: u32) -> Option<Datagram<'_>> {
        if !self.sends() {
            return None;
        }
        let payload_type = self.negotiated.as_ref()?.comfort_noise_send?;
        let to = self.source.rtp()?;
        self.tell_of_first_packet();
        let bytes = self.sender.noise(payload_type, payload, samples);
        let bytes = match &mut self.srtp {
            Some(srtp) => srtp.protect_rtp(bytes)?,
            None => bytes,
        };
        Some(Datagram { to, bytes })
    }

    fn tell_of_first_packet(&mut self) {
        if self.sender.packets() == 0 {
            self.events.push_back(LegEvent::Sending);
        }
    }

    /// The packet time that begins now stays empty (DTX): `samples` RTP clock units pass.
    pub fn pass(&mut self, samples: u32) {
        self.sender.pass(samples);
    }

    /// A packet of audio, `samples` RTP clock units long, was lost before it came here: the far end
    /// misses it by its number, and conceals it as it does best.
    pub fn lose(&mut self, samples: u32) {
        self.sender.lose(samples);
    }

    /// The next packet is to be sent now: what timestamps say of now follows the source's clock, slowly,
    /// for each packet is a little early or late.
    pub fn follow_source(&mut self, now: Instant) {
        self.sender.follow(now);
    }

    /// The source of what we send runs a little later or earlier than thought: what timestamps say
    /// of now moves with it.
    pub fn shift_clock(&mut self, later: Duration, earlier: Duration) {
        self.sender.shift_clock(later, earlier);
    }

    /// Time passed in which nothing was sent: what follows is stamped with now and marked as the
    /// begin of a talkspurt.
    pub fn resume_sending(&mut self, now: Instant) {
        self.sender.resume(now, self.send_clock_hz());
    }

    /// Queues digits behind those that wait, each `duration_ms` long (40 to 6000).
    pub fn queue_digits(&mut self, digits: &str, duration_ms: u32) -> Result<(), DigitsError> {
        if self
            .negotiated
            .as_ref()
            .is_none_or(|negotiated| negotiated.telephone_event_send.is_none())
        {
            return Err(DigitsError::NotNegotiated);
        }
        self.digits_out.queue(digits, duration_ms)
    }
}
