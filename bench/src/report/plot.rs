// SPDX-License-Identifier: MPL-2.0
//! Pictures (SVG) of figures: bars side by side, and curves that ought to be straight.

use std::fmt::Write as _;

use sipbridge_measure::sheet::{BLUE, FAINT, HEADER, MARGIN, ORANGE, RULE, begin, finish, text};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 330.0;
const BAR: f64 = 34.0;
const GROUP: f64 = 40.0;
const CURVE: f64 = 300.0;

const OURS: &str = ORANGE;
const THEIRS: &str = BLUE;

/// One figure.
pub struct Bar {
    pub name: String,
    pub detail: String,
    /// Bars of one group stand under one heading.
    pub group: String,
    pub value: f64,
    pub ours: bool,
}

/// Figures over another.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Bars from the left, group by group.
pub fn bars(title: &str, facts: &str, bars: &[Bar]) -> String {
    let groups = bars
        .iter()
        .zip(std::iter::once(None).chain(bars.iter().map(Some)))
        .filter(|(bar, before)| before.is_none_or(|before| before.group != bar.group))
        .count();
    let height = HEADER + groups as f64 * GROUP + bars.len() as f64 * BAR + 30.0;
    let mut svg = begin(title, facts, (WIDTH, height));
    let most = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let mut top = HEADER;
    let mut group = "";
    for bar in bars {
        if bar.group != group {
            group = &bar.group;
            text(
                &mut svg,
                (MARGIN, top + 26.0),
                group,
                &format!("fill=\"{FAINT}\""),
            );
            top += GROUP;
        }
        text(
            &mut svg,
            (MARGIN, top + 14.0),
            &bar.name,
            "font-weight=\"600\"",
        );
        text(
            &mut svg,
            (MARGIN, top + 27.0),
            &bar.detail,
            &format!("font-size=\"11\" fill=\"{FAINT}\""),
        );
        let width = (WIDTH - MARGIN - 60.0 - LEFT) * bar.value / most;
        let colour = if bar.ours { OURS } else { THEIRS };
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{}\" width=\"{width:.1}\" height=\"22\" rx=\"2\" fill=\"{colour}\"/>",
            top + 4.0
        );
        text(
            &mut svg,
            (LEFT + width + 8.0, top + 20.0),
            &figure(bar.value),
            "font-weight=\"600\"",
        );
        top += BAR;
    }
    finish(svg)
}

/// One panel a curve, over the same axis.
pub fn curves(title: &str, facts: &str, axis: &str, curves: &[Curve]) -> String {
    let mut svg = begin(title, facts, (WIDTH, HEADER + CURVE * curves.len() as f64));
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let last = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let first = points().map(|(x, _)| *x).fold(0.0, f64::min);
    let x = |at: f64| 90.0 + (WIDTH - 90.0 - MARGIN) * (at - first) / (last - first).max(1e-9);
    for (panel, curve) in curves.iter().enumerate() {
        let top = HEADER + CURVE * panel as f64 + 30.0;
        let bottom = top + CURVE - 80.0;
        let most = curve.points.iter().map(|(_, y)| *y).fold(1e-9, f64::max) * 1.08;
        let y = |value: f64| bottom - (bottom - top) * value / most;
        text(
            &mut svg,
            (MARGIN, top - 10.0),
            &curve.name,
            "font-weight=\"600\"",
        );
        for part in 0..=4 {
            let value = most * f64::from(part) / 4.0;
            let at = y(value);
            let _ = writeln!(
                svg,
                "<line x1=\"90\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\" stroke=\"{RULE}\"/>",
                WIDTH - MARGIN
            );
            text(
                &mut svg,
                (82.0, at + 4.0),
                &figure(value),
                &format!("text-anchor=\"end\" font-size=\"11\" fill=\"{FAINT}\""),
            );
        }
        for part in 0..=5 {
            let at = first + (last - first) * f64::from(part) / 5.0;
            text(
                &mut svg,
                (x(at), bottom + 18.0),
                &figure(at),
                &format!("text-anchor=\"middle\" font-size=\"11\" fill=\"{FAINT}\""),
            );
        }
        text(
            &mut svg,
            (WIDTH - MARGIN, bottom + 34.0),
            axis,
            &format!("text-anchor=\"end\" font-size=\"11\" fill=\"{FAINT}\""),
        );
        let mut line = String::new();
        for (index, (at, value)) in curve.points.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(line, "{letter}{:.1} {:.1}", x(*at), y(*value));
        }
        let _ = writeln!(
            svg,
            "<path d=\"{line}\" fill=\"none\" stroke=\"{OURS}\" stroke-width=\"2\"/>"
        );
        // A soak has thousands of points; a few are worth a dot each.
        if curve.points.len() <= 30 {
            for (at, value) in &curve.points {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{OURS}\"/>",
                    x(*at),
                    y(*value)
                );
            }
        }
    }
    finish(svg)
}

fn figure(value: f64) -> String {
    if value.abs() >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_what_was_measured() {
        let bar = |name: &str, group: &str, value, ours| Bar {
            name: name.to_owned(),
            detail: "48 kHz".to_owned(),
            group: group.to_owned(),
            value,
            ours,
        };
        let svg = bars(
            "Calls <per> core",
            "here",
            &[
                bar("theirs", "own", 40.0, false),
                bar("ours", "own", 201.4, true),
                bar("all", "equal", 7.0, true),
            ],
        );
        for expected in [
            "&lt;per&gt;",
            ">201<",
            ">40<",
            ">7.00<",
            "equal",
            OURS,
            THEIRS,
        ] {
            assert!(svg.contains(expected), "{expected} is missing");
        }
        assert_eq!(svg.matches("<rect x=").count(), 3);
        let curve = Curve {
            name: "memory".to_owned(),
            points: vec![(0.0, 1.0), (200.0, 3.0)],
        };
        let svg = curves("t", "f", "calls", &[curve]);
        assert!(svg.contains(">200<") && svg.matches("<circle").count() == 2);
    }
}
