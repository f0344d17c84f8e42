// SPDX-License-Identifier: MPL-2.0
//! The life of one call, either way: into its room, answered, attended to, ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstsipbridge::call::{Call as Leg, CallNotice, CallState, Subscription, TransferState};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::bridged;
use super::ending::Ending;
use super::limits::Place;
use super::meter::{Meter, RoomProbes};
use super::outage::{JOIN_WITHIN, Outage};
use super::stay::{Change, Stay};
use super::table::{Control, State};
use super::transfer::{self, TransferTarget};
use super::watch::MediaWatch;
use super::why::{self, Facts};
use crate::sfu::{Joined, Participant, Sfu, SfuError, SfuEvent};
use crate::worker::Worker;

/// A phone that rings this long without being answered is sent away (RFC 3261's timer C).
const RING_FOR: Duration = Duration::from_secs(180);
/// A phone that sends no packet for this long, though it should, is gone.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// So many of one name may be in a room.
const CALLED_THE_SAME: u32 = 20;

/// When to answer a phone that called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerWhen {
    /// As soon as the room can hear it.
    AtOnce,
    /// As soon as the room can hear it and it can hear somebody.
    OnParticipant,
    /// As soon as the room can hear it and somebody there accepts it, within this time.
    OnAccept(Duration),
    /// It is the phone that answers.
    Never,
}

/// What is to become of a call.
pub(super) struct Plan {
    pub(super) sfu: Arc<dyn Sfu>,
    pub(super) room: String,
    pub(super) who: Participant,
    pub(super) answer: AnswerWhen,
    pub(super) max_duration: Option<Duration>,
    /// Digits to send once answered.
    pub(super) dtmf: Option<String>,
}

/// How there comes to be a phone.
pub(super) enum Phone {
    /// It called and was told that it rings.
    There(Arc<Leg>),
    /// It is dialled once the room is entered.
    Dial(Box<dyn FnOnce() -> Result<Arc<Leg>, Ending> + Send>),
}

/// One call's task.
pub(super) struct Life {
    worker: Arc<Worker>,
    id: String,
    asked: mpsc::UnboundedReceiver<Control>,
    notices: mpsc::UnboundedReceiver<CallNotice>,
    notify: mpsc::UnboundedSender<CallNotice>,
    leg: Option<Arc<Leg>>,
    _following: Option<Subscription>,
    stay: Option<Stay>,
    published: bool,
    hearing: bool,
    accepted: bool,
    /// There while the SFU is away.
    outage: Option<Outage>,
    answering: bool,
    answered: Option<Instant>,
    /// False while the phone is not to send: we told it to hold, or it holds us without media.
    phone_sends: bool,
    /// The phone was asked to call somebody else, and may be silent meanwhile.
    transferring: bool,
    /// Whom it was asked to call last.
    transfer_to: Option<TransferTarget>,
    watch: MediaWatch,
    meter: Meter,
    muted: bool,
    /// Gives the trunk's place back when the call is over.
    _place: Place,
}

impl Life {
    pub(super) fn new(
        worker: Arc<Worker>,
        id: String,
        asked: mpsc::UnboundedReceiver<Control>,
        place: Place,
    ) -> Life {
        let (notify, notices) = mpsc::unbounded_channel();
        Life {
            meter: Meter::new(worker.clone(), id.clone()),
            worker,
            id,
            asked,
            notices,
            notify,
            leg: None,
            _following: None,
            stay: None,
            published: false,
            hearing: false,
            accepted: false,
            outage: None,
            answering: false,
            answered: None,
            phone_sends: true,
            transferring: false,
            transfer_to: None,
            watch: MediaWatch::new(SILENT_FOR, Instant::now()),
            muted: false,
            _place: place,
        }
    }

