// SPDX-License-Identifier: MPL-2.0
//! What is spoken on both sides of a bridge, by name: profiles that are always there, and those of a process.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use sip_ua::sdp::SrtpPolicy;

use super::side::SideOptions;
use crate::media::bridge::Side;

pub(super) const DEFAULT: &str = "rtp_passthrough";

/// Where the keys of a side come from.
#[derive(Clone, Copy)]
enum Keying {
    Plain,
    Described,
    Handshake,
}

/// Browsers shake hands whatever carries their signalling.
const ALWAYS: [(&str, [Keying; 2]); 5] = [
    (DEFAULT, [Keying::Plain, Keying::Plain]),
    ("srtp_to_rtp", [Keying::Described, Keying::Plain]),
    ("rtp_to_srtp", [Keying::Plain, Keying::Described]),
    ("ws_to_rtp", [Keying::Handshake, Keying::Plain]),
    ("wss_to_rtp", [Keying::Handshake, Keying::Plain]),
];

impl Keying {
    fn options(self) -> SideOptions {
        let mut options = SideOptions::default();
        match self {
            Keying::Plain => {}
            Keying::Described => options.srtp = Some(SrtpPolicy::Required),
            Keying::Handshake => options.dtls = Some(true),
        }
        options
    }
}

/// Those of this process.
static DEFINED: RwLock<BTreeMap<String, [SideOptions; 2]>> = RwLock::new(BTreeMap::new());

/// Why there is no such profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// One that is always there.
    #[error("{0:?} is there already, and stays what it is")]
    Taken(String),
    /// A name that cannot stand in a launch line.
    #[error("{0:?} is not 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name(String),
    /// A side that cannot be spoken to.
    #[error("side {}: {fault}", .side.name())]
    Side {
        /// Which.
        side: Side,
        /// What is wrong with it: a sentence.
        fault: String,
    },
}

/// Whether there may be such a profile.
pub fn check(name: &str, sides: &[SideOptions; 2]) -> Result<(), ProfileError> {
    if ALWAYS.iter().any(|(known, _)| *known == name) {
        return Err(ProfileError::Taken(name.to_owned()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !(1..=64).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(ProfileError::Name(name.to_owned()));
    }
    for (side, options) in Side::BOTH.into_iter().zip(sides) {
        let config = options.config();
        config.map_err(|fault| ProfileError::Side {
            side,
            fault: fault.to_string(),
        })?;
    }
    Ok(())
}

/// What this name stands for from now on, for the property `profile` of every `sdpbridgebin` of this process.
/// Bridges that there are stay as they are.
pub fn define(name: &str, sides: [SideOptions; 2]) -> Result<(), ProfileError> {
    check(name, &sides)?;
    let mut defined = DEFINED.write().unwrap_or_else(PoisonError::into_inner);
    defined.insert(name.to_owned(), sides);
    Ok(())
}

/// What this name stands for.
pub(super) fn find(name: &str) -> Option<[SideOptions; 2]> {
    if let Some((_, keying)) = ALWAYS.iter().find(|(known, _)| *known == name) {
        return Some(keying.map(Keying::options));
    }
    let defined = DEFINED.read().unwrap_or_else(PoisonError::into_inner);
    defined.get(name).cloned()
}

/// All that there are.
pub(super) fn names() -> Vec<String> {
    let always = ALWAYS.iter().map(|(name, _)| (*name).to_owned());
    let defined = DEFINED.read().unwrap_or_else(PoisonError::into_inner);
    always.chain(defined.keys().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_that_is_always_there_can_be_spoken() {
        for (name, _) in ALWAYS {
            for side in find(name).unwrap() {
                side.config().unwrap();
            }
        }
    }

    #[test]
    fn others_are_defined_and_checked() {
        let secure = SideOptions {
            srtp: Some(SrtpPolicy::Required),
            ..SideOptions::default()
        };
        let sides = [SideOptions::default(), secure.clone()];
        let of = |name: &str| define(name, sides.clone());
        assert_eq!(of(DEFAULT), Err(ProfileError::Taken(DEFAULT.to_owned())));
        for name in ["", "a profile", "x\n"] {
            assert_eq!(of(name), Err(ProfileError::Name(name.to_owned())));
        }
        of("test.trunk").unwrap();
        assert_eq!(find("test.trunk"), Some(sides));
        assert!(names().contains(&"test.trunk".to_owned()));
        let both = SideOptions {
            dtls: Some(true),
            ..secure
        };
        let error = define("test.both", [SideOptions::default(), both]);
        let said = error.unwrap_err().to_string();
        assert!(said.starts_with("side b: srtp is"), "{said}");
        assert_eq!(find("test.both"), None);
    }
}
