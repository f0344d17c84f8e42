// SPDX-License-Identifier: MPL-2.0
//! A phone is heard, and hears, where an SFU takes and gives nothing but RTP: two GStreamer processes, to which
//! a line leads that was settled beforehand, or by SRTP where a server is asked. The line is free again after
//! the call.

use anyhow::{Context as _, Result, ensure};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sip_ua::sdp::{MasterKey, Suite};
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::ports;
use sipbridge_tests::process::Process;
use sipbridge_tests::rtp_pair::{Taker, say, say_encrypted};
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::scripted::{Scripted, response};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::worker::{Settings, Worker};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SCENARIO: &str = "rooms_by_plain_rtp";
const SOON: Duration = Duration::from_secs(10);
const FLOWS: Duration = Duration::from_secs(12);
const SSRC: u32 = 4_711;
const PAYLOAD_TYPE: u8 = 96;
const SUITE: Suite = Suite::AesCm128HmacSha1Tag80;

#[test]
fn a_line_leads_to_two_gstreamer_processes() -> Result<()> {
    steadily(|| {
        let hear = ports::free();
        let taker = Taker::start(SCENARIO, PAYLOAD_TYPE, ports::free())?;
        let settings = Settings {
            tables: format!(
                "[[sfu]]\nname = \"main\"\nkind = \"rtp\"\naddress = \"127.0.0.1\"\npayload_type = {PAYLOAD_TYPE}\n\
                 [[sfu.line]]\nroom = \"{ROOM}\"\nto = \"{}\"\nhear = [\"{hear}\"]\nssrc = {SSRC}\n\n{}",
                taker.address(),
                open_house("at-once")
            ),
            ..Settings::default()
        };
        let mut worker =
            Worker::start_with(SCENARIO, IpAddr::from(Ipv4Addr::LOCALHOST), &settings)?;
        let (phone_says, room_says) = (Speech::phone()?, Speech::room()?);
        let length = phone_says.wave.duration().max(room_says.wave.duration());
        let says = phone_says.between(Duration::from_secs(2), length);
        let mut phone = Baresip::start(SCENARIO, &Options::new("bob", &says))?;
        phone.dial(&worker.uri(NUMBER))?;
        phone.wait_established(SOON)?;
        // There is one line, and a phone is on it.
        let mut other = Baresip::start(SCENARIO, &Options::new("carl", &says))?;
        other.dial(&worker.uri(NUMBER))?;
        let refused = other.wait_closed(SOON)?;
        ensure!(format!("{refused:?}").contains("486"), "{refused:?}");

        let before = Duration::from_secs(1);
        let _giver = say(
            SCENARIO,
            &room_says.between(before, before),
            hear,
            PAYLOAD_TYPE,
            SSRC + 1,
        )?;
        let call = worker.until_call("speaks and hears", FLOWS, |call| {
            number(call, "/media/room/published/sent/packets") > 0
                && number(call, "/media/room/heard/0/received/packets") > 0
        })?;
        ensure!(call["state"] == "active", "{call}");
        phone.wait_closed(Duration::from_secs(40))?;
        worker.until_calls("are over", SOON, |calls| {
            calls.iter().all(|call| call["state"] == "ended")
        })?;
        // The ports are free again.
        for port in [hear, hear + 1] {
            UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).context("a port is still bound")?;
        }
        let taken = taker.into_heard()?;
        phone_says.assert_heard_in(&taken, SCENARIO, "phone to room")?;
        room_says.assert_heard_in(&phone.into_heard()?, SCENARIO, "room to phone")?;
        worker.process().terminate()?;
        Ok(())
    })
}

/// The far ends of what was agreed on: GStreamer's srtpdec and srtpenc.
#[derive(Default)]
struct Far {
    taker: Option<Taker>,
    giver: Option<Process>,
}