    /// Runs in a task of its own, and ends its call even if that task breaks down.
    pub(super) fn spawn(self, plan: Plan, phone: Phone) {
        let (worker, id) = (self.worker.clone(), self.id.clone());
        tokio::spawn(async move {
            if let Err(error) = tokio::spawn(self.run(plan, phone)).await {
                tracing::error!(call = id, %error, "a call's task broke down");
                worker.calls.end(
                    &id,
                    Some(500),
                    "an error inside the worker ended the call",
                    Instant::now(),
                );
            }
        });
    }

    async fn run(mut self, plan: Plan, phone: Phone) {
        let ending = match self.live(plan, phone).await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        // From now on nobody accepts it.
        self.worker.calls.update(&self.id, |info| info.rings = None);
        if let Some(leg) = &self.leg {
            // BYE, CANCEL or a refusal, whichever fits; nothing where the phone ended it.
            let refusal = self.answered.is_none().then_some(480);
            leg.hangup(ending.code.or(refusal), Some(ending.phrase()));
        }
        let ended = Instant::now();
        if let Some(leg) = &self.leg {
            let probes = self.stay.as_ref().map(Stay::probes);
            self.meter.finish(leg, probes).await;
        }
        let sentence = self.sentence(&ending, ended);
        if let Some(stay) = self.stay.take() {
            stay.end().await;
        }
        tracing::info!(
            call = self.id,
            code = ending.code,
            why = sentence,
            "call over"
        );
        self.worker
            .calls
            .end(&self.id, ending.code, &sentence, Instant::now());
    }

    /// How it ended, and which hop was at fault if its media were bad.
    fn sentence(&self, ending: &Ending, ended: Instant) -> String {
        let calls = &self.worker.calls;
        let (Some(answered), Some(leg)) = (self.answered, &self.leg) else {
            return ending.why.clone();
        };
        let (Some(info), Some(figures)) = (calls.get(&self.id), calls.figures(&self.id)) else {
            return ending.why.clone();
        };
        let ladder = leg.signalling().ladder();
        let facts = Facts {
            trunk: info.user.as_deref().unwrap_or(&info.trunk),
            sfu: &info.sfu,
            lasted: ended.saturating_duration_since(answered),
            phone_sends: self.phone_sends,
            muted: self.muted,
            signalling: ladder.last().map(|step| step.remote.ip()),
            figures: &figures,
        };
        why::why(&ending.why, &facts)
    }

    async fn live(
        &mut self,
        mut plan: Plan,
        phone: Phone,
    ) -> Result<std::convert::Infallible, Ending> {
        let dial = match phone {
            Phone::There(leg) => {
                self.follow(leg);
                None
            }
            Phone::Dial(dial) => Some(dial),
        };
        let joined = self.join(&mut plan).await?;
        let (session, mut room) = (joined.session, Some(joined.events));
        let means = self.worker.means(&self.id, plan.sfu.name(), &plan.room);
        let (stay, mut inside) = Stay::begin(session, means);
        if let Some(info) = self.worker.calls.get(&self.id) {
            stay.tell_state(info.state);
        }
        self.stay = Some(stay);
        if let Some(dial) = dial {
            self.follow(dial()?);
            self.advance(State::Dialling);
        }

        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let begun = Instant::now();
        loop {
            let change = tokio::select! {
                Some(notice) = self.notices.recv() => {
                    self.on_notice(notice, &plan)?;
                    Change::None
                }
                Some(control) = self.asked.recv() => {
                    if let Control::Enter(name) = control {
                        room = None;
                        self.enter(name, &mut plan);
                    } else {
                        self.on_control(control)?;
                    }
                    Change::None
                }
                event = next_event(&mut room) => {
                    self.stay.as_mut().map_or(Change::None, |stay| stay.on_room(event))
                }
                Some(event) = inside.recv() => {
                    self.stay.as_mut().map_or(Change::None, |stay| stay.on_inside(event))
                }
                joined = Outage::next(&mut self.outage) => {
                    let Joined { session, events } = joined?;
                    room = Some(events);
                    if let Some(stay) = &mut self.stay {
                        stay.come_back(session);
                    }
                    Change::None
                }
                _ = tick.tick() => {
                    self.on_tick(&plan, begun)?;
                    Change::None
                }
            };
            match change {
                Change::None => {}
                Change::Published => {
                    self.is_back();
                    self.published = true;
                    if self.muted
                        && let Some(stay) = &mut self.stay
                    {
                        stay.mute(true);
                    }
                }
                Change::Hearing => self.hearing = true,
                Change::Lost(ending) => {
                    room = None;
                    self.lose(ending, &plan)?;
                }
                Change::Key { digit, ms } => self.press(digit, ms),
                Change::Over(ending) => return Err(ending),
            }
            self.answer_if_due(plan.answer);
        }
    }

