// SPDX-License-Identifier: MPL-2.0
use super::scan;

/// `Privacy: id; critical`: what a caller wants to be kept from the far end (RFC 3323 §4.2,
/// RFC 3325 §9.3, RFC 7044 §10.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Privacy {
    /// As they stood there; one that is unknown here is kept, too.
    values: Vec<Vec<u8>>,
}

impl Privacy {
    /// Values are divided by semicolons, by commas in what some send. `None` where one is no token.
    pub fn parse(text: &[u8]) -> Option<Privacy> {
        let values: Vec<Vec<u8>> = text
            .split(|octet| matches!(octet, b';' | b','))
            .map(|value| scan::trim(value).to_vec())
            .collect();
        let tokens = values.iter().all(|value| scan::is_token(value));
        tokens.then_some(Privacy { values })
    }

    /// Whether this value stands there, in any case.
    pub fn asks_for(&self, value: &str) -> bool {
        let wanted = value.as_bytes();
        self.values
            .iter()
            .any(|value| value.eq_ignore_ascii_case(wanted))
    }

    /// Whether nobody outside the network may learn who calls: the identity that the network asserts
    /// (`id`), or what the caller's own headers say (`user`, `header`). `none` forbids to hide it.
    pub fn hides_caller(&self) -> bool {
        let hides = ["id", "user", "header"];
        !self.asks_for("none") && hides.iter().any(|value| self.asks_for(value))
    }

    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(Vec::as_slice)
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.join(&b"; "[..])
    }

    /// What another header field of the same name asks for beside this one.
    pub(super) fn extend(&mut self, other: Privacy) {
        self.values.extend(other.values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Privacy> {
        Privacy::parse(text.as_bytes())
    }

    #[test]
    fn what_hides_the_caller() {
        for (text, hides) in [
            ("id", true),
            ("ID", true),
            ("user;id;critical", true),
            ("header ; session", true),
            ("user, critical", true),
            ("none", false),
            ("session", false),
            ("history", false),
            ("x-own", false),
            // It forbids what stands beside it (RFC 3323 §4.2).
            ("none;id", false),
        ] {
            assert_eq!(read(text).unwrap().hides_caller(), hides, "{text}");
        }
        assert!(!Privacy::default().hides_caller());
    }

    #[test]
    fn unknown_values_are_kept_and_nonsense_is_none() {
        let privacy = read("id;x-Own").unwrap();
        assert_eq!(privacy.to_bytes(), b"id; x-Own");
        assert!(privacy.asks_for("x-own"));
        for text in ["", ";", "id;", "i d", "\"id\"", "id=yes"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
