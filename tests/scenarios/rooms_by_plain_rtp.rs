// SPDX-License-Identifier: MPL-2.0
//! A phone is heard, and hears, where an SFU takes and gives nothing but RTP: two GStreamer processes, to which
//! a line leads that was settled beforehand. Reports go both ways, and the line is free again after the call.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::ports;
use sipbridge_tests::rtp_pair::{Taker, say};
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::worker::{Settings, Worker};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

const SCENARIO: &str = "rooms_by_plain_rtp";
const SOON: Duration = Duration::from_secs(10);
/// Reports begin within five seconds (RFC 3550 section 6.2).
const REPORTED: Duration = Duration::from_secs(12);
const SSRC: u32 = 4_711;
const PAYLOAD_TYPE: u8 = 96;

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
        let call = worker.until_call("was reported on both ways", REPORTED, |call| {
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

fn number(call: &Value, path: &str) -> u64 {
    call.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}
