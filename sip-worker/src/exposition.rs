// SPDX-License-Identifier: MPL-2.0
//! Metrics as Prometheus reads them.

use std::fmt::{Display, Write};

/// Writes the text exposition format.
#[derive(Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a metric.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample of it; `labels` are pairs of names and values.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let mut joined = String::new();
        for (label, text) in labels {
            let text = text
                .replace('\\', r"\\")
                .replace('"', r#"\""#)
                .replace('\n', r"\n");
            let comma = if joined.is_empty() { "" } else { "," };
            let _ = write!(joined, "{comma}{label}=\"{text}\"");
        }
        let _ = match joined.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{joined}}} {value}"),
        };
    }

    /// One histogram of it: how many fell into each class, by the classes' upper bounds, which label
    /// it has, and the sum of all that was counted.
    pub fn histogram(
        &mut self,
        name: &str,
        label: (&str, &str),
        classes: impl Iterator<Item = (f64, u64)>,
        (sum, count): (f64, u64),
    ) {
        let bucket = format!("{name}_bucket");
        let mut up_to = 0;
        for (bound, counted) in classes {
            up_to += counted;
            self.sample(&bucket, &[label, ("le", &bound.to_string())], up_to);
        }
        self.sample(&bucket, &[label, ("le", "+Inf")], count);
        self.sample(&format!("{name}_sum"), &[label], sum);
        self.sample(&format!("{name}_count"), &[label], count);
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted_so_that_no_value_can_end_one() {
        let mut out = Exposition::default();
        out.metric("m", "gauge", "Help.");
        out.sample("m", &[("a", "x\"y\\z\n"), ("b", "2")], 3);
        out.sample("n", &[], 1.5);
        assert_eq!(
            out.finish(),
            "# HELP m Help.\n# TYPE m gauge\nm{a=\"x\\\"y\\\\z\\n\",b=\"2\"} 3\nn 1.5\n"
        );
    }
}
