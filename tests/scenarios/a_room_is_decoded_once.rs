// SPDX-License-Identifier: MPL-2.0
//! Fifty phones are in one room with twenty people who speak there by WebRTC. Each of these is subscribed to and
//! decoded once, not fifty times, and the phones are not subscribed to at all, for they hear each other inside
//! the worker. It stays so when half of the phones, who carried half of the tracks for all, hang up.

use anyhow::{Context as _, Result, ensure};
use gst::prelude::*;
use sipbridge_tests::house::House;
use sipbridge_tests::http::ask;
use sipbridge_tests::room::called;
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_room_is_decoded_once";
const PHONES: usize = 50;
const SPEAKERS: usize = 20;
/// Of all media threads: each phone itself, which is in this process, its leg in the worker and its way into the room;
/// each track once; the room's mixer, and the SFU.
const TASKS: usize = 3 * PHONES + SPEAKERS + 2;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[test]
fn fifty_phones_and_twenty_speakers_are_twenty_decoders() -> Result<()> {
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let trunk = open_house("at-once");
    let house = House::open(SCENARIO, media, "kind = \"embedded\"", &trunk)?;
    let mut people = Vec::new();
    for number in 0..SPEAKERS {
        people.push(house.speak(ROOM, called(&format!("speaker-{number}")))?);
    }
    let mut phones = Vec::new();
    for number in 0..PHONES {
        phones.push(Phone::call(number, &house.uri(NUMBER))?);
    }
    until(
        &house,
        Figures {
            calls: PHONES,
            rooms: 1,
            tracks: SPEAKERS,
        },
    )?;
    // Each media thread is accounted for, the SFU's own too.
    for thread in ["sipbridge-0", "sipbridge-sfu"] {
        for figure in ["load", "late_max_seconds", "overruns_total"] {
            let name = format!("sipbridge_context_{figure}{{context=\"{thread}\"}}");
            let value: f64 = figure_of(&metrics(&house)?, &name)?;
            ensure!(value >= 0.0, "{name} {value}");
        }
    }
    let tasks: f64 = figures_of(&metrics(&house)?, "sipbridge_context_tasks{").sum();
    ensure!(tasks <= TASKS as f64, "{tasks} tasks, not {TASKS}");
    phones.truncate(PHONES / 2);
    until(
        &house,
        Figures {
            calls: PHONES / 2,
            rooms: 1,
            tracks: SPEAKERS,
        },
    )?;
    phones.clear();
    until(&house, Figures::default())?;
    drop(people);
    Ok(())
}

/// Calls, and says nothing.
struct Phone(gst::Element);

impl Phone {
    fn call(number: usize, uri: &str) -> Result<Phone> {
        let text = format!(
            "audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=8000,channels=1 \
             ! sipbin name=phone uri={uri} agent::username=phone-{number} phone. ! queue leaky=downstream ! fakesink sync=false"
        );
        let pipeline = gst::parse::launch(&text)?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Phone(pipeline))
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    calls: usize,
    rooms: usize,
    tracks: usize,
}

impl Figures {
    fn read(house: &House) -> Result<Figures> {
        let all = metrics(house)?;
        Ok(Figures {
            calls: figure_of(&all, "sipbridge_calls{state=\"active\"}")?,
            rooms: figure_of(&all, "sipbridge_rooms ")?,
            tracks: figure_of(&all, "sipbridge_room_tracks ")?,
        })
    }
}

fn metrics(house: &House) -> Result<String> {
    let bearer = format!("Bearer {}", house.token());
    let headers = [("Authorization", bearer.as_str())];
    Ok(ask(house.http(), "GET", "/metrics", &headers, "")?.body)
}

fn figure_of<T>(metrics: &str, name: &str) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.with_context(|| format!("no {name}"))?.trim().parse()?)
}

/// The values of all that begin so.
fn figures_of(metrics: &str, name: &str) -> impl Iterator<Item = f64> {
    let of_it = metrics.lines().filter(move |line| line.starts_with(name));
    of_it.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
}

fn until(house: &House, wanted: Figures) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = Figures::read(house)?;
        if now == wanted {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{now:?} and not {wanted:?}");
        house.wait(async { tokio::time::sleep(LOOK_EVERY).await });
    }
}
