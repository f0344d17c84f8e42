// SPDX-License-Identifier: MPL-2.0
//! Who is in the room and what they publish: what changed from one list to the next.

use std::collections::BTreeMap;

use super::message::Present;
use crate::sfu::{MediaKind, Participant, ParticipantId, SfuEvent, Track, TrackId};

#[derive(Default)]
pub(super) struct Roster {
    people: BTreeMap<String, Participant>,
    tracks: BTreeMap<String, String>,
}

impl Roster {
    pub(super) fn has(&self, track: &TrackId) -> bool {
        self.tracks.contains_key(&track.0)
    }

    /// Takes the list of all who are there; `me` does not count.
    pub(super) fn update(&mut self, me: &str, present: Vec<Present>) -> Vec<SfuEvent> {
        let mut people = BTreeMap::new();
        let mut tracks = BTreeMap::new();
        for somebody in present.into_iter().filter(|somebody| somebody.id != me) {
            for track in somebody.tracks {
                tracks.insert(track, somebody.id.clone());
            }
            let who = Participant {
                name: match somebody.name.is_empty() {
                    true => somebody.id.clone(),
                    false => somebody.name,
                },
                attributes: somebody.attributes,
                id: somebody.id.clone(),
            };
            people.insert(somebody.id, who);
        }
        let mut events = Vec::new();
        let former = self.tracks.iter();
        let gone = former.filter(|(track, of)| tracks.get(*track) != Some(of));
        events.extend(gone.map(|(track, _)| SfuEvent::TrackRemoved(TrackId(track.clone()))));
        let left = self.people.keys().filter(|id| !people.contains_key(*id));
        events.extend(left.map(|id| SfuEvent::ParticipantLeft(ParticipantId(id.clone()))));
        let came = people
            .iter()
            .filter(|(id, _)| !self.people.contains_key(*id));
        events.extend(came.map(|(_, who)| SfuEvent::ParticipantJoined(who.clone())));
        let changed = people.iter().filter(|(id, who)| {
            let before = self.people.get(*id);
            before.is_some_and(|before| before.attributes != who.attributes)
        });
        events.extend(changed.map(|(id, who)| SfuEvent::AttributesChanged {
            participant: ParticipantId(id.clone()),
            attributes: who.attributes.clone(),
        }));
        let added = tracks
            .iter()
            .filter(|(track, of)| self.tracks.get(*track) != Some(of));
        events.extend(added.map(|(track, of)| {
            SfuEvent::TrackAdded(Track {
                id: TrackId(track.clone()),
                participant: ParticipantId(of.clone()),
                kind: MediaKind::Audio,
            })
        }));
        (self.people, self.tracks) = (people, tracks);
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Present> {
        serde_json::from_str(text).unwrap()
    }

    fn told(events: &[SfuEvent]) -> Vec<String> {
        let of = |event: &SfuEvent| match event {
            SfuEvent::ParticipantJoined(who) => format!("+{}", who.name),
            SfuEvent::ParticipantLeft(id) => format!("-{id}"),
            SfuEvent::TrackAdded(track) => format!("+{}/{}", track.participant, track.id),
            SfuEvent::TrackRemoved(track) => format!("-/{track}"),
            SfuEvent::AttributesChanged {
                participant,
                attributes,
            } => format!("{participant}: {attributes:?}"),
            other => format!("{other:?}"),
        };
        events.iter().map(of).collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut roster = Roster::default();
        let both =
            r#"[{"id":"ann","name":"Ann","tracks":["a"]},{"id":"me","tracks":["m"]},{"id":"ben"}]"#;
        assert_eq!(
            told(&roster.update("me", list(both))),
            ["+Ann", "+ben", "+ann/a"]
        );
        assert!(roster.has(&TrackId("a".into())) && !roster.has(&TrackId("m".into())));
        assert!(roster.update("me", list(both)).is_empty());
        let held = both.replace(
            "\"id\":\"ben\"",
            "\"id\":\"ben\",\"attributes\":{\"held\":\"yes\"}",
        );
        let change = told(&roster.update("me", list(&held)));
        assert_eq!(change, ["ben: {\"held\": \"yes\"}"]);
        let later = r#"[{"id":"ben","tracks":["a","b"]}]"#;
        assert_eq!(
            told(&roster.update("me", list(later))),
            ["-/a", "-ann", "ben: {}", "+ben/a", "+ben/b"]
        );
    }
}
