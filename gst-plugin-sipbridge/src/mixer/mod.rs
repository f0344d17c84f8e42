// SPDX-License-Identifier: MPL-2.0
//! Mix-minus: everyone hears everyone else, and nobody themselves.
//!
//! The voices of a room are summed once for each rate that somebody listens at; who speaks gets the sum
//! less their own voice. Who is silent is not in the sum, so that all of them hear the same: they share
//! one mix, and one encoder for each codec and rate. That makes a room of forty with three speakers
//! four encodes a tick. A listener who begins or stops to speak changes encoders unheard (see `group`).
//!
//! The mixer knows no time and no elements: each participant's frame of 20 ms goes in with
//! [`Mixer::hear`], [`Mixer::tick`] mixes, and [`Mixer::heard`] is what each of them hears. Once the
//! room is as it is, a tick allocates nothing.

mod activity;
mod bus;
mod group;
mod limiter;
mod listener;
mod rate;
mod resample;
mod voice;

#[cfg(test)]
mod tests;

use sip_ua::sdp::Codec;

pub(crate) use activity::level_dbfs;
pub use rate::Rate;

use crate::codec::{CodecError, OpusAudioType, OpusSettings};
use bus::{Bus, Sum};
use group::Group;
use listener::Listener;
use rate::PerRate;
use voice::Voice;

/// How a room is mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixerSettings {
    /// No rate above this is used.
    pub rate_max: Rate,
    /// Louder than this is speech, whatever noise there is besides. Quieter may be speech where there
    /// is less noise.
    pub speech_dbfs: f32,
    /// How Opus is encoded.
    pub opus: OpusSettings,
}

impl Default for MixerSettings {
    fn default() -> MixerSettings {
        MixerSettings {
            rate_max: Rate::Hz48000,
            speech_dbfs: -46.0,
            // What is encoded is rarely one voice alone.
            opus: OpusSettings {
                audio_type: OpusAudioType::Generic,
                ..OpusSettings::default()
            },
        }
    }
}

/// How a participant listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listening {
    /// Samples at this rate.
    Samples(Rate),
    /// Packets of this codec, at the rate of its audio; Opus at the rate of the room.
    Packets(Codec),
}

impl Listening {
    /// The highest rate that can be heard so.
    fn reach(self) -> Rate {
        match self {
            Listening::Samples(rate) => rate,
            Listening::Packets(Codec::Opus) => Rate::Hz48000,
            Listening::Packets(Codec::G722 | Codec::L16) => Rate::Hz16000,
            Listening::Packets(Codec::Pcmu | Codec::Pcma) => Rate::Hz8000,
        }
    }
}

/// What a participant hears in one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// 20 ms of samples.
    Samples(&'a [i16]),
    /// 20 ms of audio in one packet.
    Packet(&'a [u8]),
    /// Silence that is not sent (DTX).
    Nothing,
}

/// One of a mixer's participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Participant(usize);

/// What the last tick took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Voices in the mix.
    pub voices: u32,
    /// Encodes for one listener.
    pub own_encodes: u32,
    /// Encodes for many.
    pub shared_encodes: u32,
    /// Listeners of the shared mix.
    pub sharing: u32,
}

#[derive(Default)]
struct Member {
    voice: Option<Voice>,
    listening: Option<Listening>,
    listener: Option<Listener>,
}

/// A room.
pub struct Mixer {
    settings: MixerSettings,
    members: Vec<Option<Member>>,
    /// The last of those who left while they spoke.
    parting: Vec<Voice>,
    sums: PerRate<Sum>,
    buses: PerRate<Bus>,
    groups: Vec<Group>,
    work: Work,
}

impl Mixer {
    /// An empty room.
    pub fn new(settings: MixerSettings) -> Mixer {
        Mixer {
            settings,
            members: Vec::new(),
            parting: Vec::new(),
            sums: PerRate::new(Sum::new),
            buses: PerRate::new(Bus::new),
            groups: Vec::new(),
            work: Work::default(),
        }
    }

    /// Changes how the room is mixed; what is mixed goes on.
    pub fn set(&mut self, settings: MixerSettings) {
        self.settings = settings;
        for group in &mut self.groups {
            group.set_opus(settings.opus);
        }
        for member in self.members.iter_mut().flatten() {
            if let Some(voice) = &mut member.voice {
                voice.set_ceiling(settings.speech_dbfs);
            }
            if let Some(listener) = &mut member.listener {
                listener.set_opus(settings.opus);
            }
        }
    }

    /// Somebody comes, who neither speaks nor listens yet.
    pub fn join(&mut self) -> Participant {
        let free = self.members.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        if let Some(place) = self.members.get_mut(index) {
            *place = Some(Member::default());
        }
        Participant(index)
    }