    /// Leaves its room for another.
    fn enter(&mut self, room: String, plan: &mut Plan) {
        plan.room = room;
        self.worker.calls.update(&self.id, |info| {
            info.room.clone_from(&plan.room);
            info.away = Some("it is entering another room".to_owned());
        });
        self.outage = Some(Outage::moving(plan.sfu.clone(), &plan.room, &plan.who));
        (self.published, self.hearing) = (false, false);
        if let Some(stay) = &mut self.stay {
            stay.lose();
        }
    }

    /// Begins to wait for an SFU that is away, where the call was in its room already.
    fn lose(&mut self, ending: Ending, plan: &Plan) -> Result<(), Ending> {
        match &mut self.outage {
            Some(outage) => outage.again(),
            None if self.published => {
                tracing::warn!(call = self.id, why = ending.why, "the call's room is away");
                let why = Some(ending.why.clone());
                self.worker.calls.update(&self.id, |info| info.away = why);
                let sfu = plan.sfu.clone();
                self.outage = Some(Outage::begin(sfu, &plan.room, &plan.who, ending.why));
            }
            None => return Err(ending),
        }
        // A phone that is not answered yet waits for its room with the rest.
        (self.published, self.hearing) = (false, false);
        if let Some(stay) = &mut self.stay {
            stay.lose();
        }
        Ok(())
    }

    /// The room hears the phone: if it was away, it is not any more.
    fn is_back(&mut self) {
        if let Some(outage) = self.outage.take() {
            let lasted = outage.lasted();
            tracing::info!(call = self.id, ?lasted, "the call is back in its room");
            self.worker.calls.update(&self.id, |info| info.away = None);
        }
    }

    /// Enters the room, unless the phone or somebody else gives up first. Where somebody there is called the same,
    /// a number tells the two apart: more than one phone may call under one number.
    async fn join(&mut self, plan: &mut Plan) -> Result<Joined, Ending> {
        let wanted = plan.who.id.clone();
        for number in 2..=CALLED_THE_SAME {
            match self.try_to_join(plan).await? {
                Err(SfuError::Taken { .. }) => plan.who.id = format!("{wanted}-{number}"),
                joined => return Ok(joined?),
            }
            let who = plan.who.id.clone();
            self.worker
                .calls
                .update(&self.id, |info| info.participant = who);
        }
        Ok(self.try_to_join(plan).await??)
    }

    async fn try_to_join(&mut self, plan: &Plan) -> Result<Result<Joined, SfuError>, Ending> {
        let join = timeout(JOIN_WITHIN, plan.sfu.join(&plan.room, plan.who.clone()));
        tokio::pin!(join);
        loop {
            tokio::select! {
                joined = &mut join => {
                    let late = || Ending::new(503, format!("the SFU {} let nobody in for 10 s", plan.sfu.name()));
                    return joined.map_err(|_| late());
                }
                Some(notice) = self.notices.recv() => self.on_notice(notice, plan)?,
                Some(control) = self.asked.recv() => self.on_control(control)?,
            }
        }
    }

