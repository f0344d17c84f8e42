// SPDX-License-Identifier: MPL-2.0
//! What a target made of an input.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a target made of an input, as a set of numbers. An input that shows one which none before it
/// showed is worth to go on from.
#[derive(Default)]
pub struct Traits {
    seen: HashSet<u64>,
    last: u64,
}

impl Traits {
    /// Something was seen.
    pub fn see(&mut self, what: impl Hash) {
        self.seen.insert(number(what));
    }

    /// Something was seen, and it counts what was before it: the steps of a story.
    pub fn step(&mut self, what: impl Hash) {
        let now = number(what);
        self.seen.insert(number((self.last, now)));
        self.last = now;
    }

    /// A sentence was seen. What it says of numbers and names is left out.
    pub fn sentence(&mut self, what: impl ToString) {
        let mut kept = String::new();
        let mut quoted = false;
        for c in what.to_string().chars() {
            match c {
                '"' | '`' => quoted = !quoted,
                c if !quoted && (c.is_ascii_lowercase() || c == ' ') => kept.push(c),
                _ => {}
            }
        }
        kept.truncate(60);
        self.see(kept);
    }

    pub(crate) fn into_numbers(self) -> HashSet<u64> {
        self.seen
    }
}

fn number(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
