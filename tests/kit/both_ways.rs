// SPDX-License-Identifier: MPL-2.0
//! A phone calls a room, and is called from there; each time both directions are heard for a turn of a talk.

use crate::phone::Phone;
use crate::scene::{GONE_WITHIN, Scene, Somebody};
use crate::talk::{ACQUAINTED, Talk};
use crate::worker::room_is_heard;
use anyhow::Result;
use serde_json::{Value, json};
use sip_worker::measure::Wave;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

/// Who talks where.
pub struct BothWays<'a> {
    pub scene: &'a Scene,
    pub room: &'a str,
    pub host: &'a Somebody<'a>,
    pub talk: &'a Talk,
    /// What the phone's user is called, in the room, too.
    pub name: &'a str,
}

impl BothWays<'_> {
    /// The phone dials, talks and hangs up. What the room heard; `agreed` has to hold of the call meanwhile.
    pub fn calls(
        &self,
        phone: &mut dyn Phone,
        uri: &str,
        turn: usize,
        agreed: impl Fn(&Value) -> bool,
    ) -> Result<Wave> {
        phone.dial(uri)?;
        phone.wait_established(SOON)?;
        let heard = self.scene.wait(self.host.hears(self.name, SOON))?;
        self.scene
            .worker
            .until_call("are connected", SOON, |call| {
                call["room"] == self.room
                    && call["state"] == "active"
                    && room_is_heard(call)
                    && agreed(call)
            })?;
        let from = self.talk.turn(self.scene, self.host, turn, ACQUAINTED);
        phone.hang_up()?;
        phone.wait_closed(SOON)?;
        self.host.sees_gone(self.name, GONE_WITHIN)?;
        Ok(self.talk.heard(&heard.recording, from))
    }

    /// The worker calls it, by a trunk or as one of its users, and hangs up when they have talked.
    pub fn is_called(
        &self,
        phone: &mut dyn Phone,
        trunk: Option<&str>,
        turn: usize,
        agreed: impl Fn(&Value) -> bool,
    ) -> Result<Wave> {
        let worker = &self.scene.worker;
        let id = worker.call(&json!({
            "to": self.name,
            "trunk": trunk,
            "room": self.room,
            "participant": "guest",
            "name": "Guest"
        }))?;
        phone.wait_established(SOON)?;
        let heard = self.scene.wait(self.host.hears("Guest", SOON))?;
        worker.until_call("are connected", SOON, |call| {
            call["id"] == *id && room_is_heard(call) && agreed(call)
        })?;
        let from = self.talk.turn(self.scene, self.host, turn, ACQUAINTED);
        worker.hang_up(&id)?;
        phone.wait_closed(SOON)?;
        self.host.sees_gone("Guest", GONE_WITHIN)?;
        Ok(self.talk.heard(&heard.recording, from))
    }
}
