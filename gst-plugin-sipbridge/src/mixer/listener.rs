// SPDX-License-Identifier: MPL-2.0
//! What one participant hears: what all the silent hear, or all but themselves.

use super::Rate;
use super::bus::Bus;
use super::group::Group;
use super::limiter::Limiter;
use super::resample::Resampler;
use super::voice::Voice;
use crate::codec::{CodecError, Encoder, OpusSettings};

/// Where what a listener hears comes from.
enum Path {
    /// Not decided yet: they have heard nothing so far.
    New,
    /// The mix, and the packets, of all who are silent.
    Shared,
    /// A mix of their own, without themselves.
    Own,
}

/// A participant's ear.
pub(super) struct Listener {
    pub(super) group: usize,
    /// The group they are about to change to, once it knows the sound.
    pub(super) next: Option<usize>,
    path: Path,
    encoder: Option<Encoder>,
    limiter: Limiter,
    /// The next packet is the first of this encoder.
    afresh: bool,
    has_voice: bool,
    /// Ticks since their own voice was last in the sum.
    silent: u32,
    /// Their own voice at the rate they listen at, where that is another.
    own: Option<(Rate, Resampler)>,
    mix: Vec<i16>,
    scratch: Vec<f32>,
    packet: Vec<u8>,
}

impl Listener {
    pub(super) fn new(group: usize) -> Listener {
        Listener {
            group,
            next: None,
            path: Path::New,
            encoder: None,
            limiter: Limiter::default(),
            afresh: false,
            has_voice: false,
            silent: 0,
            own: None,
            mix: vec![0; Rate::Hz48000.frame()],
            scratch: vec![0.0; Rate::Hz48000.frame()],
            packet: Vec::with_capacity(2_048),
        }
    }

    pub(super) fn set_opus(&mut self, settings: OpusSettings) {
        if let Some(encoder) = &mut self.encoder {
            super::group::set_opus(encoder, settings);
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        !matches!(self.path, Path::Own)
    }

    /// Lets go of what belongs to the group.
    pub(super) fn leave(&mut self, group: &mut Group) {
        group.retire(self.encoder.take());
    }

    /// Brings their own voice to the rate they listen at, and says whether it is in the sum.
    pub(super) fn follow_voice(&mut self, voice: Option<&Voice>, rate: Rate) -> bool {
        self.has_voice = voice.is_some();
        let Some(voice) = voice else {
            self.own = None;
            return false;
        };
        if voice.rate == rate {
            self.own = None;
            return voice.sounds();
        }
        let fits = |(from, own): &(Rate, Resampler)| (*from, own.to()) == (voice.rate, rate);
        if !self.own.as_ref().is_some_and(fits) {
            let mut own = Resampler::new(voice.rate, rate);
            own.frame(voice.previous());
            self.own = Some((voice.rate, own));
        }
        let Some((_, own)) = &mut self.own else {
            return false;
        };
        let sounds = voice.sounds() || own.echoes();
        if sounds {
            own.frame(voice.frame());
        }
        sounds
    }

    /// Decides where this tick's sound comes from.
    pub(super) fn choose(
        &mut self,
        sounds: bool,
        group: &mut Group,
        bus: &Bus,
    ) -> Result<(), CodecError> {
        // Who has an encoder of their own for good hears what others hear as their own mix.
        let apart = sounds || self.has_voice && !group.voices_share();
        self.silent = if sounds {
            0
        } else {
            self.silent.saturating_add(1)
        };
        match self.path {
            Path::New | Path::Shared if apart => {
                self.encoder = group.primed()?;
                self.limiter = bus.limiter_before();
                self.afresh = true;
                self.path = Path::Own;
            }
            Path::New => {
                self.path = Path::Shared;
                group.join();
            }
            Path::Shared => group.share(),
            Path::Own if apart => {}
            Path::Own => {
                if self.limiter.is_near(bus.limiter()) && group.admits(self.silent, bus.is_quiet())
                {
                    self.path = Path::Shared;
                    group.retire(self.encoder.take());
                    group.join();
                } else {
                    group.await_join();
                }
            }
        }
        Ok(())
    }

    /// Changes to another group, which knows the sound already.
    pub(super) fn change_group(&mut self, to: usize, group: &mut Group) -> Result<(), CodecError> {
        self.group = to;
        self.next = None;
        match self.path {
            Path::New | Path::Shared => self.path = Path::New,
            Path::Own => {
                self.encoder = group.primed()?;
                self.afresh = true;
            }
        }
        Ok(())
    }

    /// Makes a mix of their own, if they have one. How many encodes that took.
    pub(super) fn mix(&mut self, voice: Option<&Voice>, group: &Group, bus: &Bus) -> u32 {
        if self.is_shared() {
            return 0;
        }
        let length = group.rate.frame();
        let own = match &self.own {
            Some((_, resampler)) => Some(resampler.last()).filter(|_| self.silent == 0),
            None => voice.and_then(Voice::frame),
        };
        let (Some(mix), Some(scratch)) =
            (self.mix.get_mut(..length), self.scratch.get_mut(..length))
        else {
            return 0;
        };
        match own {
            Some(own) => {
                for ((to, sum), own) in scratch.iter_mut().zip(bus.sum()).zip(own) {
                    *to = sum - own;
                }
                self.limiter.frame(scratch, mix);
            }
            None => self.limiter.frame(bus.sum(), mix),
        }
        let Some(encoder) = &mut self.encoder else {
            return 0;
        };
        if std::mem::take(&mut self.afresh) {
            encoder.encode_afresh(mix, &mut self.packet);
        } else {
            encoder.encode(mix, &mut self.packet);
        }
        1
    }

    /// Their own mix.
    pub(super) fn own_mix(&self, rate: Rate) -> &[i16] {
        self.mix.get(..rate.frame()).unwrap_or_default()
    }

    /// Their own packet.
    pub(super) fn own_packet(&self) -> &[u8] {
        &self.packet
    }
}
