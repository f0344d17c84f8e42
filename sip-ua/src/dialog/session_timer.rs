// SPDX-License-Identifier: MPL-2.0
//! Session timers (RFC 4028): a call whose far end vanished without a BYE does not last for ever.

use std::time::{Duration, Instant};

use crate::wire::{HeaderName, Headers};

/// What this side wants of session timers. They are kept where the far end knows them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// How long a session may go without a refresh. Zero asks for no timer; one that the far end asks
    /// for is kept all the same.
    pub interval: Duration,
    /// The shortest interval agreed to. Never below [`SessionTimer::LEAST`].
    pub min_se: Duration,
    /// Who is to refresh.
    pub refresher: Refresher,
}

/// Who refreshes a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Refresher {
    /// Whoever asked for the timer, unless the far end chooses otherwise.
    #[default]
    Either,
    /// This side.
    Us,
    /// The far end.
    Them,
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    interval: Duration,
    /// We refresh.
    ours: bool,
}

/// What a session refresh request of theirs comes to (§9).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// 422, with this many seconds in Min-SE.
    TooShort(u32),
    /// No timer runs.
    None,
    /// A timer runs, and the 2xx says so.
    Keep {
        agreed: Agreed,
        /// The far end knows the extension, so the 2xx may require it.
        known: bool,
    },
}

/// Whom Session-Expires makes the refresher, in terms of the transaction it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Uac,
    Uas,
}

impl SessionTimer {
    /// The option tag.
    pub(crate) const OPTION: &str = "timer";

    /// No interval may be shorter (§5).
    pub const LEAST: Duration = Duration::from_secs(90);

    fn least(&self) -> Duration {
        self.min_se.max(SessionTimer::LEAST)
    }

    /// Writes into a session refresh request of ours what we ask for (§7.1). `floor` is what a 422
    /// asked for before.
    pub(crate) fn ask(
        &self,
        agreed: Option<Agreed>,
        floor: Option<Duration>,
        headers: &mut Headers,
    ) {
        headers.push(HeaderName::Supported, SessionTimer::OPTION);
        let least = self.least().max(floor.unwrap_or_default());
        let role = match (agreed, self.refresher) {
            (Some(Agreed { ours: true, .. }), _) | (None, Refresher::Us) => Some(Role::Uac),
            (Some(Agreed { ours: false, .. }), _) | (None, Refresher::Them) => Some(Role::Uas),
            (None, Refresher::Either) => None,
        };
        let interval = agreed.map_or(self.interval, |agreed| agreed.interval);
        if interval.is_zero() {
            return;
        }
        headers.push(
            HeaderName::SessionExpires,
            session_expires(interval.max(least), role),
        );
        // Not needed for the default, but after a 422 (§7.4).
        if least > SessionTimer::LEAST || floor.is_some() {
            headers.push(HeaderName::MinSe, seconds(least));
        }
    }

    /// What the 2xx to a session refresh request of ours means (§7.2).
    pub(crate) fn answered(before: Option<Agreed>, headers: &Headers) -> Option<Agreed> {
        let Some((interval, role)) = read(headers) else {
            // The far end keeps no timer. Where we refreshed so far we go on: it costs nothing, and
            // a far end that merely forgot the header still waits for it.
            return before.filter(|agreed| agreed.ours);
        };
        let ours = role != Some(Role::Uas);
        Some(Agreed { interval, ours })
    }

    /// What a session refresh request of theirs comes to (§9, table 2).
    pub(crate) fn judge(&self, agreed: Option<Agreed>, headers: &Headers) -> Judgement {
        let known = headers.lists(HeaderName::Supported, SessionTimer::OPTION)
            || headers.lists(HeaderName::Require, SessionTimer::OPTION);
        let theirs = min_se(headers).unwrap_or(SessionTimer::LEAST);
        let Some((asked, role)) = read(headers) else {
            let (interval, ours) = match agreed {
                Some(Agreed { interval, ours }) => (interval, ours || !known),
                None if known && !self.interval.is_zero() => {
                    let interval = self.interval.max(self.least()).max(theirs);
                    (interval, self.refresher != Refresher::Them)
                }
                None => return Judgement::None,
            };
            let agreed = Agreed { interval, ours };
            return Judgement::Keep { agreed, known };
        };
        // A 422 would mean nothing to whoever does not know the extension; a proxy put it there.
        if known && asked < self.least() {
            return Judgement::TooShort(seconds(self.least()));
        }
        // It may be shortened, but neither below what they bear nor ever lengthened.
        let wanted = if self.interval.is_zero() {
            asked
        } else {
            self.interval
        };
        let interval = wanted.max(self.least()).max(theirs).min(asked);
        let ours = match role {
            _ if !known => true,
            Some(role) => role == Role::Uas,
            None => self.refresher == Refresher::Us,
        };
        let agreed = Agreed { interval, ours };
        Judgement::Keep { agreed, known }
    }
}

