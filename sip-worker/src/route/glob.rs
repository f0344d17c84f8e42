// SPDX-License-Identifier: MPL-2.0
//! Patterns of numbers: `*` stands for any characters, also none; all else for itself.

/// Whether all of `text` fits the pattern. Only the last `*` is ever gone back to, so that a caller's text cannot
/// make it slow.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_anything_and_the_rest_for_itself() {
        for (pattern, text, fits) in [
            ("+1555*", "+15550100", true),
            ("+1555*", "+1555", true),
            ("+1555*", "1555", false),
            ("*", "", true),
            ("*", "x", true),
            ("", "", true),
            ("", "x", false),
            ("*00", "+15550100", true),
            ("*00", "+155501001", false),
            ("+1*55*00", "+15550100", true),
            ("a**b", "ab", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("alice", "Alice", false),
            ("[0-9]?", "5", false),
            ("ü*", "über", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_text_takes_no_time() {
        let pattern = "*a".repeat(64) + "b";
        let text = "a".repeat(60_000);
        assert!(!matches(&pattern, &text));
    }
}
