// SPDX-License-Identifier: MPL-2.0
//! Who hears what, where several calls of a worker are in one room: each track is heard once for all of them,
//! by the stay of one. No I/O here.
//!
//! Each member's stay tells of the same tracks. One of those who tell carries a track: it is subscribed to by that
//! stay. Should that one leave, another subscribes to it before; should it be lost, as soon as that is
//! noticed. What members themselves say is heard inside the worker, and is not subscribed to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::sfu::{ParticipantId, Track, TrackId};

/// Who could not have a track for a reason that may pass rests so long before they ask for it again; twice as long after
/// each failure, up to the longest.
const FIRST_REST: Duration = Duration::from_millis(200);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// A call in the room.
pub(super) type MemberId = u64;

/// One attempt to hear a track; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) number: u64,
    pub(super) by: MemberId,
}

#[derive(Default)]
struct Member {
    me: Option<ParticipantId>,
    /// Its own publication is up.
    ready: bool,
    leaving: bool,
}

struct Entry<H> {
    track: Track,
    tellers: BTreeSet<MemberId>,
    /// Tellers that are not asked for now, since this attempt of theirs came to nothing.
    resting: BTreeMap<MemberId, Attempt>,
    failures: u32,
    way: Option<Way<H>>,
    /// Heard until the next way is there.
    former: Option<(Attempt, H)>,
}

/// What is left of an attempt that came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed<H> {
    /// What it had.
    pub(super) had: Option<(Attempt, H)>,
    /// After so long, [`Audience::rested`] is due.
    pub(super) rests: Option<Duration>,
}

struct Way<H> {
    attempt: Attempt,
    /// Once it is negotiated.
    heard: Option<H>,
    connected: bool,
}

pub(super) struct Audience<H> {
    members: BTreeMap<MemberId, Member>,
    /// In the order in which they were told of.
    tracks: Vec<Entry<H>>,
    attempts: u64,
}

impl<H> Default for Audience<H> {
    fn default() -> Audience<H> {
        Audience {
            members: BTreeMap::new(),
            tracks: Vec::new(),
            attempts: 0,
        }
    }
}

impl<H> Audience<H> {
    /// A member is in the room under this identity, for the first time or again.
    pub(super) fn enter(&mut self, member: MemberId, me: ParticipantId) {
        let entered = Member {
            me: Some(me),
            ..Member::default()
        };
        self.members.insert(member, entered);
    }

    /// A member is heard in the room, and may subscribe from now on. Returns whether others are, too.
    pub(super) fn is_ready(&mut self, member: MemberId) -> bool {
        if let Some(member) = self.members.get_mut(&member) {
            member.ready = true;
        }
        self.members.values().filter(|member| member.ready).count() > 1
    }

    /// A member's stay tells of a track.
    pub(super) fn told(&mut self, member: MemberId, track: Track) {
        let ours = |member: &Member| member.me.as_ref() == Some(&track.participant);
        if self.members.values().any(ours) {
            return;
        }
        let known = self
            .tracks
            .iter_mut()
            .find(|entry| entry.track.id == track.id);
        match known {
            Some(entry) => {
                entry.resting.remove(&member);
                entry.tellers.insert(member);
            }
            None => self.tracks.push(Entry {
                track,
                tellers: BTreeSet::from([member]),
                resting: BTreeMap::new(),
                failures: 0,
                way: None,
                former: None,
            }),
        }
    }

    /// A member's stay tells that a track is gone, or that it cannot have it. Who does not carry it has nothing
    /// to say beyond that. Returns what is heard no more.
    pub(super) fn untold(&mut self, member: MemberId, track: &TrackId) -> Vec<(Attempt, H)> {
        let Some(place) = self
            .tracks
            .iter()
            .position(|entry| entry.track.id == *track)
        else {
            return Vec::new();
        };
        let entry = &mut self.tracks[place];
        entry.tells_no_more(member);
        let carried = entry
            .way
            .as_ref()
            .is_some_and(|way| way.attempt.by == member);
        if carried || entry.is_untold() {
            let entry = self.tracks.remove(place);
            return entry.into_heard().collect();
        }
        Vec::new()
    }

