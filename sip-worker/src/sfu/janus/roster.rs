// SPDX-License-Identifier: MPL-2.0
//! Who is in a VideoRoom and what they publish, kept from what its events say. No I/O here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sfu::{MediaKind, Participant, ParticipantId, SfuEvent, Track, TrackId};

/// The others in one room.
#[derive(Default)]
pub(super) struct Roster {
    others: BTreeMap<ParticipantId, Vec<Track>>,
}

impl Roster {
    /// Takes in `joined` or an event, and returns what it changes. Ends with [`SfuEvent::Expelled`]
    /// where it ends the stay.
    pub(super) fn apply(&mut self, data: &Value) -> Vec<SfuEvent> {
        let mut changes = Vec::new();
        for list in ["attendees", "publishers"] {
            for one in data[list].as_array().into_iter().flatten() {
                self.meet(one, &mut changes);
                if list == "publishers" {
                    self.publishes(one, &mut changes);
                }
            }
        }
        self.meet(&data["joining"], &mut changes);
        if let Some(id) = participant_id(&data["unpublished"]) {
            self.unpublishes(&id, &mut changes);
        }
        self.moderates(data, &mut changes);
        for word in ["leaving", "kicked"] {
            if let Some(id) = participant_id(&data[word]) {
                self.leaves(&id, &mut changes);
            }
        }
        match data["videoroom"].as_str() {
            Some("destroyed") => {
                changes.push(SfuEvent::Expelled("the room was destroyed".to_owned()));
            }
            Some(word @ ("talking" | "stopped-talking")) => {
                if let (Some(id), Some(mid)) = (participant_id(&data["id"]), data["mid"].as_str())
                    && self.others.contains_key(&id)
                {
                    changes.push(SfuEvent::Talking {
                        track: track_id(&id, mid),
                        talking: word == "talking",
                    });
                }
            }
            // What the one who leaves is told.
            _ if data["leaving"] == "ok" => {
                let reason = data["reason"].as_str().unwrap_or("no reason given");
                changes.push(SfuEvent::Expelled(format!(
                    "we were made to leave: {reason}"
                )));
            }
            _ => {}
        }
        changes
    }

    /// Takes in the list of all who are there, after a time of which nothing was told. Returns what has changed, and
    /// who publishes what is not known; `None` where we are not there any more.
    pub(super) fn resume(
        &mut self,
        me: &ParticipantId,
        data: &Value,
    ) -> Option<(Vec<SfuEvent>, Vec<Value>)> {
        let list = data["participants"].as_array()?;
        let ids: Vec<_> = list.iter().map(|one| participant_id(&one["id"])).collect();
        if !ids.iter().flatten().any(|id| id == me) {
            return None;
        }
        let (mut changes, mut unknown) = (Vec::new(), Vec::new());
        let stays = |id: &ParticipantId| ids.iter().flatten().any(|there| there == id);
        let gone: Vec<_> = self
            .others
            .keys()
            .filter(|id| !stays(id))
            .cloned()
            .collect();
        for id in &gone {
            self.leaves(id, &mut changes);
        }
        for (one, id) in list.iter().zip(&ids) {
            let Some(id) = id.as_ref().filter(|id| *id != me) else {
                continue;
            };
            self.meet(one, &mut changes);
            let is_known = self.others.get(id).is_some_and(|of| !of.is_empty());
            match (one["publisher"] == true, is_known) {
                (true, false) => unknown.push(one["id"].clone()),
                (false, true) => self.unpublishes(id, &mut changes),
                _ => {}
            }
        }
        Some((changes, unknown))
    }

    fn meet(&mut self, one: &Value, changes: &mut Vec<SfuEvent>) {
        let Some(id) = participant_id(&one["id"]) else {
            return;
        };
        if self.others.contains_key(&id) {
            return;
        }
        let attributes = one["metadata"].as_object().into_iter().flatten();
        changes.push(SfuEvent::ParticipantJoined(Participant {
            id: id.0.clone(),
            name: one["display"].as_str().unwrap_or_default().to_owned(),
            attributes: attributes
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
        }));
        self.others.insert(id, Vec::new());
    }

