// SPDX-License-Identifier: MPL-2.0
//! What is known of every call: running ones, and the last ones that ended with the reason why.

mod info;
mod measured;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gstsipbridge::call::{DigitForm, Signalling};
use tokio::sync::{broadcast, mpsc};

pub use info::{CallInfo, Control, Direction, Event, State};
pub use measured::{Ladder, MediaTotals, Stream};

use super::figures::Figures;
use super::opinions::BothOpinions;

/// Ended calls that are remembered. Older ones make room for newer ones.
const ENDED_KEPT: usize = 500;
/// For how long an ended call is remembered.
const ENDED_KEPT_FOR: Duration = Duration::from_secs(3600);
/// Events a slow reader may fall behind before it is told that some were lost.
const EVENT_BACKLOG: usize = 1024;

struct Entry {
    info: CallInfo,
    figures: Option<Figures>,
    signalling: Option<Signalling>,
    control: mpsc::UnboundedSender<Control>,
    began: Instant,
    answered: Option<Instant>,
    ended: Option<Instant>,
}

#[derive(Default)]
struct Inner {
    calls: HashMap<String, Entry>,
    /// Ended calls, the oldest first.
    ended: VecDeque<String>,
    totals: Totals,
    /// Of calls that are over.
    opinions: BothOpinions,
    /// Of calls that are in the table no more.
    forgotten_media: MediaTotals,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls in that were accepted as far as a table entry.
    pub incoming: u64,
    /// Calls out that passed their trunk's limits.
    pub outgoing: u64,
    /// Calls that became active.
    pub answered: u64,
    /// Calls that ended.
    pub ended: u64,
    /// Calls in that were refused before they were anything else.
    pub refused: u64,
}

/// All calls of this worker. Shared by reference; every method is short and never waits.
pub struct CallTable {
    inner: Mutex<Inner>,
    events: broadcast::Sender<Event>,
}

impl Default for CallTable {
    fn default() -> Self {
        CallTable {
            inner: Mutex::default(),
            events: broadcast::channel(EVENT_BACKLOG).0,
        }
    }
}

impl CallTable {
    /// Enters a call. Its task reads what others ask of it from the receiver.
    pub fn insert(&self, info: CallInfo, began: Instant) -> mpsc::UnboundedReceiver<Control> {
        let (control, asked) = mpsc::unbounded_channel();
        let mut inner = self.lock();
        match info.direction {
            Direction::In => inner.totals.incoming += 1,
            Direction::Out => inner.totals.outgoing += 1,
        }
        self.publish(&info);
        let entry = Entry {
            info: info.clone(),
            figures: None,
            signalling: None,
            control,
            began,
            answered: None,
            ended: None,
        };
        inner.calls.insert(info.id, entry);
        asked
    }

    /// Enters a call that is over already: it was refused with this code for this reason.
    pub fn refused(&self, info: CallInfo, signalling: Option<Signalling>, now: Instant) {
        let (control, _) = mpsc::unbounded_channel();
        let mut inner = self.lock();
        inner.totals.refused += 1;
        self.publish(&info);
        inner.ended.push_back(info.id.clone());
        let entry = Entry {
            info: info.clone(),
            figures: None,
            signalling,
            control,
            began: now,
            answered: None,
            ended: Some(now),
        };
        inner.calls.insert(info.id, entry);
        inner.forget_old(now);
    }

    /// Changes a call's description and tells the event stream if anything differs.
    pub fn update(&self, id: &str, change: impl FnOnce(&mut CallInfo)) {
        let mut inner = self.lock();
        let Some(entry) = inner.calls.get_mut(id) else {
            return;
        };
        if entry.ended.is_some() {
            return;
        }
        let before = entry.info.clone();
        change(&mut entry.info);
        if entry.info != before {
            self.publish(&entry.info);
        }
    }

    /// Moves a call on. Going backwards is ignored: a 180 may overtake a 200 in our own queues.
    pub fn advance(&self, id: &str, to: State, now: Instant) {
        let mut inner = self.lock();
        let Some(entry) = inner.calls.get_mut(id) else {
            return;
        };
        if to <= entry.info.state || to == State::Ended {
            return;
        }
        entry.info.state = to;
        let after_ms = now.saturating_duration_since(entry.began).as_secs_f64() * 1000.0;
        let answered = to == State::Active;
        if to == State::Ringing {
            entry.info.ringing_after_ms.get_or_insert(after_ms);
        }
        if answered {
            entry.answered = Some(now);
            entry.info.answered_after_ms.get_or_insert(after_ms);
        }
        self.publish(&entry.info);
        if answered {
            inner.totals.answered += 1;
        }
    }