impl Default for SessionTimer {
    /// Half an hour, as §4 recommends.
    fn default() -> Self {
        SessionTimer {
            interval: Duration::from_secs(1_800),
            min_se: SessionTimer::LEAST,
            refresher: Refresher::Either,
        }
    }
}

impl Agreed {
    /// Writes it into a 2xx of ours.
    pub(crate) fn answer(&self, known: bool, headers: &mut Headers) {
        let role = if self.ours { Role::Uas } else { Role::Uac };
        headers.push(
            HeaderName::SessionExpires,
            session_expires(self.interval, Some(role)),
        );
        if known {
            headers.push(HeaderName::Require, SessionTimer::OPTION);
        }
    }
}

/// The Min-SE of a message.
pub(crate) fn min_se(headers: &Headers) -> Option<Duration> {
    let value = headers.get(HeaderName::MinSe)?;
    let (seconds, _) = delta(value)?;
    Some(Duration::from_secs(seconds.into()))
}

fn read(headers: &Headers) -> Option<(Duration, Option<Role>)> {
    let (seconds, params) = delta(headers.get(HeaderName::SessionExpires)?)?;
    let role = params.split(|octet| *octet == b';').find_map(|param| {
        let text = std::str::from_utf8(param).ok()?;
        let (name, value) = text.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("refresher") {
            return None;
        }
        match value.trim() {
            role if role.eq_ignore_ascii_case("uac") => Some(Role::Uac),
            role if role.eq_ignore_ascii_case("uas") => Some(Role::Uas),
            _ => None,
        }
    });
    (seconds > 0).then(|| (Duration::from_secs(seconds.into()), role))
}

/// A number of seconds and the parameters behind it.
fn delta(value: &[u8]) -> Option<(u32, &[u8])> {
    let end = value.iter().position(|octet| *octet == b';');
    let (number, params) = match end {
        Some(at) => (value.get(..at)?, value.get(at + 1..)?),
        None => (value, &[][..]),
    };
    let number = std::str::from_utf8(number).ok()?.trim().parse().ok()?;
    Some((number, params))
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn session_expires(interval: Duration, role: Option<Role>) -> String {
    let seconds = seconds(interval);
    match role {
        None => seconds.to_string(),
        Some(Role::Uac) => format!("{seconds};refresher=uac"),
        Some(Role::Uas) => format!("{seconds};refresher=uas"),
    }
}

/// The timer of a session that is up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    agreed: Agreed,
    /// When we refresh next.
    refresh_at: Option<Instant>,
    /// When the session is given up.
    expires_at: Instant,
}

/// What a session's timer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Refresh,
    /// Nobody refreshed it in time.
    Expired,
}

impl Running {
    /// From a 2xx on, sent or received.
    pub(crate) fn start(now: Instant, agreed: Agreed) -> Running {
        let interval = agreed.interval;
        // Whoever waits for the other hangs up a little earlier, so that both agree that it is over
        // (§10).
        let early = (interval / 3).min(Duration::from_secs(32));
        Running {
            agreed,
            refresh_at: agreed.ours.then(|| now + interval / 2),
            expires_at: if agreed.ours {
                now + interval
            } else {
                now + interval - early
            },
        }
    }

    pub(crate) fn agreed(&self) -> Agreed {
        self.agreed
    }

