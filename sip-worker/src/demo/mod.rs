// SPDX-License-Identifier: MPL-2.0
//! A first call on this machine, measured and drawn: a worker, somebody in a room of its and a telephone.

mod certificate;
pub mod janus;
mod live;
mod phone;
mod report;
mod stage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::measure::{FLOOR_DBFS, Marker, PHONE_SPEECH, ROOM_SPEECH, Wave};
use crate::phone::{Clock, RATE_HZ};
use crate::run::until_signal;
use crate::webrtc::participant::{Recording, RoomParticipant};
use live::Live;
use phone::{Telephone, Told};
use report::{Milestones, Placed, Report, Way};
use stage::{ROOM, Stage};

/// The call must be answered within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Everything said is heard this long after it was said, or never.
const TAIL: Duration = Duration::from_millis(1500);
/// In front of what is said: whoever listens in the room first has to connect to the phone's track,
/// and a DTLS packet that is lost on the way is only sent again after a second (RFC 6347 §4.2.4.1).
const LEAD: Duration = Duration::from_secs(2);
/// How the telephone is known in the room.
const PHONE_NAME: &str = "demo-phone";
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// What `sip-worker demo` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoOptions {
    /// End after the call; succeed only if both heard each other well
    #[arg(long)]
    once: bool,
    /// Serve the pages to this network, over HTTPS with a self-made certificate
    #[arg(long)]
    https: bool,
    /// Where recording.wav and picture.svg go
    #[arg(long, default_value = "demo", value_name = "FOLDER")]
    folder: PathBuf,
}

/// Runs the demonstration.
pub async fn run(options: DemoOptions) -> anyhow::Result<()> {
    let mut stage = Stage::build(!options.once, options.https).await?;
    let shown = tokio::select! {
        shown = call(&stage, &options) => shown,
        () = until_signal() => Err(anyhow::anyhow!("stopped before the call was over")),
    };
    let outcome = match shown {
        Ok(report) => {
            println!("{}", report.text);
            if report.faults.is_empty() {
                println!("Both heard each other well.");
                Ok(())
            } else {
                Err(anyhow::anyhow!(
                    "the call was not good: {}",
                    report.faults.join("; ")
                ))
            }
        }
        Err(error) => Err(error),
    };
    if !options.once && outcome.is_ok() {
        stay(&stage).await;
    }
    stage.clear().await;
    outcome
}

