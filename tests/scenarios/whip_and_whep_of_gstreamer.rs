// SPDX-License-Identifier: MPL-2.0
//! A phone and somebody by WebRTC hear each other through the WHIP and WHEP servers of gst-plugins-rs. Each speaks to
//! one and hears by the other; one of them takes offers from who listens, the other makes them.

use anyhow::{Context as _, Result};
use sip_worker::demo::janus::own_address;
use sip_worker::measure::steady::steadily;
use sip_worker::measure::{PHONE_SPEECH, ROOM_SPEECH};
use sip_worker::sfu::whip::{UrlTemplate, WhipConfig};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::room::called;
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::whip::{Relay, join};
use sipbridge_tests::worker::{Settings, Worker, room_is_heard};
use std::time::{Duration, Instant};

const SCENARIO: &str = "whip_and_whep_of_gstreamer";
/// After the answer. Both servers have made what they pass on by then.
const SPEAKS_AT: Duration = Duration::from_secs(8);
const WORDS: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(7);

#[test]
fn whip_and_whep_of_gstreamer() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    // They leave loopback out of ICE.
    let media = own_address()?;
    std::fs::create_dir_all(sipbridge_tests::out_dir(SCENARIO))?;
    let from_phone = Relay::start(SCENARIO, "from-phone", false)?;
    let to_phone = Relay::start(SCENARIO, "to-phone", true)?;
    let settings = Settings {
        tables: format!(
            "[[sfu]]\nname = \"main\"\nkind = \"whip\"\nwhip = \"{}?who={{participant}}\"\n\
             whep = [\"{}\"]\n\n{}",
            from_phone.whip(),
            to_phone.whep(),
            open_house("at-once")
        ),
        ..Settings::default()
    };
    let worker = Worker::start_with(SCENARIO, media, &settings)?;
    let phone_says = Speech::stretch(PHONE_SPEECH, Duration::ZERO, WORDS)?;
    let host_says = Speech::stretch(ROOM_SPEECH, Duration::ZERO, WORDS)?;
    let turn = phone_says.wave.duration() + PAUSE;
    let plays = phone_says.between(SPEAKS_AT, turn + PAUSE);
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &plays))?;

    let template = |url: String| {
        let template = url.parse::<UrlTemplate>();
        template.map_err(|error| anyhow::anyhow!(error))
    };
    let heard = vec![template(from_phone.whep())?];
    let config = WhipConfig::new("host", template(to_phone.whip())?, heard);
    let runtime = tokio::runtime::Runtime::new()?;
    let host = runtime.block_on(join(config, ROOM, called("host"), media))?;
    phone.dial(&worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    let answered = Instant::now();
    worker.until_call("hears the room", SOON, room_is_heard)?;
    host.say(&host_says.wave, answered + SPEAKS_AT + turn);
    phone.wait_closed(Duration::from_secs(30))?;

    let seen = host.seen();
    let heard = seen.heard.iter().find(|heard| heard.begun);
    let heard = heard.with_context(|| format!("nothing is heard: {seen:?}"))?;
    phone_says.assert_heard_in(&heard.recording.wave(), SCENARIO, "phone to host")?;
    let at_phone = phone.into_heard()?;
    host_says.assert_heard_in(
        &at_phone.slice(SPEAKS_AT + turn - PAUSE, at_phone.duration()),
        SCENARIO,
        "host to phone",
    )?;
    runtime.block_on(host.leave());
    Ok(())
}
