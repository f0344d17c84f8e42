// SPDX-License-Identifier: MPL-2.0
//! One registration, from the first REGISTER to the last.

use std::time::{Duration, Instant};

use super::answer::{granted, number, pause, phrase};
use super::schedule::{flow_retry_after, refresh_after, retry_after};
use super::{Account, RegistrationState};
use crate::dialog::MAX_FORWARDS;
use crate::digest::Auth;
use crate::wire::{CSeq, Core, HeaderName, Method, NameAddr, Request, Response, Scheme, Uri};

/// How often a registrar may ask for a longer interval before it is one that cannot be pleased.
const MAX_BRIEF: u8 = 3;
/// The longest interval that a registrar may insist on.
const MAX_MIN_EXPIRES: u32 = 7 * 24 * 3600;

/// What comes of an input.
#[derive(Debug, PartialEq)]
#[must_use]
pub(crate) struct Step {
    /// News, if there are any.
    pub(crate) tell: Option<RegistrationState>,
    pub(crate) then: Then,
}

/// What the registration wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing before [`Registration::poll_timeout`].
    Wait,
    /// Find out where the registrar is, and call [`Registration::located`].
    Locate,
    /// Send what [`Registration::request`] gives.
    Send,
    /// Forget it.
    Over,
}

impl Step {
    fn silent(then: Then) -> Step {
        Step { tell: None, then }
    }

    fn telling(state: RegistrationState, then: Then) -> Step {
        Step {
            tell: Some(state),
            then,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The registrar's address is being looked for.
    Locating,
    /// A REGISTER is under way that was sent again with credentials so often.
    Asking {
        attempts: u8,
        brief: u8,
    },
    /// Registered until it is time to refresh.
    Bound {
        refresh_at: Instant,
    },
    /// After a failure.
    Pausing {
        until: Instant,
    },
    /// The REGISTER that takes the binding back is under way.
    Leaving {
        attempts: u8,
    },
    Over,
}

#[derive(Debug)]
pub(crate) struct Registration {
    account: Account,
    auth: Option<Auth>,
    phase: Phase,
    call_id: String,
    from_tag: String,
    number: u32,
    /// Seconds to ask for; a 423 raises them.
    expires: u32,
    /// The registrar may hold a binding of ours.
    bound: bool,
    failures: u32,
    /// The connection that it was registered over broke, and it is not registered again yet.
    recovering: bool,
    /// How often in a row that happened before the connection had proved to be of use (RFC 5626
    /// §4.5).
    flow_failures: u32,
    /// It is to end as soon as what is under way allows.
    stopping: bool,
}

impl Registration {
    /// Begins with [`Then::Locate`] and [`RegistrationState::Registering`]. `call_id` and `from_tag`
    /// are random tokens.
    pub(crate) fn new(account: Account, call_id: String, from_tag: String) -> Registration {
        // Zero would mean to leave.
        let expires = account.expires.as_secs().clamp(1, u64::from(u32::MAX));
        Registration {
            auth: account.credentials.clone().map(Auth::new),
            account,
            phase: Phase::Locating,
            call_id,
            from_tag,
            number: 0,
            expires: u32::try_from(expires).unwrap_or(u32::MAX),
            bound: false,
            failures: 0,
            recovering: false,
            flow_failures: 0,
            stopping: false,
        }
    }

    /// The address that is registered.
    pub(crate) fn aor(&self) -> &Uri {
        &self.account.aor.uri
    }

    /// A REGISTER is under way that anybody waits for.
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking { .. }) && !self.stopping
    }

    /// The user part that our Contact has.
    pub(crate) fn user(&self) -> Option<Vec<u8>> {
        self.account.aor.uri.user_decoded()
    }

