// SPDX-License-Identifier: MPL-2.0
//! Both directions of a call as a picture (SVG): what was sent above what was heard, aligned, with
//! the gaps marked and the figures beside them.

use super::matching::{Match, Thresholds};
use super::sheet::{BLUE, FAINT, HEADER, INK, MARGIN, ORANGE, RULE, begin, finish, text};
use super::wave::Wave;
use std::fmt::Write as _;
use std::time::Duration;

const WIDTH: f64 = 1_120.0;
/// Where the time axis begins and ends.
const LEFT: f64 = 116.0;
const RIGHT: f64 = WIDTH - MARGIN;
/// The height of one waveform, and of one direction with its title, figures and axis.
const LANE: f64 = 84.0;
const PANEL: f64 = 300.0;

const SENT: &str = BLUE;
const HEARD: &str = ORANGE;
const GOOD: &str = "#1f7a4d";
const BAD: &str = "#b3261e";

/// One direction of a call.
pub struct Heard<'a> {
    /// Such as "phone → room".
    pub title: &'a str,
    pub sent: &'a Wave,
    pub heard: &'a Wave,
    pub matched: &'a Match,
    /// Where in `sent` the marker of the run stands, and how long it is.
    pub marker: Option<(Duration, Duration)>,
    pub mouth_to_ear: Option<Duration>,
}

/// Draws what was sent over what was heard for each direction, under a title and a line of facts.
pub fn picture(title: &str, facts: &[String], directions: &[Heard<'_>]) -> String {
    let height = HEADER + PANEL * directions.len() as f64 + 12.0;
    let mut svg = begin(title, &facts.join("  ·  "), (WIDTH, height));
    // The same scale in time for all, so that the directions can be compared.
    let seconds = directions
        .iter()
        .map(|d| d.sent.duration().as_secs_f64())
        .fold(1.0, f64::max);
    for (index, direction) in directions.iter().enumerate() {
        draw(&mut svg, HEADER + PANEL * index as f64, direction, seconds);
    }
    finish(svg)
}

fn draw(svg: &mut String, top: f64, direction: &Heard<'_>, seconds: f64) {
    let faults = direction.matched.faults(&Thresholds::default());
    let x = |at: f64| LEFT + (RIGHT - LEFT) * at / seconds;
    let _ = writeln!(
        svg,
        "<line x1=\"{MARGIN}\" y1=\"{top}\" x2=\"{RIGHT}\" y2=\"{top}\" stroke=\"{RULE}\"/>"
    );
    text(
        svg,
        (MARGIN, top + 28.0),
        direction.title,
        "font-size=\"16\" font-weight=\"600\"",
    );
    let verdict = match faults.first() {
        None => "good".to_owned(),
        Some(fault) if faults.len() == 1 => fault.to_string(),
        Some(fault) => format!("{fault}; and {} more", faults.len() - 1),
    };
    let colour = if faults.is_empty() { GOOD } else { BAD };
    text(
        svg,
        (RIGHT, top + 28.0),
        &verdict,
        &format!("text-anchor=\"end\" font-weight=\"600\" fill=\"{colour}\""),
    );
    figures(svg, (MARGIN, top + 50.0), direction);

    let lanes = top + 66.0;
    let bottom = lanes + 2.0 * LANE + 8.0;
    axis(svg, (lanes, bottom), seconds, x);
    if let Some((at, length)) = direction.marker {
        let (from, to) = (x(at.as_secs_f64()), x((at + length).as_secs_f64()));
        band(svg, (from, to), (lanes, bottom), "#f3e9c8");
        text(
            svg,
            ((from + to) / 2.0, lanes + 12.0),
            "marker",
            "text-anchor=\"middle\" font-size=\"10.5\" fill=\"#7a6420\"",
        );
    }
    for gap in &direction.matched.gaps {
        let (from, to) = (
            x(gap.at.as_secs_f64()),
            x((gap.at + gap.length).as_secs_f64()),
        );
        band(
            svg,
            (from, to.max(from + 2.0)),
            (lanes + LANE + 8.0, bottom),
            "#f6c9c5",
        );
    }

    lane(
        svg,
        lanes,
        "said",
        &format!("{:.1} dBFS", direction.matched.sent_dbfs),
        SENT,
    );
    waveform(
        svg,
        lanes,
        SENT,
        direction.sent,
        0.0,
        (seconds, direction.sent.duration().as_secs_f64()),
        x,
    );
    let lanes = lanes + LANE + 8.0;
    lane(
        svg,
        lanes,
        "heard",
        &format!("{:.1} dBFS", direction.matched.heard_dbfs),
        HEARD,
    );
    // Where no delay is known, nothing is aligned: the recording is shown from its beginning.
    let shift = direction.matched.delay_ms.unwrap_or(0.0) / 1_000.0;
    waveform(
        svg,
        lanes,
        HEARD,
        direction.heard,
        shift,
        (seconds, direction.sent.duration().as_secs_f64()),
        x,
    );
}

fn figures(svg: &mut String, at: (f64, f64), direction: &Heard<'_>) {
    let matched = direction.matched;
    let mut figures = vec![
        ("correlation", format!("{:.2}", matched.correlation)),
        ("level", format!("{:+.1} dB", matched.level_difference_db())),
        ("gaps", matched.gaps.len().to_string()),
    ];
    if let Some(delay) = direction.mouth_to_ear {
        figures.insert(
            0,
            (
                "mouth to ear",
                format!("{:.0} ms", delay.as_secs_f64() * 1_000.0),
            ),
        );
    }
    if let Some(distortion) = matched.distortion_db {
        figures.push(("spectral distance", format!("{distortion:.1} dB")));
    }
    if let Some((from, to)) = matched.delay_range_ms {
        figures.push(("delay varies by", format!("{:.1} ms", to - from)));
    }
    let _ = write!(svg, "<text x=\"{}\" y=\"{}\" fill=\"{FAINT}\">", at.0, at.1);
    for (index, (name, value)) in figures.iter().enumerate() {
        let gap = if index == 0 { 0 } else { 26 };
        let _ = write!(
            svg,
            "<tspan dx=\"{gap}\">{name}</tspan><tspan dx=\"6\" fill=\"{INK}\" font-weight=\"600\">{value}</tspan>"
        );
    }
    svg.push_str("</text>\n");
}

fn axis(svg: &mut String, (top, bottom): (f64, f64), seconds: f64, x: impl Fn(f64) -> f64) {
    let step = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0]
        .into_iter()
        .find(|step| seconds / step <= 16.0)
        .unwrap_or(300.0);
    for tick in 0..=(seconds / step) as usize {
        let second = tick as f64 * step;
        let at = x(second);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"{RULE}\"/>"
        );
        let style = format!("text-anchor=\"middle\" font-size=\"11\" fill=\"{FAINT}\"");
        text(svg, (at, bottom + 16.0), &format!("{second:.0} s"), &style);
    }
}

