// SPDX-License-Identifier: MPL-2.0
//! A lone phone hears somebody whom the SFU could not give it at first: a refusal that may pass is asked about again.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::house::House;
use sipbridge_tests::ports;
use sipbridge_tests::process::Process;
use sipbridge_tests::rtp_pair::{Taker, say};
use sipbridge_tests::scene::{NUMBER, open_house};
use sipbridge_tests::scripted::{Scripted, response};
use sipbridge_tests::speech::Speech;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SCENARIO: &str = "a_track_is_asked_for_again";
const SOON: Duration = Duration::from_secs(10);
const SSRC: u32 = 4_711;
const PAYLOAD_TYPE: u8 = 96;

/// What the server had started, and how often it was asked for the track.
#[derive(Default)]
struct Far {
    taker: Option<Taker>,
    giver: Option<Process>,
    asked: usize,
}

#[test]
fn what_failed_once_is_heard() -> Result<()> {
    steadily(|| {
        let room_says = Speech::room()?;
        let far = Arc::<Mutex<Far>>::default();
        let server = Scripted::start({
            let far = far.clone();
            let given = room_says.between(Duration::from_secs(2), Duration::from_secs(1));
            move |request| {
                let mut far = far.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = far.answer(&given, request);
                let refusal = |error| response("500 No", "", &format!("{error:#}"));
                Some(answer.unwrap_or_else(refusal))
            }
        })?;
        let lines = format!(
            "kind = \"rtp\"\nurl = \"http://{}/\"\naddress = \"127.0.0.1\"\npayload_type = {PAYLOAD_TYPE}",
            server.address
        );
        let media = IpAddr::from(Ipv4Addr::LOCALHOST);
        let house = House::open(SCENARIO, media, &lines, &open_house("at-once"))?;
        let silence = Wave::silence(8_000, room_says.wave.duration() + Duration::from_secs(8));
        let mut phone = Baresip::start(SCENARIO, &Options::new("bob", &silence))?;
        phone.dial(&house.uri(NUMBER))?;
        phone.wait_established(SOON)?;
        phone.wait_closed(Duration::from_secs(60))?;
        // The server lasts as long as the tests do; its processes do not.
        let Far {
            taker,
            giver,
            asked,
        } = std::mem::take(&mut *far.lock().unwrap_or_else(PoisonError::into_inner));
        drop((taker, giver));
        ensure!(asked == 3, "it was asked for {asked} times");
        room_says.assert_heard_in(&phone.into_heard()?, SCENARIO, "room to phone")?;
        Ok(())
    })
}

impl Far {
    /// What the server of an operator says to a request; at first it has no way for who is to be heard.
    fn answer(&mut self, given: &Wave, request: &str) -> Result<String> {
        let (_, body) = request.split_once("\r\n\r\n").context("no body")?;
        let request: Value = serde_json::from_str(body)?;
        let said = match request["action"].as_str() {
            Some("join") => {
                json!({"participants": [{"id": "ann", "name": "Ann", "tracks": ["ann/audio"]}]})
            }
            Some("publish") => {
                let taker = Taker::start(SCENARIO, PAYLOAD_TYPE, ports::free())?;
                let to = taker.address();
                self.taker = Some(taker);
                json!({"media": {"address": to.ip(), "port": to.port()}})
            }
            Some("hear") => {
                self.asked += 1;
                if self.asked < 3 {
                    return Ok(response("503 Service Unavailable", "", "{}"));
                }
                let to = request["media"]["port"].as_u64().context("no port")?;
                let to = u16::try_from(to)?;
                self.giver = Some(say(SCENARIO, given, to, PAYLOAD_TYPE, SSRC)?);
                json!({"media": {"ssrc": SSRC}})
            }
            _ => json!({}),
        };
        Ok(response("200 OK", "", &said.to_string()))
    }
}