    /// The registrar is to be reached over TLS all of the way.
    pub(crate) fn is_secure(&self) -> bool {
        self.account.registrar.scheme == Scheme::Sips
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Bound { refresh_at } => Some(refresh_at),
            Phase::Pausing { until } => Some(until),
            _ => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Step {
        match self.phase {
            Phase::Bound { refresh_at } if refresh_at <= now => {
                self.phase = Phase::Asking {
                    attempts: 0,
                    brief: 0,
                };
                Step::silent(Then::Send)
            }
            Phase::Pausing { until } if until <= now => {
                self.phase = Phase::Locating;
                Step::telling(RegistrationState::Registering, Then::Locate)
            }
            _ => Step::silent(Then::Wait),
        }
    }

    /// It is to be looked for again before the next REGISTER, for where it is now is not where it
    /// should be. The binding that there is stays.
    pub(crate) fn locate_again(&mut self) -> bool {
        let due = matches!(
            self.phase,
            Phase::Asking {
                attempts: 0,
                brief: 0
            }
        );
        if due && !self.stopping {
            self.phase = Phase::Locating;
        }
        due && !self.stopping
    }

    /// The REGISTER under way goes to another server, which knows nothing of the former's challenges.
    /// False if none is under way that anybody waits for.
    pub(crate) fn elsewhere(&mut self) -> bool {
        match &mut self.phase {
            Phase::Asking { attempts, .. } if !self.stopping => {
                *attempts = 0;
                true
            }
            _ => false,
        }
    }

    /// The registrar was found, or why not.
    pub(crate) fn located(&mut self, now: Instant, found: Result<(), String>, roll: u32) -> Step {
        if self.phase != Phase::Locating {
            return Step::silent(Then::Wait);
        }
        match found {
            Ok(()) => {
                self.phase = Phase::Asking {
                    attempts: 0,
                    brief: 0,
                };
                Step::silent(Then::Send)
            }
            Err(reason) => self.fail(now, None, reason, None, roll),
        }
    }

    /// The REGISTER to send now, but for its Via. `contact` is where we can be reached. The error is
    /// a sentence; it is to be given to [`unsendable`](Self::unsendable).
    pub(crate) fn request(&mut self, contact: &NameAddr) -> Result<Request, String> {
        let mut uri = self.account.registrar.clone();
        // §10.2: neither user part nor what belongs to other uses of a URI.
        (uri.user, uri.password, uri.headers) = (None, None, None);
        uri.params.remove("method");
        self.number += 1;
        let mut from = self.account.aor.clone();
        let to = from.clone();
        from.set_tag(self.from_tag.as_bytes());
        let mut request = Request::new(Method::Register, uri);
        let headers = &mut request.headers;
        for proxy in &self.account.route {
            headers.push(HeaderName::Route, proxy);
        }
        headers.push(HeaderName::MaxForwards, u32::from(MAX_FORWARDS));
        headers.push(HeaderName::From, &from);
        headers.push(HeaderName::To, &to);
        headers.push(HeaderName::CallId, self.call_id.as_str());
        headers.push(
            HeaderName::CSeq,
            &CSeq {
                number: self.number,
                method: Method::Register,
            },
        );
        headers.push(HeaderName::Contact, contact);
        headers.push(HeaderName::Expires, self.asks_for());
        if let Some(auth) = &mut self.auth {
            auth.apply(&mut request)
                .map_err(|error| error.to_string())?;
        }
        Ok(request)
    }

    /// The seconds that the REGISTER under way asks for.
    fn asks_for(&self) -> u32 {
        match self.phase {
            Phase::Leaving { .. } => 0,
            _ => self.expires,
        }
    }

    /// What [`request`](Self::request) gave could not be sent.
    pub(crate) fn unsendable(&mut self, now: Instant, reason: String, roll: u32) -> Step {
        self.fail(now, None, reason, None, roll)
    }

    /// A final response to the REGISTER under way; `contact` is the one it carried.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        response: &Response,
        core: &Core,
        contact: &NameAddr,
        roll: u32,
    ) -> Step {
        if core.cseq.number != self.number {
            return Step::silent(Then::Wait);
        }
        let status = response.status;
        if let Some(auth) = self.auth.as_mut().filter(|_| (200..300).contains(&status)) {
            auth.accepted(response);
        }
        match (self.phase, status) {
            (Phase::Asking { .. }, 200..300) => {
                self.granted(now, granted(core, contact, self.expires), roll)
            }
            (Phase::Asking { attempts, brief }, 401 | 407) => {
                match self.challenged(response, attempts) {
                    Ok(()) => {
                        self.phase = Phase::Asking {
                            attempts: attempts + 1,
                            brief,
                        };
                        Step::silent(Then::Send)
                    }
                    Err(reason) => self.fail(now, Some(status), reason, None, roll),
                }
            }
            (Phase::Asking { attempts, brief }, 423) => {
                let wanted = number(response, HeaderName::MinExpires)
                    .filter(|min| *min > self.expires && *min <= MAX_MIN_EXPIRES);
                match wanted.filter(|_| brief < MAX_BRIEF) {
                    Some(min) => {
                        self.expires = min;
                        self.phase = Phase::Asking {
                            attempts,
                            brief: brief + 1,
                        };
                        Step::silent(Then::Send)
                    }
                    None => {
                        let asked = self.expires;
                        let reason = format!(
                            "the registrar finds {asked} s too brief and names no usable minimum \
                             (423 {})",
                            phrase(response)
                        );
                        self.fail(now, Some(status), reason, None, roll)
                    }
                }
            }
            (Phase::Asking { .. }, _) => {
                let reason = format!("the registrar answered {status} {}", phrase(response));
                self.fail(now, Some(status), reason, pause(response), roll)
            }
            (Phase::Leaving { attempts }, 401 | 407) => match self.challenged(response, attempts) {
                Ok(()) => {
                    self.phase = Phase::Leaving {
                        attempts: attempts + 1,
                    };
                    Step::silent(Then::Send)
                }
                Err(_) => self.over(),
            },
            (Phase::Leaving { .. }, _) => self.over(),
            _ => Step::silent(Then::Wait),
        }
    }

