// SPDX-License-Identifier: MPL-2.0
//! The name somebody probably meant.

/// The known name nearest to a misspelt one, if one is near enough to be meant.
pub(super) fn nearest<'a>(
    misspelt: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let enough = (misspelt.chars().count().div_ceil(3)).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(misspelt, name), name))
        .filter(|(distance, _)| *distance <= enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters added, left out, changed or swapped with their neighbour (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().take(64).collect();
    let right: Vec<char> = right.to_lowercase().chars().take(64).collect();
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = left[i - 1] == right[j - 1];
                let mut least = (rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
                    .min(rows[i - 1][j - 1] + usize::from(!same));
                if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["listen", "advertise", "max_calls", "max_cps", "uri"];
        for (misspelt, meant) in [
            ("lisen", Some("listen")),
            ("litsen", Some("listen")),
            ("Listen", Some("listen")),
            ("max-calls", Some("max_calls")),
            ("url", Some("uri")),
            ("password", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(misspelt, known), meant, "{misspelt}");
        }
    }
}