    /// From now on this is the call's phone.
    fn follow(&mut self, leg: Arc<Leg>) {
        let notify = self.notify.clone();
        let following = leg.subscribe(Box::new(move |notice| {
            // The call may be over already.
            let _ = notify.send(notice.clone());
        }));
        self._following = Some(following);
        // What happened before we listened. The channel is ours and open.
        let state = leg.state();
        let before = match leg.end() {
            Some(end) => CallNotice::Ended(end),
            None => CallNotice::State {
                state,
                code: 0,
                reason: String::new(),
            },
        };
        let _ = self.notify.send(before);
        self.worker.calls.signalled(&self.id, leg.signalling());
        self.worker.burden.watch(&leg);
        self.leg = Some(leg);
    }

    /// The call is this far; its room is told, too.
    fn advance(&self, to: State) {
        self.worker.calls.advance(&self.id, to, Instant::now());
        if let Some(stay) = &self.stay {
            stay.tell_state(to);
        }
    }

    /// The phone hears a key that somebody in its room pressed, once it is answered.
    fn press(&self, digit: char, ms: Option<u32>) {
        if let Some(leg) = self.leg.as_ref().filter(|_| self.answered.is_some()) {
            let ms = ms.unwrap_or(DIGIT_MS).clamp(SHORTEST_MS, LONGEST_MS);
            send_digits(leg, &digit.to_string(), ms);
        }
    }

    fn on_notice(&mut self, notice: CallNotice, plan: &Plan) -> Result<(), Ending> {
        let calls = &self.worker.calls;
        // Of a call out it is known only when the INVITE is sent.
        let sip_call_id = self.leg.as_ref().map(|leg| leg.sip_call_id());
        if let Some(sip_call_id) = sip_call_id.filter(|id| !id.is_empty()) {
            calls.update(&self.id, |info| info.sip_call_id = Some(sip_call_id));
        }
        match notice {
            CallNotice::State {
                state: CallState::Ringing | CallState::EarlyMedia,
                ..
            } => {
                self.advance(State::Ringing);
            }
            CallNotice::State {
                state: CallState::Answered,
                ..
            } => {
                self.advance(State::Active);
                if self.answered.is_none() {
                    self.answered = Some(Instant::now());
                    self.watch = MediaWatch::new(SILENT_FOR, Instant::now());
                    if let (Some(leg), Some(digits)) = (&self.leg, &plan.dtmf) {
                        send_digits(leg, digits, DIGIT_MS);
                    }
                }
            }
            CallNotice::Media {
                codec, direction, ..
            } => {
                self.phone_sends = matches!(direction, "sendrecv" | "recvonly");
                let held = self.leg.as_ref().is_some_and(|leg| leg.is_held());
                let dtmf = self.leg.as_ref().and_then(|leg| leg.digit_form());
                calls.update(&self.id, |info| {
                    info.codec = Some(codec.to_owned());
                    info.dtmf = dtmf.map(|form| form.as_str().to_owned());
                    info.held = held;
                    info.held_by_phone = matches!(direction, "recvonly" | "inactive");
                });
            }
            CallNotice::Digit {
                digit,
                duration_ms,
                form,
            } => {
                calls.digit(&self.id, digit, duration_ms, form);
                if let Some(stay) = &self.stay {
                    stay.tell_key(digit, duration_ms);
                }
            }
            CallNotice::Transfer {
                state,
                code,
                reason,
            } => {
                self.transferring = !state.is_last();
                let refused = state == TransferState::Refused && bridged::is_refusal(code);
                let to = self.transfer_to.take_if(|_| state.is_last());
                match to.filter(|_| refused).zip(calls.get(&self.id)) {
                    Some((to, info)) => bridged::begin(&self.worker, &info, &to, &reason),
                    None => transfer::tell(calls, &self.id, state, code, reason),
                }
            }
            CallNotice::TransferRequested(request) => {
                if let (Some(leg), Some(info)) = (&self.leg, calls.get(&self.id)) {
                    transfer::take(&self.worker, leg, &info, &request);
                }
            }
            CallNotice::Ended(end) => {
                return Err(Ending {
                    code: end.code,
                    why: end.reason,
                });
            }
            CallNotice::State { .. } | CallNotice::FirstMedia => {}
        }
        Ok(())
    }