    /// Ends a call. The first reason given stays.
    pub fn end(&self, id: &str, code: Option<u16>, why: &str, now: Instant) {
        let mut locked = self.lock();
        let inner = &mut *locked;
        let Some(entry) = inner.calls.get_mut(id) else {
            return;
        };
        if entry.ended.is_some() {
            return;
        }
        entry.ended = Some(now);
        entry.info.state = State::Ended;
        entry.info.rings = None;
        entry.info.code = code;
        entry.info.why = Some(why.to_owned());
        entry.info.seconds = entry
            .answered
            .map(|at| now.saturating_duration_since(at).as_secs_f64());
        self.publish(&entry.info);
        if let Some(figures) = &entry.figures {
            inner.opinions.add(figures);
        }
        inner.totals.ended += 1;
        inner.ended.push_back(id.to_owned());
        inner.forget_old(now);
    }

    /// Reports a key press to the event stream.
    pub fn digit(&self, id: &str, digit: char, ms: u32, form: DigitForm) {
        self.send(Event::Dtmf {
            id: id.to_owned(),
            digit,
            ms,
            form: form.as_str(),
        });
    }

    /// Asks something of a running call; false where there is no such call or it is over.
    pub fn ask(&self, id: &str, what: Control) -> bool {
        let inner = self.lock();
        inner
            .calls
            .get(id)
            .is_some_and(|entry| entry.ended.is_none() && entry.control.send(what).is_ok())
    }

    /// Accepts or declines a call that waits for that; false where it does not (any more), so that one
    /// alone of those who are rung does.
    pub fn settle(&self, id: &str, what: Control) -> bool {
        let mut inner = self.lock();
        let entry = inner.calls.get_mut(id);
        let Some(entry) = entry.filter(|entry| entry.ended.is_none()) else {
            return false;
        };
        if entry.info.rings.take().is_none() {
            return false;
        }
        let asked = entry.control.send(what).is_ok();
        self.publish(&entry.info);
        asked
    }

    /// Asks the same of every running call; returns how many there are.
    pub fn ask_all(&self, what: &Control) -> usize {
        let inner = self.lock();
        inner
            .calls
            .values()
            .filter(|e| e.ended.is_none() && e.control.send(what.clone()).is_ok())
            .count()
    }

    /// One call.
    pub fn get(&self, id: &str) -> Option<CallInfo> {
        self.lock()
            .calls
            .get(id)
            .map(|entry| entry.shown(Instant::now()))
    }

    /// All calls, the newest first.
    pub fn list(&self) -> Vec<CallInfo> {
        let now = Instant::now();
        let mut calls: Vec<_> = self
            .lock()
            .calls
            .values()
            .map(|entry| entry.shown(now))
            .collect();
        calls.sort_by(|a, b| {
            b.started_at
                .total_cmp(&a.started_at)
                .then_with(|| a.id.cmp(&b.id))
        });
        calls
    }

    /// The calls in a room that have not ended, the oldest first.
    pub fn running_in(&self, sfu: &str, room: &str) -> Vec<CallInfo> {
        let now = Instant::now();
        let inner = self.lock();
        let here = |entry: &&Entry| {
            entry.ended.is_none() && entry.info.room == room && entry.info.sfu == sfu
        };
        let running = inner.calls.values().filter(here);
        let mut calls: Vec<_> = running.map(|entry| entry.shown(now)).collect();
        calls.sort_by(|a, b| a.started_at.total_cmp(&b.started_at));
        calls
    }

    /// How many calls have not ended.
    pub fn running(&self) -> usize {
        let inner = self.lock();
        inner.calls.len() - inner.ended.len()
    }

    /// Counters since the start.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// How calls that are over sounded.
    pub fn opinions(&self) -> BothOpinions {
        self.lock().opinions
    }

    /// Every change from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, info: &CallInfo) {
        self.send(Event::Call {
            call: Box::new(info.clone()),
        });
    }

    /// Tells the event stream what is no call's own.
    pub fn tell(&self, event: Event) {
        self.send(event);
    }

    fn send(&self, event: Event) {
        // Fails only while nobody listens.
        let _ = self.events.send(event);
    }
}

impl Entry {
    fn shown(&self, now: Instant) -> CallInfo {
        let mut info = self.info.clone();
        info.media = self.figures.clone();
        if let (None, Some(answered)) = (self.ended, self.answered) {
            info.seconds = Some(now.saturating_duration_since(answered).as_secs_f64());
        }
        info
    }
}