    /// Somebody goes.
    pub fn leave(&mut self, participant: Participant) {
        self.listen(participant, None);
        let Some(member) = self.members.get_mut(participant.0).and_then(Option::take) else {
            return;
        };
        self.parting.extend(member.voice.and_then(Voice::leave));
    }

    fn member(&mut self, participant: Participant) -> Option<&mut Member> {
        self.members.get_mut(participant.0)?.as_mut()
    }

    /// From now on the participant has a voice, at this rate.
    pub fn speak(&mut self, participant: Participant, rate: Rate) {
        let ceiling = self.settings.speech_dbfs;
        if let Some(member) = self.member(participant) {
            member
                .voice
                .get_or_insert_with(|| Voice::new(rate, ceiling));
        }
    }

    /// How the participant listens from now on; `None`: not at all.
    pub fn listen(&mut self, participant: Participant, listening: Option<Listening>) {
        let opus_hz = self.rate();
        let group = listening.map(|listening| self.group(listening, opus_hz));
        let Some(member) = self.members.get_mut(participant.0).and_then(Option::as_mut) else {
            return;
        };
        if member.listening == listening {
            return;
        }
        if let Some(mut former) = member.listener.take()
            && let Some(group) = self.groups.get_mut(former.group)
        {
            former.leave(group);
        }
        member.listening = listening;
        member.listener = group.map(Listener::new);
    }

    /// Whether the participant is kept out of the mix.
    pub fn mute(&mut self, participant: Participant, muted: bool) {
        if let Some(voice) = self.member(participant).and_then(|m| m.voice.as_mut()) {
            voice.set_muted(muted);
        }
    }

    /// What the participant says in the next tick: 20 ms at this rate, and its level where the sender
    /// told it (RFC 6464). Who says nothing in a tick breaks off.
    pub fn hear(
        &mut self,
        participant: Participant,
        rate: Rate,
        samples: &[i16],
        told_dbfs: Option<f32>,
    ) {
        self.speak(participant, rate);
        if let Some(voice) = self.member(participant).and_then(|m| m.voice.as_mut()) {
            voice.hear(rate, samples, told_dbfs);
        }
    }

    /// Mixes 20 ms.
    pub fn tick(&mut self) -> Result<(), CodecError> {
        self.work = Work::default();
        self.sum_voices();
        self.place_listeners();
        for (_, bus) in self.buses.iter_mut() {
            bus.tick(&self.sums);
        }
        self.choose()?;
        for group in &mut self.groups {
            let bus = &self.buses[group.rate];
            self.work.shared_encodes += group.encode(bus.mix())?;
        }
        for member in self.members.iter_mut().flatten() {
            if let Some(listener) = &mut member.listener
                && let Some(group) = self.groups.get(listener.group)
            {
                let bus = &self.buses[group.rate];
                self.work.own_encodes += listener.mix(member.voice.as_ref(), group, bus);
                self.work.sharing += u32::from(listener.is_shared());
            }
        }
        Ok(())
    }

    fn sum_voices(&mut self) {
        for (_, sum) in self.sums.iter_mut() {
            sum.clear();
        }
        for voice in &self.parting {
            if let Some(frame) = voice.frame() {
                self.sums[voice.rate].add(frame);
            }
        }
        self.parting.clear();
        for member in self.members.iter_mut().flatten() {
            if let Some(voice) = &mut member.voice {
                voice.settle();
                if let Some(frame) = voice.frame() {
                    self.work.voices += 1;
                    self.sums[voice.rate].add(frame);
                }
            }
        }
    }

    /// Everybody's group for this tick; Opus follows the room's rate.
    fn place_listeners(&mut self) {
        let opus_hz = self.rate();
        for group in &mut self.groups {
            group.begin();
            group.wanted = false;
        }
        for index in 0..self.members.len() {
            let Some(Some(member)) = self.members.get(index) else {
                continue;
            };
            let (Some(listening), Some(listener)) = (member.listening, &member.listener) else {
                continue;
            };
            let current = listener.group;
            let wanted = self.group(listening, opus_hz);
            let next = (wanted != current).then_some(wanted);
            for group in [Some(current), next].into_iter().flatten() {
                if let Some(group) = self.groups.get_mut(group) {
                    group.wanted = true;
                }
            }
            if let Some(listener) = self
                .member(Participant(index))
                .and_then(|m| m.listener.as_mut())
            {
                listener.next = next;
            }
        }
        for (rate, bus) in self.buses.iter_mut() {
            bus.wanted = self
                .groups
                .iter()
                .any(|group| group.wanted && group.rate == rate);
        }
    }