    fn publishes(&mut self, one: &Value, changes: &mut Vec<SfuEvent>) {
        let Some(id) = participant_id(&one["id"]) else {
            return;
        };
        let streams = one["streams"].as_array().into_iter().flatten();
        let now: Vec<Track> = streams.filter_map(|stream| track(&id, stream)).collect();
        let before = self.others.insert(id, now.clone()).unwrap_or_default();
        let gone = before.iter().filter(|t| !now.contains(t));
        changes.extend(gone.map(|t| SfuEvent::TrackRemoved(t.id.clone())));
        let new = now.into_iter().filter(|t| !before.contains(t));
        for track in new {
            let of_it = |stream: &&Value| {
                stream["mid"]
                    .as_str()
                    .map(|mid| track_id(&track.participant, mid))
                    == Some(track.id.clone())
            };
            let mut streams = one["streams"].as_array().into_iter().flatten();
            let muted = streams
                .find(of_it)
                .is_some_and(|it| it["moderated"] == true);
            let id = track.id.clone();
            changes.push(SfuEvent::TrackAdded(track));
            if muted {
                changes.push(SfuEvent::Muted { track: id, muted });
            }
        }
    }

    /// A moderator muted somebody, or does so no longer. Who mutes themselves is told to nobody.
    fn moderates(&self, data: &Value, changes: &mut Vec<SfuEvent>) {
        let muted = match data["moderation"].as_str() {
            Some("muted") => true,
            Some("unmuted") => false,
            _ => return,
        };
        if let (Some(id), Some(mid)) = (participant_id(&data["id"]), data["mid"].as_str())
            && self.others.contains_key(&id)
        {
            let track = track_id(&id, mid);
            changes.push(SfuEvent::Muted { track, muted });
        }
    }

    fn unpublishes(&mut self, id: &ParticipantId, changes: &mut Vec<SfuEvent>) {
        let tracks = self.others.get_mut(id).into_iter().flat_map(std::mem::take);
        changes.extend(tracks.map(|track| SfuEvent::TrackRemoved(track.id)));
    }

    fn leaves(&mut self, id: &ParticipantId, changes: &mut Vec<SfuEvent>) {
        self.unpublishes(id, changes);
        if self.others.remove(id).is_some() {
            changes.push(SfuEvent::ParticipantLeft(id.clone()));
        }
    }
}

/// Janus numbers its participants or names them; "ok" is neither, but its word for ourselves.
pub(super) fn participant_id(value: &Value) -> Option<ParticipantId> {
    match value {
        Value::Number(number) => Some(ParticipantId(number.to_string())),
        Value::String(name) if name != "ok" => Some(ParticipantId(name.clone())),
        _ => None,
    }
}

fn track(participant: &ParticipantId, stream: &Value) -> Option<Track> {
    if stream["disabled"] == true {
        return None;
    }
    let kind = match stream["type"].as_str()? {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "data" => MediaKind::Data,
        _ => return None,
    };
    Some(Track {
        id: track_id(participant, stream["mid"].as_str()?),
        participant: participant.clone(),
        kind,
    })
}

fn track_id(participant: &ParticipantId, mid: &str) -> TrackId {
    TrackId(format!("{participant}/{mid}"))
}