    fn on_control(&mut self, control: Control) -> Result<(), Ending> {
        match control {
            Control::HangUp(why) => return Err(Ending::asked(why)),
            Control::Dtmf { digits, ms } => {
                if let Some(leg) = &self.leg {
                    send_digits(leg, &digits, ms);
                }
            }
            Control::Hold(hold) => {
                if let Some(leg) = &self.leg {
                    leg.hold(hold);
                    let held = leg.is_held();
                    self.worker.calls.update(&self.id, |info| info.held = held);
                }
            }
            Control::Transfer(target) => {
                transfer::ask(&self.worker, &self.id, self.leg.as_ref(), &target);
                self.transfer_to = Some(target);
            }
            // While it is on its way into its first room, nobody asks it into another.
            Control::Enter(_) => {}
            Control::Accept => self.accepted = true,
            Control::Decline(why) => return Err(Ending::new(603, why)),
            Control::Mute(muted) => {
                self.muted = muted;
                if let Some(stay) = &mut self.stay {
                    stay.mute(muted);
                }
                self.worker
                    .calls
                    .update(&self.id, |info| info.muted = muted);
            }
        }
        Ok(())
    }

    fn on_tick(&mut self, plan: &Plan, begun: Instant) -> Result<(), Ending> {
        let now = Instant::now();
        let Some(answered) = self.answered else {
            let (within, verb) = match plan.answer {
                AnswerWhen::OnAccept(within) if !self.accepted => (within, "accepted"),
                _ => (RING_FOR, "answered"),
            };
            if now.saturating_duration_since(begun) >= within {
                let why = format!("it rang for {} s and nobody {verb}", within.as_secs());
                return Err(Ending::new(480, why));
            }
            return Ok(());
        };
        if plan
            .max_duration
            .is_some_and(|most| now.saturating_duration_since(answered) >= most)
        {
            return Err(Ending::asked("its trunk's max_duration is over"));
        }
        if let Some(leg) = &self.leg {
            let packets = leg.stats().map_or(0, |stats| stats.packets_received);
            self.meter.tick(leg, || match &self.stay {
                Some(stay) => stay.probes(),
                None => RoomProbes::default(),
            });
            if let Some(silent) =
                self.watch
                    .check(packets, self.phone_sends && !self.transferring, now)
            {
                let why = format!("the phone sent no audio for {} s", silent.as_secs());
                return Err(Ending::new(408, why));
            }
        }
        Ok(())
    }

    fn answer_if_due(&mut self, when: AnswerWhen) {
        let due = match when {
            AnswerWhen::AtOnce => self.published,
            AnswerWhen::OnParticipant => self.published && self.hearing,
            AnswerWhen::OnAccept(_) => self.published && self.accepted,
            AnswerWhen::Never => false,
        };
        if due
            && !self.answering
            && let Some(leg) = &self.leg
        {
            self.answering = true;
            leg.answer();
        }
    }
}

/// What happens in the room; nothing while the call is in none.
async fn next_event(room: &mut Option<mpsc::UnboundedReceiver<SfuEvent>>) -> SfuEvent {
    match room {
        Some(events) => {
            let ended = || SfuEvent::Lost("its connection ended".to_owned());
            events.recv().await.unwrap_or_else(ended)
        }
        None => std::future::pending().await,
    }
}

/// Length of a digit where none is asked for.
pub const DIGIT_MS: u32 = 160;
/// Shorter ones are missed, and longer ones keep a phone's line from all that follows.
const SHORTEST_MS: u32 = 40;
const LONGEST_MS: u32 = 2_000;

fn send_digits(leg: &Leg, digits: &str, ms: u32) {
    if let Err(error) = leg.send_dtmf(digits, ms) {
        tracing::warn!(%error, "digits were not sent");
    }
}
