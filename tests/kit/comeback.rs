// SPDX-License-Identifier: MPL-2.0
//! An SFU is away for a while, and its calls outlast that: what a phone and the room say to each other once all is
//! whole again, and what the phone hears meanwhile.

use crate::comfort;
use crate::speech::Speech;
use anyhow::{Result, ensure};
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH, Wave};
use sip_worker::webrtc::participant::RoomParticipant;
use std::time::{Duration, Instant};

/// For so long a server that was killed is not there.
pub const AWAY: Duration = Duration::from_secs(5);
/// Once it is, so soon everybody hears and is heard again.
pub const BACK_WITHIN: Duration = Duration::from_secs(3);
const WORDS: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_secs(1);

/// What Alice, by phone, and then the host of the room say.
pub struct Afterwards {
    scenario: &'static str,
    /// When Alice speaks, after the answer: everything that is to break has broken, and is whole again.
    speaks_at: Duration,
    alice_says: Speech,
    host_says: Speech,
}

impl Afterwards {
    pub fn new(scenario: &'static str, speaks_at: Duration) -> Result<Afterwards> {
        Ok(Afterwards {
            scenario,
            speaks_at,
            alice_says: Speech::stretch(PHONE_SPEECH, Duration::ZERO, WORDS)?,
            host_says: Speech::stretch(ROOM_SPEECH, Duration::ZERO, WORDS)?,
        })
    }

    /// When it is the host's turn, after the answer.
    fn hosts_turn(&self) -> Duration {
        self.speaks_at + self.alice_says.wave.duration() + PAUSE
    }

    /// What Alice's phone plays from the answer on. When that ends, it hangs up.
    pub fn alice_plays(&self) -> Wave {
        let hosts = self.host_says.wave.duration() + 2 * PAUSE;
        self.alice_says.between(self.speaks_at, hosts)
    }

    /// What the phone of somebody plays who only listens.
    pub fn listener_plays(&self) -> Wave {
        Wave::silence(48_000, self.alice_plays().duration())
    }

    /// Has the host speak in turn. Fails if Alice speaks already, for then something of her is lost.
    pub fn host_answers(&self, host: &RoomParticipant, answered: Instant) -> Result<()> {
        ensure!(
            answered.elapsed() < self.speaks_at,
            "all this took {:?}, and Alice speaks already",
            answered.elapsed()
        );
        host.say(&self.host_says.wave, answered + self.hosts_turn());
        Ok(())
    }

    /// Fails unless the room heard Alice.
    pub fn assert_room_heard(&self, heard: &Wave) -> Result<()> {
        self.alice_says
            .assert_heard_in(heard, self.scenario, "alice to the room")
            .map(drop)
    }

    /// Fails unless Alice heard the host, and not herself.
    pub fn assert_alice_heard(&self, heard: &Wave) -> Result<()> {
        ensure!(
            self.alice_says.marker.find(heard).is_none(),
            "Alice hears herself"
        );
        self.assert_host_heard(heard, "the room to alice")
    }

    /// Fails unless somebody who listened by phone heard both.
    pub fn assert_listener_heard(&self, heard: &Wave, name: &str) -> Result<()> {
        let last = heard.slice(self.speaks_at, heard.duration());
        self.alice_says
            .assert_heard_in(&last, self.scenario, &format!("alice to {name}"))?;
        self.assert_host_heard(heard, &format!("the room to {name}"))
    }

    fn assert_host_heard(&self, heard: &Wave, direction: &str) -> Result<()> {
        let last = heard.slice(self.hosts_turn() - PAUSE, heard.duration());
        self.host_says
            .assert_heard_in(&last, self.scenario, direction)
            .map(drop)
    }

    /// Fails unless the line is silent again before Alice speaks.
    pub fn assert_noise_is_over(&self, heard: &Wave, margin: Duration) -> Result<()> {
        comfort::assert_is_over(&heard.slice(self.speaks_at - margin, self.speaks_at))
    }
}

/// Something was broken, from one moment to the other.
pub struct Outage {
    pub began: Instant,
    pub over: Instant,
}

impl Outage {
    /// Fails unless a phone whose call was answered then heard comfort noise all the time, but for as long as it
    /// may take to be noticed.
    pub fn assert_bridged(
        &self,
        heard: &Wave,
        answered: Instant,
        noticed_within: Duration,
    ) -> Result<()> {
        let from = self.began - answered + noticed_within;
        comfort::assert_is(&heard.slice(from, self.over - answered))
    }
}
