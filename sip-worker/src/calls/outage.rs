// SPDX-License-Identifier: MPL-2.0
//! The SFU is away: how long a call waits for it, and how it gets back into its room.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::ending::Ending;
use crate::sfu::{BoxFuture, Joined, Participant, Sfu, SfuError};

/// A room that takes longer to enter is not entered.
pub(super) const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// Between attempts to get back in. Short, for an SFU that cannot be reached says so without being
/// asked each time; and not the same for all, so that a thousand calls do not come at once.
const PAUSE: std::ops::Range<Duration> = Duration::from_millis(100)..Duration::from_millis(300);

/// One outage, from the moment it is noticed until the room hears the phone again.
pub(super) struct Outage {
    began: Instant,
    patience: Duration,
    sfu: Arc<dyn Sfu>,
    room: String,
    who: Participant,
    /// What was lost first.
    why: String,
    /// None while the room is entered and media are under way.
    returning: Option<BoxFuture<'static, Result<Joined, SfuError>>>,
}

impl Outage {
    /// Begins to look for the SFU. `why` says what was lost.
    pub(super) fn begin(sfu: Arc<dyn Sfu>, room: &str, who: &Participant, why: String) -> Outage {
        let mut outage = Outage {
            began: Instant::now(),
            patience: sfu.outage_patience(),
            sfu,
            room: room.to_owned(),
            who: who.clone(),
            why,
            returning: None,
        };
        outage.again();
        outage
    }

    /// Begins to enter another room, of an SFU that is there.
    pub(super) fn moving(sfu: Arc<dyn Sfu>, room: &str, who: &Participant) -> Outage {
        let why = format!("the room {room} could not be entered");
        let mut outage = Outage::begin(sfu, room, who, why);
        outage.patience = outage.patience.max(JOIN_WITHIN);
        outage
    }

    /// Looks for it once more: what was entered did not last.
    pub(super) fn again(&mut self) {
        let (sfu, room, who) = (self.sfu.clone(), self.room.clone(), self.who.clone());
        self.returning = Some(Box::pin(enter(sfu, room, who)));
    }

    /// For how long it has lasted.
    pub(super) fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until `outage`, if there is one, lets the call back in, or ends it. May be dropped and
    /// called again.
    pub(super) async fn next(outage: &mut Option<Outage>) -> Result<Joined, Ending> {
        let Some(outage) = outage else {
            return std::future::pending().await;
        };
        let over = sleep_until(outage.began + outage.patience);
        let returned = async {
            match &mut outage.returning {
                Some(returning) => returning.await,
                None => std::future::pending().await,
            }
        };
        let returned = tokio::select! {
            // Somebody with no patience at all does not even look.
            biased;
            () = over => None,
            returned = returned => Some(returned),
        };
        outage.returning = None;
        match returned {
            Some(returned) => Ok(returned?),
            None => Err(Ending::new(
                503,
                match outage.patience {
                    Duration::ZERO => outage.why.clone(),
                    patience => format!(
                        "{}; the SFU {} was not back within its patience of {} s",
                        outage.why,
                        outage.sfu.name(),
                        patience.as_secs()
                    ),
                },
            )),
        }
    }
}

/// Tries to enter the room until it is entered, or refused for good.
async fn enter(sfu: Arc<dyn Sfu>, room: String, who: Participant) -> Result<Joined, SfuError> {
    loop {
        sleep(rand::random_range(PAUSE)).await;
        match timeout(JOIN_WITHIN, sfu.join(&room, who.clone())).await {
            Ok(Ok(joined)) => return Ok(joined),
            Ok(Err(error)) if is_for_good(&error) => return Err(error),
            Ok(Err(error)) => tracing::debug!(room, %error, "not back in the room yet"),
            Err(_) => tracing::debug!(room, "the SFU does not let us in"),
        }
    }
}

