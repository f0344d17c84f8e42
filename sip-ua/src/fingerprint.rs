// SPDX-License-Identifier: MPL-2.0
//! What far ends name their transactions and dialogs by, in 16 octets: each message is looked up by a few
//! names, some of which are hundreds of octets long and would be held twice for each call.

use std::hash::{BuildHasher as _, Hash, Hasher, RandomState};
use std::sync::LazyLock;

/// Of a list of texts. It is made with keys of this process that nobody outside knows, so no far end can choose
/// texts that share one: that two do by chance is as likely as that a guess at a key of 128 bits is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u64; 2]);

static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

impl Fingerprint {
    /// Each text counts with its length: no two lists look the same.
    pub(crate) fn of(texts: &[&[u8]]) -> Fingerprint {
        Fingerprint(KEYS.each_ref().map(|key| {
            let mut hasher = key.build_hasher();
            for text in texts {
                hasher.write_usize(text.len());
                hasher.write(text);
            }
            hasher.finish()
        }))
    }
}

impl Hash for Fingerprint {
    /// It is as random as what a hasher would make of it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_known_by_its_texts_and_where_they_end() {
        let one = Fingerprint::of(&[b"INVITE", b"z9hG4bK1"]);
        assert_eq!(one, Fingerprint::of(&[b"INVITE", b"z9hG4bK1"]));
        let others: [&[&[u8]]; 5] = [
            &[b"INVITEz9hG4bK1"],
            &[b"INVIT", b"Ez9hG4bK1"],
            &[b"INVITE", b"z9hG4bK1", b""],
            &[b"z9hG4bK1", b"INVITE"],
            &[],
        ];
        for other in others {
            assert_ne!(one, Fingerprint::of(other), "{other:?}");
        }
    }

    #[test]
    fn either_half_is_of_a_key_of_its_own() {
        let Fingerprint([one, other]) = Fingerprint::of(&[b"branch"]);
        assert_ne!(one, other);
    }
}