fn lane(svg: &mut String, top: f64, name: &str, level: &str, colour: &str) {
    let middle = top + LANE / 2.0;
    let _ = writeln!(
        svg,
        "<line x1=\"{LEFT}\" y1=\"{middle}\" x2=\"{RIGHT}\" y2=\"{middle}\" stroke=\"{colour}\" stroke-opacity=\"0.35\"/>"
    );
    text(
        svg,
        (MARGIN, middle - 2.0),
        name,
        &format!("font-weight=\"600\" fill=\"{colour}\""),
    );
    text(
        svg,
        (MARGIN, middle + 14.0),
        level,
        &format!("font-size=\"11\" fill=\"{FAINT}\""),
    );
}

/// The loudest and the lowest sample of each column, as one filled outline. `shift` is where in `wave`, in seconds, the axis
/// begins; what comes after `end` is left out.
fn waveform(
    svg: &mut String,
    top: f64,
    colour: &str,
    wave: &Wave,
    shift: f64,
    (seconds, end): (f64, f64),
    x: impl Fn(f64) -> f64,
) {
    const COLUMN: f64 = 0.8;
    let columns = ((RIGHT - LEFT) / COLUMN) as usize;
    let middle = top + LANE / 2.0;
    let y = |sample: i16| middle - f64::from(sample) / 32_768.0 * (LANE / 2.0 - 2.0);
    let (mut upper, mut lower) = (String::new(), Vec::new());
    for column in 0..columns {
        let at = |column: usize| column as f64 * seconds / columns as f64;
        if at(column) > end {
            break;
        }
        let index = |at: f64| ((at + shift) * f64::from(wave.rate_hz)).round().max(0.0) as usize;
        let (from, to) = (
            index(at(column)),
            index(at(column + 1)).min(wave.samples.len()),
        );
        let samples = wave.samples.get(from..to).unwrap_or_default();
        let (low, high) = (
            samples.iter().min().copied().unwrap_or(0),
            samples.iter().max().copied().unwrap_or(0),
        );
        let x = x(at(column));
        // At least a hair's breadth, or silence would be invisible.
        let _ = write!(
            upper,
            "{}{x:.1} {:.1}",
            if column == 0 { 'M' } else { 'L' },
            y(high) - 0.3
        );
        lower.push((x, y(low) + 0.3));
    }
    for (x, y) in lower.into_iter().rev() {
        let _ = write!(upper, "L{x:.1} {y:.1}");
    }
    let _ = writeln!(svg, "<path d=\"{upper}Z\" fill=\"{colour}\"/>");
}

fn band(svg: &mut String, (from, to): (f64, f64), (top, bottom): (f64, f64), colour: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>",
        to - from,
        bottom - top
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{phone, room, through_g711};
    use super::super::{Marker, compare};
    use super::*;

    #[test]
    fn it_says_what_was_measured_and_escapes_what_it_is_given() {
        let marker = Marker::new(3);
        let (said, answered) = (marker.before(&phone()), room());
        let mut heard = through_g711(&answered);
        heard.samples[16_000..17_600].fill(0);
        let (there, back) = (
            compare(&said, &through_g711(&said)),
            compare(&answered, &heard),
        );
        let direction = |title, sent, heard, matched, marker| Heard {
            title,
            sent,
            heard,
            matched,
            marker,
            mouth_to_ear: Some(Duration::from_millis(142)),
        };
        let passed = through_g711(&said);
        let svg = picture(
            "A first call <loopback>",
            &["INVITE to 180 in 3 ms".to_owned(), "PCMU".to_owned()],
            &[
                direction(
                    "phone → room",
                    &said,
                    &passed,
                    &there,
                    Some((Duration::ZERO, Marker::duration())),
                ),
                direction("room → phone", &answered, &heard, &back, None),
            ],
        );
        for expected in [
            "&lt;loopback&gt;",
            "142 ms",
            ">good<",
            "are missing at",
            "marker",
            "INVITE to 180 in 3 ms",
        ] {
            assert!(svg.contains(expected), "{expected} is missing");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