    /// The connection that it is registered over broke. Where that had proved to be of use, another
    /// takes its place at once (RFC 5626 §4.5).
    pub(crate) fn flow_lost(
        &mut self,
        now: Instant,
        proven: bool,
        reason: String,
        roll: u32,
    ) -> Step {
        let Phase::Bound { .. } = self.phase else {
            return Step::silent(Then::Wait);
        };
        self.recovering = true;
        if !proven {
            return self.fail(now, None, reason, None, roll);
        }
        self.flow_failures = 0;
        self.phase = Phase::Locating;
        Step::telling(RegistrationState::Registering, Then::Locate)
    }

    /// No final response came.
    pub(crate) fn unanswered(&mut self, now: Instant, reason: String, roll: u32) -> Step {
        match self.phase {
            // Whoever does not answer now will not answer the next.
            Phase::Leaving { .. } => self.over(),
            Phase::Asking { .. } if self.stopping => self.over(),
            Phase::Asking { .. } => self.fail(now, None, reason, None, roll),
            _ => Step::silent(Then::Wait),
        }
    }

    /// Takes the binding back, if there is one, and ends.
    pub(crate) fn stop(&mut self) -> Step {
        self.stopping = true;
        match self.phase {
            // No new request while one is under way (§10.2).
            Phase::Asking { .. } | Phase::Leaving { .. } => Step::silent(Then::Wait),
            Phase::Over => Step::silent(Then::Wait),
            _ => self.leave(),
        }
    }

    fn leave(&mut self) -> Step {
        if !self.bound {
            return self.over();
        }
        self.phase = Phase::Leaving { attempts: 0 };
        Step::silent(Then::Send)
    }

    fn over(&mut self) -> Step {
        self.phase = Phase::Over;
        Step::telling(RegistrationState::Unregistered, Then::Over)
    }

    fn challenged(&mut self, response: &Response, attempts: u8) -> Result<(), String> {
        let status = response.status;
        let Some(auth) = &mut self.auth else {
            return Err(format!(
                "the registrar asks for a user name and password ({status})"
            ));
        };
        auth.challenged(response, attempts)
            .map_err(|error| error.to_string())
    }

    fn granted(&mut self, now: Instant, seconds: u32, roll: u32) -> Step {
        self.bound = seconds > 0;
        if self.stopping {
            return self.leave();
        }
        if seconds == 0 {
            let reason = "the registrar accepted the request but holds no binding".to_owned();
            return self.fail(now, None, reason, None, roll);
        }
        (self.failures, self.recovering) = (0, false);
        let granted = Duration::from_secs(seconds.into());
        self.phase = Phase::Bound {
            refresh_at: now + refresh_after(granted, roll),
        };
        let expires_at = now + granted;
        Step::telling(RegistrationState::Registered { expires_at }, Then::Wait)
    }

    fn fail(
        &mut self,
        now: Instant,
        status: Option<u16>,
        reason: String,
        asked: Option<Duration>,
        roll: u32,
    ) -> Step {
        if self.stopping {
            // A refused refresh leaves the binding that there was.
            return match self.phase {
                Phase::Asking { .. } => self.leave(),
                _ => self.over(),
            };
        }
        self.failures = self.failures.saturating_add(1);
        let pause = match self.recovering && status.is_none() {
            true => {
                self.flow_failures = self.flow_failures.saturating_add(1);
                flow_retry_after(self.flow_failures, roll)
            }
            false => retry_after(status, asked, self.failures, roll),
        };
        let retry_at = now + pause;
        self.phase = Phase::Pausing { until: retry_at };
        let state = RegistrationState::Failed {
            status,
            reason,
            retry_at,
        };
        Step::telling(state, Then::Wait)
    }
}