    /// What is to be subscribed to next, and by whom: whoever carries least. Only `slots` can be heard at once.
    pub(super) fn next(&mut self, slots: usize) -> Option<(TrackId, Attempt)> {
        let busy = |entry: &Entry<H>| {
            usize::from(entry.way.is_some()) + usize::from(entry.former.is_some())
        };
        if self.tracks.iter().map(busy).sum::<usize>() >= slots {
            return None;
        }
        let mut loads: BTreeMap<MemberId, usize> = BTreeMap::new();
        for way in self.tracks.iter().filter_map(|entry| entry.way.as_ref()) {
            *loads.entry(way.attempt.by).or_default() += 1;
        }
        let able = |id: &MemberId| {
            self.members
                .get(id)
                .is_some_and(|member| member.ready && !member.leaving)
        };
        let place = self
            .tracks
            .iter()
            .position(|entry| entry.way.is_none() && entry.tellers.iter().any(able))?;
        let tellers = self.tracks[place].tellers.iter().copied();
        let by = tellers
            .filter(able)
            .min_by_key(|id| loads.get(id).copied().unwrap_or_default())?;
        self.attempts += 1;
        let attempt = Attempt {
            number: self.attempts,
            by,
        };
        let entry = &mut self.tracks[place];
        entry.way = Some(Way {
            attempt,
            heard: None,
            connected: false,
        });
        Some((entry.track.id.clone(), attempt))
    }

    /// An attempt is negotiated. `Err`: nobody wants it any more.
    pub(super) fn opened(&mut self, track: &TrackId, attempt: Attempt, heard: H) -> Result<&H, H> {
        match self.way(track, attempt) {
            Some(way) => Ok(way.heard.insert(heard)),
            None => Err(heard),
        }
    }

    /// Its media flow. Returns whether it was waited for, and what it takes the place of.
    pub(super) fn connected(
        &mut self,
        track: &TrackId,
        attempt: Attempt,
    ) -> (bool, Option<(Attempt, H)>) {
        let Some(way) = self.way(track, attempt).filter(|way| way.heard.is_some()) else {
            return (false, None);
        };
        let news = !std::mem::replace(&mut way.connected, true);
        let entry = self
            .tracks
            .iter_mut()
            .find(|entry| entry.track.id == *track);
        (news, entry.and_then(|entry| entry.former.take()))
    }

    /// An attempt came to nothing, or is over: that member is not asked again, or where the reason may pass after a
    /// rest.
    pub(super) fn failed(
        &mut self,
        track: &TrackId,
        attempt: Attempt,
        may_pass: bool,
    ) -> Failed<H> {
        let mut failed = Failed {
            had: None,
            rests: None,
        };
        let Some(place) = self
            .tracks
            .iter()
            .position(|entry| entry.track.id == *track)
        else {
            return failed;
        };
        let entry = &mut self.tracks[place];
        if entry.former.as_ref().is_some_and(|(of, _)| *of == attempt) {
            failed.had = entry.former.take();
            return failed;
        }
        let Some(way) = entry.way.take_if(|way| way.attempt == attempt) else {
            return failed;
        };
        failed.had = way.heard.map(|heard| (attempt, heard));
        // Who does not tell of it any more does not come back to it.
        if entry.tellers.remove(&attempt.by) && may_pass {
            let rest = FIRST_REST * 2_u32.saturating_pow(entry.failures);
            failed.rests = Some(rest.min(LONGEST_REST));
            entry.failures = entry.failures.saturating_add(1);
            entry.resting.insert(attempt.by, attempt);
        }
        if entry.is_untold() && entry.former.is_none() {
            self.tracks.remove(place);
        }
        failed
    }

