// SPDX-License-Identifier: MPL-2.0
//! A phone and somebody in the room talk, turn by turn: each time both speak for as long as the phone's
//! refrain takes.

use crate::refrain::Refrain;
use crate::scene::{Scene, Somebody};
use crate::speech::Speech;
use anyhow::{Context as _, Result};
use sip_worker::measure::{ROOM_SPEECH, Wave};
use sip_worker::webrtc::participant::Recording;
use std::time::{Duration, Instant};

/// What the room says each time.
const WORDS: Duration = Duration::from_millis(1_500);
/// Until the jitter buffers of a new connection know its delay, which takes them two seconds, and the mixer
/// has followed: where its first packets were held up on a busy machine, that costs a moment of sound.
pub const ACQUAINTED: Duration = Duration::from_secs(3);

/// What both say.
pub struct Talk {
    pub phone_says: Refrain,
    /// Turn by turn.
    pub room_says: Vec<Speech>,
}

impl Talk {
    pub fn new(turns: u32) -> Result<Talk> {
        let room_says = (0..turns)
            .map(|turn| Speech::stretch(ROOM_SPEECH, WORDS * turn, WORDS))
            .collect::<Result<Vec<_>>>()?;
        Ok(Talk {
            phone_says: Refrain::new()?,
            room_says,
        })
    }

    /// One turn, begun `after` this; returns when that was, once it is over.
    pub fn turn(
        &self,
        scene: &Scene,
        host: &Somebody<'_>,
        turn: usize,
        after: Duration,
    ) -> Instant {
        let from = Instant::now() + after;
        host.say(&self.room_says[turn].wave, from);
        scene.pass(from + self.phone_says.stretch());
        from
    }

    /// What both said was heard, turn by turn in the room and by the phone in all of them.
    pub fn assert_heard(
        &self,
        scenario: &str,
        name: &str,
        in_room: &[Wave],
        by_phone: &Wave,
    ) -> Result<()> {
        for (turn, heard) in in_room.iter().enumerate() {
            let direction = format!("{name} to room, turn {turn}");
            let in_room = self.phone_says.assert_heard_in(heard, scenario, &direction);
            in_room.context("in the room")?;
            let direction = format!("room to {name}, turn {turn}");
            self.room_says[turn].assert_heard_in(by_phone, scenario, &direction)?;
        }
        Ok(())
    }

    /// What was recorded in the turn that began then.
    pub fn heard(&self, recording: &Recording, from: Instant) -> Wave {
        recording.between(from, from + self.phone_says.stretch())
    }
}