    fn choose(&mut self) -> Result<(), CodecError> {
        for member in self.members.iter_mut().flatten() {
            let Some(listener) = &mut member.listener else {
                continue;
            };
            if let Some(next) = listener.next
                && let Some(group) = self.groups.get_mut(next)
            {
                if group.is_warm() {
                    let former = listener.group;
                    let mut leaving = None;
                    if let Some(former) = self.groups.get_mut(former) {
                        listener.leave(former);
                        leaving = Some(());
                    }
                    if let Some(group) = self.groups.get_mut(next).filter(|_| leaving.is_some()) {
                        listener.change_group(next, group)?;
                    }
                } else {
                    group.await_join();
                }
            }
            let Some(group) = self.groups.get_mut(listener.group) else {
                continue;
            };
            let sounds = listener.follow_voice(member.voice.as_ref(), group.rate);
            listener.choose(sounds, group, &self.buses[group.rate])?;
        }
        Ok(())
    }

    /// What the participant hears in this tick.
    pub fn heard(&self, participant: Participant) -> Option<Heard<'_>> {
        let member = self.members.get(participant.0)?.as_ref()?;
        let listener = member.listener.as_ref()?;
        let group = self.groups.get(listener.group)?;
        if listener.is_shared() {
            return self.heard_by_all(self.shares(participant)?);
        }
        Some(heard(
            group.codec,
            listener.own_mix(group.rate),
            listener.own_packet(),
        ))
    }

    /// Whom the participant hears the same as, if so: a number that is the same for all of those.
    pub fn shares(&self, participant: Participant) -> Option<usize> {
        let member = self.members.get(participant.0)?.as_ref()?;
        let listener = member.listener.as_ref()?;
        listener.is_shared().then_some(listener.group)
    }

    /// What all hear of whom [`Mixer::shares`] says this number.
    pub fn heard_by_all(&self, shared: usize) -> Option<Heard<'_>> {
        let group = self.groups.get(shared)?;
        Some(heard(
            group.codec,
            self.buses[group.rate].mix(),
            group.packet(),
        ))
    }

    /// Whether the participant speaks.
    pub fn is_speaking(&self, participant: Participant) -> bool {
        self.voice(participant).is_some_and(Voice::is_speaking)
    }

    /// How loud the participant is, in dBFS, down to −100.
    pub fn level_dbfs(&self, participant: Participant) -> f32 {
        self.voice(participant)
            .map_or(activity::SILENCE_DBFS, Voice::level_dbfs)
    }

    fn voice(&self, participant: Participant) -> Option<&Voice> {
        self.members.get(participant.0)?.as_ref()?.voice.as_ref()
    }

    /// What the last tick took.
    pub fn work(&self) -> Work {
        self.work
    }

    /// The rate of the room, at which Opus is encoded: the highest, within bounds, that somebody has to
    /// say something at and somebody else can hear.
    pub fn rate(&self) -> Rate {
        let useful = |rate: &Rate| {
            let (mut voices, mut ears, mut both) = (0, 0, 0);
            for member in self.members.iter().flatten() {
                let says = member.voice.as_ref().is_some_and(|v| v.rate >= *rate);
                let hears = member.listening.is_some_and(|l| l.reach() >= *rate);
                voices += u32::from(says);
                ears += u32::from(hears);
                both += u32::from(says && hears);
            }
            voices > 0 && ears > 0 && (voices, ears, both) != (1, 1, 1)
        };
        let highest = Rate::ALL.into_iter().rfind(useful);
        highest.unwrap_or(Rate::Hz8000).min(self.settings.rate_max)
    }

    /// The index of the group of those who listen like this.
    fn group(&mut self, listening: Listening, opus: Rate) -> usize {
        let (codec, rate) = match listening {
            Listening::Samples(rate) => (None, rate),
            Listening::Packets(Codec::Opus) => (Some(Codec::Opus), opus),
            Listening::Packets(codec) => (Some(codec), listening.reach()),
        };
        let known = self
            .groups
            .iter()
            .position(|group| group.codec == codec && group.rate == rate);
        known.unwrap_or_else(|| {
            self.groups
                .push(Group::new(codec, rate, self.settings.opus));
            self.groups.len() - 1
        })
    }
}

fn heard<'a>(codec: Option<Codec>, mix: &'a [i16], packet: &'a [u8]) -> Heard<'a> {
    match codec {
        None => Heard::Samples(mix),
        Some(_) if packet.is_empty() => Heard::Nothing,
        Some(_) => Heard::Packet(packet),
    }
}