/// The publisher and mid that a track was made from.
pub(super) fn feed_and_mid(track: &TrackId) -> Option<(&str, &str)> {
    track.0.rsplit_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(changes: &[SfuEvent]) -> Vec<String> {
        changes
            .iter()
            .map(|change| match change {
                SfuEvent::ParticipantJoined(who) => format!("{} is {}", who.id, who.name),
                SfuEvent::ParticipantLeft(id) => format!("{id} left"),
                SfuEvent::TrackAdded(track) => format!("+{}", track.id),
                SfuEvent::TrackRemoved(id) => format!("-{id}"),
                SfuEvent::Talking { track, talking } => format!("{track} talks {talking}"),
                SfuEvent::Muted { track, muted } => format!("{track} muted {muted}"),
                SfuEvent::Expelled(reason) => format!("expelled: {reason}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_room_as_it_comes_and_goes() {
        let mut roster = Roster::default();
        let joined = json!({"videoroom": "joined", "id": "me",
            "attendees": [{"id": "q", "display": "Quiet"}],
            "publishers": [{"id": 5, "display": "Ann", "metadata": {"sip.callID": "x", "n": 1},
                "streams": [{"type": "audio", "mid": "0"}, {"type": "video", "mid": "1", "disabled": true}]}]});
        assert_eq!(
            told(&roster.apply(&joined)),
            ["q is Quiet", "5 is Ann", "+5/0"]
        );
        let publishes = json!({"videoroom": "event", "publishers": [{"id": "q", "display": "Quiet",
            "streams": [{"type": "audio", "mid": "a"}]}]});
        assert_eq!(told(&roster.apply(&publishes)), ["+q/a"]);
        assert_eq!(
            told(&roster.apply(&publishes)),
            [""; 0],
            "said twice is heard once"
        );
        let talks = json!({"videoroom": "talking", "id": "q", "mid": "a"});
        assert_eq!(told(&roster.apply(&talks)), ["q/a talks true"]);
        let unpublished = json!({"videoroom": "event", "unpublished": 5});
        assert_eq!(told(&roster.apply(&unpublished)), ["-5/0"]);
        let leaving = json!({"videoroom": "event", "leaving": "q"});
        assert_eq!(told(&roster.apply(&leaving)), ["-q/a", "q left"]);
        let destroyed = json!({"videoroom": "destroyed"});
        assert_eq!(
            told(&roster.apply(&destroyed)),
            ["expelled: the room was destroyed"]
        );
    }

    #[test]
    fn whom_a_moderator_mutes_is_told() {
        let mut roster = Roster::default();
        let joined = json!({"publishers": [{"id": "ann", "streams": [
            {"type": "audio", "mid": "0", "moderated": true}, {"type": "audio", "mid": "1"}]}]});
        let changes = roster.apply(&joined);
        let wanted = ["ann is ", "+ann/0", "ann/0 muted true", "+ann/1"];
        assert_eq!(told(&changes), wanted);
        for (word, muted) in [("unmuted", false), ("muted", true)] {
            let event = json!({"videoroom": "event", "id": "ann", "mid": "1", "moderation": word});
            let wanted = [format!("ann/1 muted {muted}")];
            assert_eq!(told(&roster.apply(&event)), wanted);
        }
        for nonsense in [
            json!({"videoroom": "event", "id": "me", "mid": "0", "moderation": "muted"}),
            json!({"videoroom": "event", "id": "ann", "mid": "0", "moderation": 7}),
            json!({"videoroom": "event", "id": "ann", "moderation": "muted"}),
        ] {
            assert_eq!(told(&roster.apply(&nonsense)), [""; 0]);
        }
    }

    #[test]
    fn what_was_missed_is_made_up_for() {
        let mut roster = Roster::default();
        roster.apply(&json!({"attendees": [{"id": "q"}, {"id": "gone"}],
            "publishers": [{"id": "ann", "streams": [{"type": "audio", "mid": "0"}]},
                {"id": "ben", "streams": [{"type": "audio", "mid": "0"}]}]}));
        let me = ParticipantId("me".to_owned());
        let now = json!({"videoroom": "participants", "participants": [
            {"id": "me", "publisher": true}, {"id": "q", "publisher": true},
            {"id": "ann", "publisher": true}, {"id": "ben", "publisher": false},
            {"id": "cid", "display": "Cid", "publisher": true}]});
        let (changes, unknown) = roster.resume(&me, &now).unwrap();
        assert_eq!(told(&changes), ["gone left", "-ben/0", "cid is Cid"]);
        assert_eq!(unknown, [json!("q"), json!("cid")]);
        let (changes, unknown) = roster.resume(&me, &now).unwrap();
        assert_eq!(
            (told(&changes).len(), unknown.len()),
            (0, 2),
            "once is enough"
        );
        let without_us = json!({"participants": [{"id": "ann", "publisher": true}]});
        assert!(roster.resume(&me, &without_us).is_none());
        assert!(roster.resume(&me, &json!({})).is_none());
    }

    #[test]
    fn being_thrown_out_ends_the_stay() {
        let mut roster = Roster::default();
        let kicked = json!({"videoroom": "event", "leaving": "ok", "reason": "kicked"});
        assert_eq!(
            told(&roster.apply(&kicked)),
            ["expelled: we were made to leave: kicked"]
        );
    }

    #[test]
    fn attributes_are_read_where_janus_has_them() {
        let mut roster = Roster::default();
        let changes =
            roster.apply(&json!({"joining": {"id": 1, "metadata": {"sip.callID": "x", "n": 1}}}));
        let [SfuEvent::ParticipantJoined(who)] = &changes[..] else {
            panic!()
        };
        assert_eq!(
            who.attributes.get("sip.callID").map(String::as_str),
            Some("x")
        );
        assert_eq!(who.attributes.len(), 1);
    }

    #[test]
    fn nonsense_changes_nothing() {
        let mut roster = Roster::default();
        for data in [
            json!(null),
            json!(7),
            json!({"publishers": 7, "joining": [], "leaving": {}}),
            json!({"publishers": [{"id": null}, {"streams": 3}, 9]}),
        ] {
            assert_eq!(told(&roster.apply(&data)), [""; 0]);
        }
    }
}
