// SPDX-License-Identifier: MPL-2.0
//! What was measured: how fast the call came up, and how well each heard the other.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::measure::{Heard, Marker, Match, Thresholds, Wave, compare, picture};

/// Instants of the call, in monotonic microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Milestones {
    pub(super) invite: Option<u64>,
    pub(super) ringing: Option<u64>,
    pub(super) answered: Option<u64>,
    /// The first packet from the room at the phone.
    pub(super) phone_hears: Option<u64>,
    /// The first packet from the phone in the room.
    pub(super) room_hears: Option<u64>,
}

impl Milestones {
    fn after_invite(&self, at: Option<u64>) -> Option<f64> {
        Some(at?.saturating_sub(self.invite?) as f64 / 1000.0)
    }

    /// Both hear each other.
    fn two_way(&self) -> Option<u64> {
        Some(self.phone_hears?.max(self.room_hears?))
    }
}

/// Sound with the instant of its first sample.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) wave: Wave,
    pub(super) start_us: u64,
}

/// One direction: what was said at one end and what was heard at the other.
pub(super) struct Way {
    pub(super) title: &'static str,
    pub(super) said: Placed,
    pub(super) heard: Placed,
    /// The sound of this run that stands in front of what was said.
    pub(super) marker: Marker,
    /// Where in `said` it stands.
    pub(super) marker_at: Duration,
}

struct Judged<'a> {
    way: &'a Way,
    matched: Match,
    mouth_to_ear: Option<Duration>,
    faults: Vec<String>,
}

/// What both ways come to.
pub(super) struct Report {
    /// For people.
    pub(super) text: String,
    /// What is not as it should be, a sentence each.
    pub(super) faults: Vec<String>,
}

fn judge(way: &Way) -> Judged<'_> {
    let matched = compare(&way.said.wave, &way.heard.wave);
    let mut faults: Vec<String> = matched
        .faults(&Thresholds::default())
        .iter()
        .map(ToString::to_string)
        .collect();
    if way.marker.find(&way.heard.wave).is_none() {
        faults.push("the sound that marks this run was not heard".to_owned());
    }
    let mouth_to_ear = matched
        .delay_ms
        .and_then(|delay| mouth_to_ear(&way.said, &way.heard, delay));
    Judged {
        way,
        matched,
        mouth_to_ear,
        faults,
    }
}

/// `delay_ms` is where in the recording the beginning of what was said stands.
fn mouth_to_ear(said: &Placed, heard: &Placed, delay_ms: f64) -> Option<Duration> {
    let began_later_ms = (heard.start_us as f64 - said.start_us as f64) / 1000.0;
    Duration::try_from_secs_f64((delay_ms + began_later_ms) / 1000.0).ok()
}

/// Compares both ways, writes `recording.wav` and `picture.svg` into `folder`.
pub(super) fn report(
    folder: &Path,
    times: &Milestones,
    to_room: &Way,
    to_phone: &Way,
) -> anyhow::Result<Report> {
    let ways = [judge(to_room), judge(to_phone)];
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let recording = folder.join("recording.wav");
    let (left, right) = together(&to_phone.heard, &to_room.heard);
    Wave::write_stereo(&left, &right, &recording)?;

    let mut lines = vec![
        format!(
            "INVITE to 180:            {}",
            ms(times.after_invite(times.ringing))
        ),
        format!(
            "INVITE to 200:            {}",
            ms(times.after_invite(times.answered))
        ),
        format!(
            "INVITE to two-way media:  {}",
            ms(times.after_invite(times.two_way()))
        ),
    ];
    let directions: Vec<_> = ways.iter().map(Judged::drawn).collect();
    let drawing = folder.join("picture.svg");
    // Each direction's figures stand beside its drawing.
    fs::write(&drawing, picture("A first call", &lines, &directions))
        .with_context(|| format!("cannot write {}", drawing.display()))?;
    lines.extend(ways.iter().map(Judged::line));
    lines.push(format!(
        "{}: left is what the phone heard, right what the room heard",
        recording.display()
    ));
    lines.push(format!("{}: both, drawn", drawing.display()));
    let faults = ways
        .iter()
        .flat_map(|way| {
            way.faults
                .iter()
                .map(|fault| format!("{}: {fault}", way.way.title))
        })
        .collect();
    Ok(Report {
        text: lines.join("\n"),
        faults,
    })
}

impl Judged<'_> {
    fn line(&self) -> String {
        format!(
            "{:<24}  mouth to ear {}, correlation {:.2}, level {:+.1} dB, {} gaps{}",
            format!("{}:", self.way.title),
            ms(self.mouth_to_ear.map(|delay| delay.as_secs_f64() * 1000.0)),
            self.matched.correlation,
            self.matched.level_difference_db(),
            self.matched.gaps.len(),
            if self.faults.is_empty() {
                ""
            } else {
                "  NOT GOOD"
            },
        )
    }

    fn drawn(&self) -> Heard<'_> {
        Heard {
            title: self.way.title,
            sent: &self.way.said.wave,
            heard: &self.way.heard.wave,
            matched: &self.matched,
            marker: Some((self.way.marker_at, Marker::duration())),
            mouth_to_ear: self.mouth_to_ear,
        }
    }
}

fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "never".to_owned(), |value| format!("{value:.1} ms"))
}

/// Both recordings from one instant on: silence in front of the one that began later.
fn together(left: &Placed, right: &Placed) -> (Wave, Wave) {
    let start = left.start_us.min(right.start_us);
    let placed = |side: &Placed| {
        let mut wave = Wave::silence(
            side.wave.rate_hz,
            Duration::from_micros(side.start_us - start),
        );
        wave.push(&side.wave);
        wave
    };
    (placed(left), placed(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(start_us: u64, samples: usize) -> Placed {
        Placed {
            wave: Wave {
                rate_hz: 8000,
                samples: vec![1; samples],
            },
            start_us,
        }
    }

    #[test]
    fn times_count_from_the_invite() {
        let times = Milestones {
            invite: Some(1_000_000),
            ringing: Some(1_002_500),
            answered: None,
            phone_hears: Some(1_100_000),
            room_hears: Some(1_140_000),
        };
        assert_eq!(times.after_invite(times.ringing), Some(2.5));
        assert_eq!(times.after_invite(times.two_way()), Some(140.0));
        assert_eq!(ms(times.after_invite(times.answered)), "never");
    }

    #[test]
    fn the_mouth_to_ear_time_takes_both_starts_into_account() {
        let delay = mouth_to_ear(&placed(5_000_000, 0), &placed(4_000_000, 0), 1_120.0);
        assert_eq!(delay, Some(Duration::from_millis(120)));
        assert_eq!(
            mouth_to_ear(&placed(5_000_000, 0), &placed(4_000_000, 0), 0.0),
            None
        );
    }

    #[test]
    fn a_stereo_recording_has_one_timeline() {
        let (left, right) = together(&placed(1_000_000, 80), &placed(1_500_000, 80));
        assert_eq!((left.samples.len(), right.samples.len()), (80, 4080));
        assert_eq!(right.samples[3999..4001], [0, 1]);
    }
}
