// SPDX-License-Identifier: MPL-2.0
//! A white sheet (SVG) with a title and a line of facts, and words on it: what all our pictures share.

use std::fmt::Write as _;

/// The white space around everything.
pub const MARGIN: f64 = 40.0;
/// Where the title and the facts end.
pub const HEADER: f64 = 96.0;

pub const INK: &str = "#1d2733";
pub const FAINT: &str = "#66758a";
pub const RULE: &str = "#dde3ea";
pub const BLUE: &str = "#2563a8";
pub const ORANGE: &str = "#c2571a";

/// An empty sheet of this width and height; [`finish`] ends it.
pub fn begin(title: &str, facts: &str, (width, height): (f64, f64)) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    text(
        &mut svg,
        (MARGIN, 46.0),
        title,
        "font-size=\"22\" font-weight=\"600\"",
    );
    text(
        &mut svg,
        (MARGIN, 70.0),
        facts,
        &format!("fill=\"{FAINT}\""),
    );
    svg
}

/// Words at a place, whatever is in them.
pub fn text(svg: &mut String, (x, y): (f64, f64), content: &str, style: &str) {
    let content = content
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{content}</text>"
    );
}

pub fn finish(mut svg: String) -> String {
    svg.push_str("</svg>\n");
    svg
}