    /// The whole interval in seconds, and whether refreshing it was our part: for people.
    pub(crate) fn terms(&self) -> (u64, bool) {
        (self.agreed.interval.as_secs(), self.agreed.ours)
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.refresh_at
            .map_or(self.expires_at, |at| at.min(self.expires_at))
    }

    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        if self.expires_at <= now {
            return Some(Due::Expired);
        }
        self.refresh_at
            .is_some_and(|at| at <= now)
            .then_some(Due::Refresh)
    }

    /// A refresh is on its way: the next is due when its answer says so.
    pub(crate) fn refreshing(&mut self) {
        self.refresh_at = None;
    }

    /// It could not be sent, or was refused: again while there is time.
    pub(crate) fn again(&mut self, now: Instant) {
        if self.agreed.ours {
            let left = self.expires_at.saturating_duration_since(now);
            self.refresh_at = Some(now + (left / 4).max(Duration::from_secs(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: SessionTimer = SessionTimer {
        interval: Duration::from_secs(600),
        min_se: Duration::from_secs(120),
        refresher: Refresher::Either,
    };

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, *value);
        }
        headers
    }

    /// What stands in the 2xx to a request with these headers.
    fn answer(us: SessionTimer, before: Option<Agreed>, lines: &[(&str, &str)]) -> String {
        match us.judge(before, &headers(lines)) {
            Judgement::TooShort(seconds) => format!("422 {seconds}"),
            Judgement::None => "none".to_owned(),
            Judgement::Keep { agreed, known } => {
                let mut answer = Headers::new();
                agreed.answer(known, &mut answer);
                let said = answer.get(HeaderName::SessionExpires).unwrap();
                let mut said = String::from_utf8(said.to_vec()).unwrap();
                if answer.lists(HeaderName::Require, "timer") {
                    said.push_str(" required");
                }
                said
            }
        }
    }

    const KNOWN: (&str, &str) = ("Supported", "100rel, timer");

    #[test]
    fn answers_follow_table_two() {
        let expires = |value| ("Session-Expires", value);
        for (lines, said) in [
            (vec![], "none"),
            (vec![KNOWN], "600;refresher=uas required"),
            (vec![KNOWN, expires("400")], "400;refresher=uac required"),
            (vec![KNOWN, expires("1800")], "600;refresher=uac required"),
            (
                vec![KNOWN, expires("1800 ; Refresher=UAS")],
                "600;refresher=uas required",
            ),
            (
                vec![KNOWN, expires("1800;refresher=uac"), ("Min-SE", "900")],
                "900;refresher=uac required",
            ),
            (vec![KNOWN, expires("100")], "422 120"),
            // A proxy asked for it: the UAC cannot refresh, and would not understand a 422.
            (vec![expires("100")], "100;refresher=uas"),
            (vec![expires("700;refresher=uac")], "600;refresher=uas"),
            (
                vec![("x", "400"), ("k", "timer")],
                "400;refresher=uac required",
            ),
            // What cannot be read is not there.
            (vec![expires("soon")], "none"),
            (vec![expires("0")], "none"),
            (vec![expires("99999999999")], "none"),
        ] {
            assert_eq!(answer(US, None, &lines), said, "{lines:?}");
        }
    }

    #[test]
    fn a_refresh_that_says_nothing_keeps_what_was_agreed() {
        let before = |ours| {
            Some(Agreed {
                interval: Duration::from_secs(300),
                ours,
            })
        };
        assert_eq!(
            answer(US, before(true), &[KNOWN]),
            "300;refresher=uas required"
        );
        assert_eq!(
            answer(US, before(false), &[KNOWN]),
            "300;refresher=uac required"
        );
        assert_eq!(answer(US, before(false), &[]), "300;refresher=uas");
    }

    #[test]
    fn who_refreshes_can_be_chosen() {
        let ours = SessionTimer {
            refresher: Refresher::Us,
            ..US
        };
        let theirs = SessionTimer {
            refresher: Refresher::Them,
            ..US
        };
        let asked = [KNOWN, ("Session-Expires", "600")];
        assert_eq!(answer(ours, None, &asked), "600;refresher=uas required");
        assert_eq!(answer(theirs, None, &asked), "600;refresher=uac required");
        assert_eq!(answer(theirs, None, &[KNOWN]), "600;refresher=uac required");
        let asks = |timer: SessionTimer| {
            let mut headers = Headers::new();
            timer.ask(None, None, &mut headers);
            String::from_utf8(headers.get(HeaderName::SessionExpires).unwrap().to_vec()).unwrap()
        };
        assert_eq!(asks(US), "600");
        assert_eq!(asks(ours), "600;refresher=uac");
        assert_eq!(asks(theirs), "600;refresher=uas");
    }

    #[test]
    fn zero_asks_for_nothing_and_keeps_what_is_asked() {
        let off = SessionTimer {
            interval: Duration::ZERO,
            ..US
        };
        let mut asked = Headers::new();
        off.ask(None, None, &mut asked);
        assert!(!asked.contains(HeaderName::SessionExpires));
        assert!(asked.lists(HeaderName::Supported, "timer"));
        assert_eq!(answer(off, None, &[KNOWN]), "none");
        let theirs = [KNOWN, ("Session-Expires", "1800")];
        assert_eq!(answer(off, None, &theirs), "1800;refresher=uac required");
    }

    #[test]
    fn a_422_raises_what_is_asked() {
        let mut asked = Headers::new();
        US.ask(None, Some(Duration::from_secs(900)), &mut asked);
        assert_eq!(asked.get(HeaderName::SessionExpires), Some(&b"900"[..]));
        assert_eq!(asked.get(HeaderName::MinSe), Some(&b"900"[..]));
    }

    #[test]
    fn the_one_who_waits_gives_up_before_the_one_who_refreshes() {
        let now = Instant::now();
        let running = |ours, secs| {
            let interval = Duration::from_secs(secs);
            Running::start(now, Agreed { interval, ours })
        };
        let at = |seconds: u64| now + Duration::from_secs(seconds);
        let ours = running(true, 90);
        assert_eq!(ours.poll_timeout(), at(45));
        assert_eq!(ours.due(at(44)), None);
        assert_eq!(ours.due(at(45)), Some(Due::Refresh));
        assert_eq!(ours.due(at(90)), Some(Due::Expired));
        assert_eq!(running(false, 90).poll_timeout(), at(60));
        assert_eq!(running(false, 1_800).poll_timeout(), at(1_768));
        let mut refused = ours;
        refused.refreshing();
        assert_eq!(refused.poll_timeout(), at(90));
        refused.again(at(50));
        assert_eq!(refused.poll_timeout(), at(60));
    }
}