impl Inner {
    fn forget_old(&mut self, now: Instant) {
        while let Some(oldest) = self.ended.front() {
            let expired = self
                .calls
                .get(oldest)
                .and_then(|entry| entry.ended)
                .is_none_or(|ended| now.saturating_duration_since(ended) > ENDED_KEPT_FOR);
            if !expired && self.ended.len() <= ENDED_KEPT {
                return;
            }
            let forgotten = self.ended.pop_front().and_then(|id| self.calls.remove(&id));
            if let Some(figures) = forgotten.and_then(|entry| entry.figures) {
                self.forgotten_media += &figures;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> CallInfo {
        CallInfo {
            id: id.into(),
            state: State::Dialling,
            from: "alice".into(),
            to: "room".into(),
            trunk: "lab".into(),
            sfu: "main".into(),
            room: "room".into(),
            participant: "alice".into(),
            ..CallInfo::begun(Direction::In)
        }
    }

    #[test]
    fn a_call_moves_forward_only_and_keeps_its_first_reason() {
        let table = CallTable::default();
        let t0 = Instant::now();
        let _asked = table.insert(call("a"), t0);
        table.advance("a", State::Active, t0 + Duration::from_millis(40));
        table.advance("a", State::Ringing, t0 + Duration::from_millis(50));
        assert_eq!(table.get("a").unwrap().state, State::Active);
        assert_eq!(table.get("a").unwrap().answered_after_ms, Some(40.0));
        table.end(
            "a",
            Some(200),
            "the phone hung up",
            t0 + Duration::from_millis(1040),
        );
        table.end(
            "a",
            None,
            "another reason",
            t0 + Duration::from_millis(2000),
        );
        let info = table.get("a").unwrap();
        assert_eq!(info.why.as_deref(), Some("the phone hung up"));
        assert_eq!(info.seconds, Some(1.0));
        assert_eq!(
            table.totals(),
            Totals {
                incoming: 1,
                outgoing: 0,
                answered: 1,
                ended: 1,
                refused: 0
            }
        );
        assert_eq!(table.running(), 0);
    }

    #[test]
    fn only_a_running_call_can_be_asked_anything() {
        let table = CallTable::default();
        let mut asked = table.insert(call("a"), Instant::now());
        assert!(table.ask("a", Control::Mute(true)));
        assert_eq!(asked.try_recv().unwrap(), Control::Mute(true));
        assert!(!table.ask("b", Control::Mute(true)));
        table.end("a", None, "over", Instant::now());
        assert!(!table.ask("a", Control::Mute(false)));
    }

    #[test]
    fn a_call_that_rings_is_accepted_or_declined_once() {
        let table = CallTable::default();
        let rings = |names: &[&str]| CallInfo {
            rings: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..call("a")
        };
        assert!(rings(&[]).rings_for(None) && rings(&["desk-*"]).rings_for(Some("desk-1")));
        assert!(!rings(&["ann"]).rings_for(None) && !rings(&["ann"]).rings_for(Some("bob")));
        let mut asked = table.insert(rings(&["ann"]), Instant::now());
        assert!(table.settle("a", Control::Accept));
        assert_eq!(asked.try_recv().unwrap(), Control::Accept);
        assert!(!table.settle("a", Control::Decline("late".into())));
        assert!(!table.get("a").unwrap().rings_for(Some("ann")));
        assert_eq!(table.running_in("main", "room").len(), 1);
        table.end("a", None, "over", Instant::now());
        assert!(table.running_in("main", "room").is_empty());
    }

    #[test]
    fn ended_calls_are_remembered_within_bounds() {
        let table = CallTable::default();
        let now = Instant::now();
        for n in 0..ENDED_KEPT + 7 {
            let id = n.to_string();
            let _asked = table.insert(call(&id), now);
            table.end(&id, None, "over", now);
        }
        assert_eq!(table.list().len(), ENDED_KEPT);
        assert!(table.get("0").is_none());
        let _asked = table.insert(call("late"), now);
        table.end(
            "late",
            None,
            "over",
            now + ENDED_KEPT_FOR + Duration::from_secs(1),
        );
        assert_eq!(table.list().len(), 1);
    }

    #[test]
    fn each_change_is_one_event_and_no_change_is_none() {
        let table = CallTable::default();
        let mut events = table.subscribe();
        let _asked = table.insert(call("a"), Instant::now());
        table.update("a", |info| info.codec = Some("opus".into()));
        table.update("a", |info| info.codec = Some("opus".into()));
        table.digit("a", '5', 100, DigitForm::Info);
        let seen: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert_eq!(seen.len(), 3);
        let json = serde_json::to_string(&seen[2]).unwrap();
        let wanted = r#"{"type":"dtmf","id":"a","digit":"5","ms":100,"form":"info"}"#;
        assert_eq!(json, wanted);
    }
}