    /// Whoever made an attempt that failed has rested, and may be asked once more.
    pub(super) fn rested(&mut self, track: &TrackId, attempt: Attempt) {
        let entry = self
            .tracks
            .iter_mut()
            .find(|entry| entry.track.id == *track);
        let Some(entry) = entry else { return };
        if entry.resting.get(&attempt.by) == Some(&attempt) {
            entry.resting.remove(&attempt.by);
            entry.tellers.insert(attempt.by);
        }
    }

    /// A member is about to leave: others begin to carry what it carries, where others can.
    pub(super) fn leaves(&mut self, member: MemberId) {
        if let Some(member) = self.members.get_mut(&member) {
            member.leaving = true;
        }
        for entry in &mut self.tracks {
            entry.tells_no_more(member);
            let able = |id: &MemberId| {
                self.members
                    .get(id)
                    .is_some_and(|member| member.ready && !member.leaving)
            };
            if !entry.tellers.iter().any(able) {
                continue;
            }
            let way = entry.way.take_if(|way| way.attempt.by == member);
            if let Some(way) = way
                && let Some(heard) = way.heard
            {
                entry.former = Some((way.attempt, heard));
            }
        }
    }

    /// Whether something is still heard by a member for want of another way.
    pub(super) fn hands_over(&self, member: MemberId) -> bool {
        let by = |former: &(Attempt, H)| former.0.by == member;
        self.tracks
            .iter()
            .any(|entry| entry.former.as_ref().is_some_and(by))
    }

    /// A member's stay is over, or lost. It may come back. Returns what is heard no more.
    pub(super) fn gone(&mut self, member: MemberId) -> Vec<(Attempt, H)> {
        if let Some(member) = self.members.get_mut(&member) {
            *member = Member {
                me: member.me.take(),
                ..Member::default()
            };
        }
        let mut released = Vec::new();
        for entry in &mut self.tracks {
            entry.tells_no_more(member);
            let way = entry.way.take_if(|way| way.attempt.by == member);
            released.extend(way.and_then(|way| Some((way.attempt, way.heard?))));
            released.extend(entry.former.take_if(|former| former.0.by == member));
        }
        self.tracks
            .retain(|entry| !entry.is_untold() || entry.way.is_some());
        released
    }

    /// It does not come back.
    pub(super) fn forget(&mut self, member: MemberId) -> Vec<(Attempt, H)> {
        let released = self.gone(member);
        self.members.remove(&member);
        released
    }

    /// Whether any track is heard now.
    pub(super) fn hears(&self) -> bool {
        let ways = self.tracks.iter().filter_map(|entry| entry.way.as_ref());
        ways.into_iter().any(|way| way.connected)
    }

    /// What is heard, and by whom.
    pub(super) fn heard(&self) -> impl Iterator<Item = (&TrackId, Attempt, &H)> {
        self.tracks.iter().flat_map(|entry| {
            let way = entry.way.as_ref();
            let way = way.and_then(|way| Some((way.attempt, way.heard.as_ref()?)));
            let former = entry
                .former
                .as_ref()
                .map(|(attempt, heard)| (*attempt, heard));
            let both = way.into_iter().chain(former);
            both.map(|(attempt, heard)| (&entry.track.id, attempt, heard))
        })
    }

    fn way(&mut self, track: &TrackId, attempt: Attempt) -> Option<&mut Way<H>> {
        let entry = self
            .tracks
            .iter_mut()
            .find(|entry| entry.track.id == *track)?;
        entry.way.as_mut().filter(|way| way.attempt == attempt)
    }
}

impl<H> Entry<H> {
    fn tells_no_more(&mut self, member: MemberId) {
        self.tellers.remove(&member);
        self.resting.remove(&member);
    }

    /// Nobody tells of it.
    fn is_untold(&self) -> bool {
        self.tellers.is_empty() && self.resting.is_empty()
    }