/// The call was in the room before, so that most of what keeps it out passes: an SFU that is not up
/// yet, a room that is yet to be made anew, our own former self that is yet to be forgotten.
fn is_for_good(error: &SfuError) -> bool {
    matches!(
        error,
        SfuError::Forbidden { .. } | SfuError::Unsupported { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sfu::testing::Absent;
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    const LONG: Duration = Duration::from_secs(600);

    /// Is back after so many attempts.
    struct Away {
        patience: Duration,
        answers: Mutex<Vec<SfuError>>,
    }

    impl Away {
        fn outage(patience: Duration, answers: Vec<SfuError>) -> Option<Outage> {
            let sfu = Arc::new(Away {
                patience,
                answers: Mutex::new(answers),
            });
            let who = Participant::default();
            let why = "the SFU is lost: it closed the connection".to_owned();
            Some(Outage::begin(sfu, "lobby", &who, why))
        }
    }

    impl Sfu for Away {
        fn name(&self) -> &str {
            "main"
        }

        fn outage_patience(&self) -> Duration {
            self.patience
        }

        fn check(&self) -> BoxFuture<'_, Result<(), SfuError>> {
            Box::pin(async { Ok(()) })
        }

        fn join(&self, _: &str, _: Participant) -> BoxFuture<'_, Result<Joined, SfuError>> {
            Box::pin(async {
                match self.answers.lock().unwrap().pop() {
                    Some(error) => Err(error),
                    None => Ok(Joined {
                        session: Arc::new(Absent),
                        events: mpsc::unbounded_channel().1,
                    }),
                }
            })
        }
    }

    fn unreachable() -> SfuError {
        SfuError::Unreachable {
            sfu: "main".into(),
            url: "ws://127.0.0.1:1".into(),
            reason: "connection refused".into(),
        }
    }

    async fn ending(outage: &mut Option<Outage>) -> Ending {
        match Outage::next(outage).await {
            Ok(_) => panic!("nobody lets it in"),
            Err(ending) => ending,
        }
    }

    #[tokio::test]
    async fn it_tries_until_it_is_let_in() {
        let mut outage = Away::outage(LONG, vec![unreachable(); 3]);
        // As a call's loop does: whatever else happens, the attempts go on.
        let joined = loop {
            tokio::select! {
                joined = Outage::next(&mut outage) => break joined,
                () = sleep(Duration::from_millis(7)) => {}
            }
        };
        assert!(joined.is_ok());
        let lasted = outage.as_ref().map(Outage::lasted);
        assert!(
            lasted >= Some(PAUSE.start * 4),
            "a pause before each attempt"
        );
        // Entered, and nothing more of it; unless it is lost again.
        let quiet = timeout(PAUSE.end, Outage::next(&mut outage));
        assert!(quiet.await.is_err());
        outage.as_mut().unwrap().again();
        assert!(Outage::next(&mut outage).await.is_ok());
    }

    #[tokio::test]
    async fn patience_runs_out_even_when_it_comes_back_and_is_lost_again() {
        let mut outage = Away::outage(Duration::from_secs(1), Vec::new());
        let began = Instant::now();
        let ending = loop {
            match Outage::next(&mut outage).await {
                Ok(_) => outage.as_mut().unwrap().again(),
                Err(ending) => break ending,
            }
        };
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(ending.code, Some(503));
        assert_eq!(
            ending.why,
            "the SFU is lost: it closed the connection; the SFU main was not back within its patience of 1 s"
        );
    }

    #[tokio::test]
    async fn without_patience_it_ends_at_once() {
        let mut outage = Away::outage(Duration::ZERO, Vec::new());
        let ending = ending(&mut outage).await;
        assert_eq!(ending.why, "the SFU is lost: it closed the connection");
    }

    #[tokio::test]
    async fn who_is_not_let_in_any_more_does_not_wait() {
        let refusal = SfuError::Forbidden {
            sfu: "main".into(),
            reason: "wrong PIN".into(),
        };
        let mut outage = Away::outage(LONG, vec![refusal, unreachable()]);
        assert_eq!(ending(&mut outage).await.code, Some(403));
    }

    #[tokio::test]
    async fn no_outage_is_no_event() {
        let mut none = None;
        let nothing = timeout(PAUSE.end, Outage::next(&mut none));
        assert!(nothing.await.is_err());
    }
}