/// One measured call.
async fn call(stage: &Stage, options: &DemoOptions) -> anyhow::Result<Report> {
    let clock = Clock::new();
    let (phone_marker, room_marker) = (Marker::random(), Marker::random());
    let phone_says = speech(PHONE_SPEECH, &phone_marker)?;
    let room_says = speech(ROOM_SPEECH, &room_marker)?;
    let play = stage.folder.join("phone-says.wav");
    let record = stage.folder.join("phone-hears.wav");
    phone_says.write(&play)?;

    let mut telephone = Telephone::call(&stage.dial, &play, &record)?;
    let mut live = Live::new();
    let mut times = Milestones::default();
    let mut talk = Talk::default();
    let mut tick = interval(DRAW_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let begun = Instant::now();
    let length = phone_says.duration().max(room_says.duration()) + TAIL;
    let mut state = "calling";
    let mut phone_level = FLOOR_DBFS;
    loop {
        let told = tokio::select! {
            told = telephone.next() => told.unwrap_or(Told::Ended { reason: "the phone is gone".to_owned() }),
            _ = tick.tick() => {
                let heard = stage.ada.seen().heard_of(PHONE_NAME).map(|heard| heard.recording.clone());
                live.show(state, phone_level, heard.map_or(FLOOR_DBFS, |heard| heard.level_db()));
                if let Some(lost) = stage.ada.seen().lost {
                    live.done();
                    bail!("the SFU went away during the call: {lost}");
                }
                if talk.since.is_none() && begun.elapsed() > ANSWER_WITHIN {
                    live.done();
                    bail!("the call was not answered within {} s{}", ANSWER_WITHIN.as_secs(), stage.why().await);
                }
                if talk.since.is_some_and(|since| since.elapsed() > length) {
                    break;
                }
                continue;
            }
        };
        match told {
            Told::Invite { us } => times.invite = Some(us),
            Told::Ringing { us } => {
                times.ringing = Some(us);
                state = "ringing";
            }
            Told::Answered { us } => {
                times.answered = Some(us);
                state = "talking";
                live.answered();
                let now = Instant::now();
                stage.ada.say(&room_says, now);
                talk.since = Some(now);
            }
            Told::FirstAudio { us } => times.phone_hears = Some(us),
            Told::Playing { us } => talk.phone_from_us = Some(us),
            Told::Level { in_dbfs } => phone_level = in_dbfs,
            Told::Ended { reason } => {
                live.done();
                bail!("the call ended early: {reason}{}", stage.why().await);
            }
            Told::Recorded { .. } | Told::Other => {}
        }
    }
    live.done();

    let heard = room_heard(&stage.ada, &clock)?;
    times.room_hears = Some(heard.start_us);
    telephone.hang_up();
    let start_us = recorded(&mut telephone)
        .await
        .context("the phone recorded nothing")?;
    let said_from = talk
        .since
        .context("invariant: the loop ends after the answer only")?;
    let to_room = Way {
        title: "phone → room",
        said: Placed {
            wave: phone_says,
            start_us: talk.phone_from_us.context("the phone said nothing")?,
        },
        heard,
        marker: phone_marker,
        marker_at: LEAD,
    };
    let to_phone = Way {
        title: "room → phone",
        said: Placed {
            wave: room_says,
            start_us: clock.us(said_from),
        },
        heard: Placed {
            wave: Wave::read(&record)?,
            start_us,
        },
        marker: room_marker,
        marker_at: LEAD,
    };
    let folder = options.folder.clone();
    tokio::task::spawn_blocking(move || report::report(&folder, &times, &to_room, &to_phone))
        .await?
}

/// Who said what from when.
#[derive(Default)]
struct Talk {
    since: Option<Instant>,
    phone_from_us: Option<u64>,
}

fn speech(wav: &[u8], marker: &Marker) -> anyhow::Result<Wave> {
    let mut wave = Wave::silence(RATE_HZ, LEAD);
    wave.push(&marker.before(&Wave::from_wav(wav)?.resampled(RATE_HZ)));
    Ok(wave)
}

fn room_heard(ada: &RoomParticipant, clock: &Clock) -> anyhow::Result<Placed> {
    let seen = ada.seen();
    let heard = seen
        .heard_of(PHONE_NAME)
        .context("nobody in the room ever heard the phone")?;
    let from =
        Recording::from(&heard.recording).context("nothing of the phone was heard in the room")?;
    Ok(Placed {
        wave: heard.recording.wave(),
        start_us: clock.us(from),
    })
}

async fn recorded(telephone: &mut Telephone) -> Option<u64> {
    let end = async {
        while let Some(told) = telephone.next().await {
            if let Told::Recorded { start_us } = told {
                return Some(start_us);
            }
        }
        None
    };
    timeout(Duration::from_secs(10), end).await.ok().flatten()
}

/// Stays up for whoever wants to call.
async fn stay(stage: &Stage) {
    println!();
    println!(
        "The worker stays up. Dial {} from any softphone of this machine;",
        stage.dial
    );
    println!(
        "in room '{ROOM}' you hear a voice, and it hears you. Another room: any other name before the @."
    );
    if let Some(served) = &stage.served {
        println!("Join it in a browser: {}", served.host_link(ROOM));
        println!(
            "Once you are there, {} rings on that page: accept or decline.",
            stage.desk
        );
        println!("All calls: {}", served.calls_link());
        if served.is_secure() {
            println!("The certificate is self-made, so the browser warns of it: tell it to go on.");
        }
    }
    println!("Ctrl-C ends it.");
    let speech = Wave::from_wav(ROOM_SPEECH);
    let signal = until_signal();
    tokio::pin!(signal);
    loop {
        let pause = match &speech {
            Ok(wave) => {
                stage.ada.say(wave, Instant::now());
                wave.duration() + TAIL
            }
            Err(_) => Duration::from_secs(60),
        };
        tokio::select! {
            () = &mut signal => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