#[test]
fn srtp_is_what_gstreamer_has_it_to_be() -> Result<()> {
    let folder = format!("{SCENARIO}/srtp");
    steadily(|| {
        let (phone_says, room_says) = (Speech::phone()?, Speech::room()?);
        let far = Arc::<Mutex<Far>>::default();
        let server = Scripted::start({
            let (far, folder) = (far.clone(), folder.clone());
            let given = room_says.between(Duration::from_secs(3), Duration::from_secs(1));
            move |request| {
                let mut far = far.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = far.answer(&folder, &given, request);
                let refusal = |error| response("500 No", "", &format!("{error:#}"));
                Some(answer.unwrap_or_else(refusal))
            }
        })?;
        let settings = Settings {
            tables: format!(
                "[[sfu]]\nname = \"main\"\nkind = \"rtp\"\nurl = \"http://{}/\"\naddress = \"127.0.0.1\"\n\
                 payload_type = {PAYLOAD_TYPE}\nsrtp = \"{}\"\n\n{}",
                server.address,
                SUITE.name(),
                open_house("at-once")
            ),
            ..Settings::default()
        };
        let mut worker = Worker::start_with(&folder, IpAddr::from(Ipv4Addr::LOCALHOST), &settings)?;
        let length = phone_says.wave.duration().max(room_says.wave.duration());
        let says = phone_says.between(Duration::from_secs(2), length);
        let mut phone = Baresip::start(&folder, &Options::new("bob", &says))?;
        phone.dial(&worker.uri(NUMBER))?;
        phone.wait_established(SOON)?;
        phone.wait_closed(Duration::from_secs(40))?;
        server.is_asked("POST / ", SOON)?;
        // The server lasts as long as the tests do; its processes do not.
        let Far { taker, giver } =
            std::mem::take(&mut *far.lock().unwrap_or_else(PoisonError::into_inner));
        drop(giver);
        let taken = taker.context("nobody asked to be heard")?.into_heard()?;
        phone_says.assert_heard_in(&taken, &folder, "phone to room")?;
        room_says.assert_heard_in(&phone.into_heard()?, &folder, "room to phone")?;
        worker.process().terminate()?;
        Ok(())
    })
}

impl Far {
    /// What the server of an operator says to a request.
    fn answer(&mut self, folder: &str, given: &Wave, request: &str) -> Result<String> {
        let (_, body) = request.split_once("\r\n\r\n").context("no body")?;
        let request: Value = serde_json::from_str(body)?;
        let media = &request["media"];
        let key = MasterKey::random(SUITE);
        let srtp = json!({"suite": SUITE.name(), "key": key.inline()});
        let said = match request["action"].as_str() {
            Some("join") => {
                json!({"participants": [{"id": "ann", "name": "Ann", "tracks": ["ann/audio"]}]})
            }
            Some("publish") => {
                let ssrc = u32::try_from(media["ssrc"].as_u64().context("no SSRC")?)?;
                let theirs = hex(media["srtp"]["key"].as_str().context("no key")?)?;
                let taker = Taker::start_encrypted(folder, PAYLOAD_TYPE, ssrc, &theirs)?;
                let to = taker.address();
                self.taker = Some(taker);
                json!({"media": {"address": to.ip(), "port": to.port(), "srtp": srtp}})
            }
            Some("hear") => {
                let to = u16::try_from(media["port"].as_u64().context("no port")?)?;
                let (ssrc, ours) = (SSRC + 1, hex(&key.inline())?);
                let giver = say_encrypted(folder, given, to, PAYLOAD_TYPE, ssrc, &ours)?;
                self.giver = Some(giver);
                json!({"media": {"ssrc": ssrc, "srtp": srtp}})
            }
            _ => json!({}),
        };
        Ok(response("200 OK", "", &said.to_string()))
    }
}

/// A key as GStreamer wants it.
fn hex(inline: &str) -> Result<String> {
    Ok(HEXLOWER.encode(&BASE64.decode(inline.as_bytes())?))
}

fn number(call: &Value, path: &str) -> u64 {
    call.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}
