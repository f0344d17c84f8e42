// SPDX-License-Identifier: MPL-2.0
//! A media thread that has much more to do than another is left by what can go on there: the room that is mixed on
//! it, and the connections of its phones, not only the phones.

use anyhow::{Context as _, Result, ensure};
use gst::prelude::*;
use gstsipbridge::context::Context;
use gstsipbridge::rtcbin::RtcBin;
use gstsipbridge::sipmixer::SipMixer;
use sipbridge_tests::house::{House, Lines};
use sipbridge_tests::raw::Raw;
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::toil::keep_busy;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_busy_thread_is_relieved";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 0\r\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// The media threads of the room's mixer and of its phones' connections.
fn threads(house: &House) -> Vec<Context> {
    let pipelines = house.pipelines(ROOM);
    let elements = pipelines.iter().flat_map(|pipeline| {
        let all = pipeline.iterate_recurse().into_iter();
        all.map_while(Result::ok).collect::<Vec<_>>()
    });
    let thread = |element: gst::Element| match element.downcast::<SipMixer>() {
        Ok(mixer) => mixer.context(),
        Err(element) => element.downcast::<RtcBin>().ok()?.context(),
    };
    elements.filter_map(thread).collect()
}

fn until(what: &str, is: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        ensure!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn a_busy_thread_is_relieved() -> Result<()> {
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let lines = Lines {
        media: "contexts = 2",
        ..Lines::default()
    };
    let tables = open_house("at-once");
    let house = House::open_with(SCENARIO, media, lines, "kind = \"embedded\"", &tables)?;
    let raw = Raw::open(house.sip())?;
    for _ in 0..2 {
        let invite = raw.request("INVITE", NUMBER, SDP);
        raw.send(invite.as_bytes())?;
        let answer = raw.final_answer_to(&invite, PATIENCE)?;
        let answer = answer.context("no answer")?;
        ensure!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
    ensure!(threads(&house).len() == 3, "a mixer and two connections");

    // All of it is on one thread, which somebody else keeps busy.
    let contexts = Context::all();
    let named = |name: &str| contexts.iter().find(|context| context.name() == name);
    for (from, to) in [
        ("sipbridge-0", "sipbridge-1"),
        ("sipbridge-1", "sipbridge-0"),
    ] {
        let _busy = keep_busy(named(from).context("no such thread")?, 0.8);
        until(&format!("{from} is not left for {to}"), || {
            threads(&house).iter().all(|thread| thread.name() == to)
        })?;
    }
    Ok(())
}