    fn into_heard(self) -> impl Iterator<Item = (Attempt, H)> {
        let way = self.way.and_then(|way| Some((way.attempt, way.heard?)));
        way.into_iter().chain(self.former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sfu::MediaKind;

    const SLOTS: usize = 64;
    const NOTHING: Failed<u64> = Failed {
        had: None,
        rests: None,
    };

    fn track(owner: &str) -> Track {
        Track {
            id: id(owner),
            participant: ParticipantId(owner.to_owned()),
            kind: MediaKind::Audio,
        }
    }

    fn id(owner: &str) -> TrackId {
        TrackId(format!("{owner}/0"))
    }

    /// A room with so many phones, in which these people speak.
    fn room(phones: u64, people: &[&str]) -> Audience<u64> {
        let mut audience = Audience::default();
        for phone in 1..=phones {
            audience.enter(phone, ParticipantId(format!("phone-{phone}")));
        }
        for phone in 1..=phones {
            audience.is_ready(phone);
            for person in people {
                audience.told(phone, track(person));
            }
            for other in (1..=phones).filter(|other| *other != phone) {
                audience.told(phone, track(&format!("phone-{other}")));
            }
        }
        audience
    }

    /// Subscribes to all there is; each is heard at once.
    fn hear_all(audience: &mut Audience<u64>) -> Vec<(TrackId, Attempt)> {
        let mut begun = Vec::new();
        while let Some((track, attempt)) = audience.next(SLOTS) {
            audience.opened(&track, attempt, attempt.number).unwrap();
            begun.push((track, attempt));
        }
        begun
    }

    #[test]
    fn each_track_is_heard_once_however_many_phones_hear_it() {
        let people: Vec<String> = (0..20).map(|number| format!("person-{number}")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let mut audience = room(50, &people);
        let begun = hear_all(&mut audience);
        let tracks: BTreeSet<_> = begun.iter().map(|(track, _)| track).collect();
        assert_eq!((begun.len(), tracks.len()), (20, 20));
        let carriers: BTreeSet<_> = begun.iter().map(|(_, attempt)| attempt.by).collect();
        assert_eq!(
            carriers.len(),
            20,
            "nobody carries two while others carry none"
        );
        assert!(begun.iter().all(|(track, _)| track.0.starts_with("person")));
    }

    #[test]
    fn what_a_phone_carries_is_carried_by_another_before_it_leaves() {
        let mut audience = room(2, &["ann"]);
        let [(ann, first)] = &hear_all(&mut audience)[..] else {
            panic!("ann is heard once");
        };
        assert_eq!(audience.connected(ann, *first), (true, None));
        audience.leaves(first.by);
        assert!(audience.hands_over(first.by));
        let [(_, second)] = &hear_all(&mut audience)[..] else {
            panic!("ann is subscribed to once more");
        };
        assert_ne!(second.by, first.by);
        assert_eq!(
            audience.connected(ann, *second),
            (true, Some((*first, first.number))),
            "now the first is not needed any more"
        );
        assert!(!audience.hands_over(first.by));
        assert!(audience.forget(first.by).is_empty());
        assert_eq!(audience.heard().count(), 1);
    }

    #[test]
    fn what_a_lost_phone_carried_is_carried_by_another() {
        let mut audience = room(2, &["ann"]);
        let (ann, first) = hear_all(&mut audience).remove(0);
        assert_eq!(audience.gone(first.by), [(first, first.number)]);
        let (_, second) = audience.next(SLOTS).unwrap();
        assert_ne!(second.by, first.by);
        // What came too late is nobody's.
        assert_eq!(audience.opened(&ann, first, 7), Err(7));
        assert_eq!(audience.gone(second.by), []);
        assert_eq!(audience.next(SLOTS), None);
        // Back again, and told anew.
        audience.enter(1, ParticipantId("phone-1".to_owned()));
        audience.told(1, track("ann"));
        assert_eq!(audience.next(SLOTS), None, "its own voice comes first");
        audience.is_ready(1);
        assert_eq!(audience.next(SLOTS).unwrap().1.by, 1);
    }

    #[test]
    fn a_track_that_one_cannot_have_is_asked_for_by_another() {
        let mut audience = room(2, &["ann"]);
        let (ann, first) = audience.next(SLOTS).unwrap();
        assert_eq!(audience.failed(&ann, first, false), NOTHING);
        let (_, second) = audience.next(SLOTS).unwrap();
        assert_ne!(second.by, first.by);
        assert_eq!(audience.failed(&ann, second, false), NOTHING);
        audience.rested(&ann, second);
        assert_eq!(audience.next(SLOTS), None, "nobody is asked twice");
    }

    #[test]
    fn a_track_that_cannot_be_had_for_now_is_asked_for_again_after_a_rest() {
        let mut audience = room(1, &["ann"]);
        let mut fail = |had: bool| {
            let (ann, attempt) = audience.next(SLOTS).unwrap();
            if had {
                audience.opened(&ann, attempt, 7).unwrap();
            }
            let failed = audience.failed(&ann, attempt, true);
            assert_eq!(failed.had, had.then_some((attempt, 7)));
            assert_eq!(audience.next(SLOTS), None, "it rests");
            audience.rested(&ann, attempt);
            failed.rests.unwrap().as_millis()
        };
        let rests = [true, false, false, true, false, false].map(&mut fail);
        assert_eq!(rests, [200, 400, 800, 1_600, 2_000, 2_000]);
    }

    #[test]
    fn another_asks_while_one_rests() {
        let mut audience = room(2, &["ann"]);
        let (ann, first) = audience.next(SLOTS).unwrap();
        assert!(audience.failed(&ann, first, true).rests.is_some());
        let (_, second) = audience.next(SLOTS).unwrap();
        assert_ne!(second.by, first.by);
        audience.opened(&ann, second, 2).unwrap();
        audience.rested(&ann, first);
        assert_eq!(audience.next(SLOTS), None, "it is heard");
        // What the first told counts: it can carry it when the second leaves.
        audience.leaves(second.by);
        assert_eq!(audience.next(SLOTS).unwrap().1.by, first.by);
    }

    #[test]
    fn nobody_rests_for_what_is_gone() {
        let mut audience = room(1, &["ann"]);
        let (ann, first) = audience.next(SLOTS).unwrap();
        audience.failed(&ann, first, true);
        assert!(audience.untold(1, &ann).is_empty());
        audience.rested(&ann, first);
        assert_eq!(audience.next(SLOTS), None);
        // Told anew, it is asked for at once, and the former rest ends nothing.
        audience.told(1, track("ann"));
        let (_, second) = audience.next(SLOTS).unwrap();
        audience.failed(&ann, second, true);
        audience.rested(&ann, first);
        assert_eq!(audience.next(SLOTS), None);
        // So do all rests of somebody who is lost.
        audience.gone(1);
        audience.rested(&ann, second);
        assert_eq!(audience.tracks.len(), 0);
    }

    #[test]
    fn a_track_goes_when_its_carrier_says_so_and_comes_again() {
        let mut audience = room(2, &["ann"]);
        let (ann, first) = hear_all(&mut audience).remove(0);
        let other = 3 - first.by;
        // It comes again for the one before it is gone for the other.
        assert_eq!(audience.untold(first.by, &ann).len(), 1);
        audience.told(first.by, track("ann"));
        assert_eq!(hear_all(&mut audience).len(), 1);
        assert!(audience.untold(other, &ann).is_empty());
        audience.told(other, track("ann"));
        assert_eq!(hear_all(&mut audience).len(), 0);
        assert_eq!(audience.heard().count(), 1);
    }

    #[test]
    fn no_more_is_heard_than_there_is_room_for() {
        let mut audience = room(1, &["ann", "ben"]);
        let (ann, first) = audience.next(1).unwrap();
        assert_eq!(ann, id("ann"));
        assert_eq!(audience.next(1), None);
        audience.opened(&ann, first, 1).unwrap();
        audience.untold(1, &ann);
        assert_eq!(audience.next(1).map(|(track, _)| track), Some(id("ben")));
    }
}
