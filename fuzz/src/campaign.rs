// SPDX-License-Identifier: MPL-2.0
//! Tries one spoiled input after the other.

use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::damage::damage;
use crate::memory::most_held;
use crate::{Target, Traits};

/// No input is worth more memory than this.
const MOST_MEMORY: usize = 64 << 20;

/// How many inputs are kept to go on from; then new ones take the place of old ones.
const MOST_KEPT: usize = 3_000;

/// An input that a target cannot bear.
#[derive(Debug, Clone)]
pub struct Finding {
    pub input: Vec<u8>,
    /// What happened, and where.
    pub why: String,
}

/// The inputs of a target that once were findings: their files, and what is in them.
pub fn kept(target: &Target) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("kept")
        .join(target.name);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let input = std::fs::read(&path)?;
        found.push((path, input));
    }
    found.sort();
    Ok(found)
}

/// A run of spoiled inputs for one target.
pub struct Campaign {
    target: &'static Target,
    random: SmallRng,
    seeds: usize,
    kept: Vec<Vec<u8>>,
    seen: HashSet<u64>,
    tried: u64,
}

impl Campaign {
    /// Tries the inputs that are known; the same seed makes the same run of spoiled ones.
    pub fn begin(target: &'static Target, seed: u64) -> Result<Campaign, Finding> {
        let seeds = (target.seeds)();
        let mut campaign = Campaign {
            target,
            random: SmallRng::seed_from_u64(seed),
            seeds: seeds.len(),
            kept: Vec::new(),
            seen: HashSet::new(),
            tried: 0,
        };
        for seed in seeds {
            campaign.seen.extend(attempt(target, &seed)?);
            campaign.kept.push(seed);
        }
        Ok(campaign)
    }

    /// The next input.
    pub fn spoil(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        // What led to something new last is most likely to do so again.
        let recent = self.kept.len().saturating_sub(20);
        let from = if random.random_ratio(1, 4) { recent } else { 0 };
        let mut input = self.kept[random.random_range(from..self.kept.len())].clone();
        let other = &self.kept[random.random_range(0..self.kept.len())];
        damage(&mut input, other, self.target.words, random);
        input
    }

    /// Tries an input, and keeps it if something new came of it.
    pub fn attempt(&mut self, input: Vec<u8>) -> Result<(), Finding> {
        self.tried += 1;
        let traits = attempt(self.target, &input)?;
        let known = self.seen.len();
        self.seen.extend(traits);
        if self.seen.len() > known {
            if self.kept.len() < MOST_KEPT {
                self.kept.push(input);
            } else {
                let at = self.random.random_range(self.seeds..MOST_KEPT);
                self.kept[at] = input;
            }
        }
        Ok(())
    }

    /// How many inputs were tried, how many are gone on from, and how much was seen.
    pub fn counts(&self) -> (u64, usize, usize) {
        (self.tried, self.kept.len(), self.seen.len())
    }
}

/// Tries an input: what was seen, or what went wrong.
pub(crate) fn attempt(target: &Target, input: &[u8]) -> Result<HashSet<u64>, Finding> {
    hear_panics();
    WHERE.set(Some(String::new()));
    let run = || {
        panic::catch_unwind(AssertUnwindSafe(|| {
            let mut traits = Traits::default();
            (target.run)(input, &mut traits);
            traits.into_numbers()
        }))
    };
    let (result, most) = most_held(run);
    let panicked = WHERE.take().unwrap_or_default();
    let finding = |why| Finding {
        input: input.to_vec(),
        why,
    };
    match result {
        Err(_) => Err(finding(panicked)),
        Ok(_) if most > MOST_MEMORY => Err(finding(format!("it takes {} MiB", most >> 20))),
        Ok(traits) => Ok(traits),
    }
}

impl Finding {
    /// The same finding with as little input as leads to it.
    pub fn shrunk(self, target: &Target) -> Finding {
        let place = |why: &str| why.split(": ").next().unwrap_or_default().to_owned();
        let mut best = self;
        let mut piece = best.input.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < best.input.len() {
                let mut less = best.input.clone();
                less.drain(at..(at + piece).min(best.input.len()));
                match attempt(target, &less) {
                    Err(found) if place(&found.why) == place(&best.why) => best = found,
                    _ => at += piece,
                }
            }
            if piece == 1 {
                return best;
            }
            piece = piece.div_ceil(2);
        }
    }
}

thread_local! {
    /// In an attempt: where it panicked, and with what words.
    static WHERE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Attempts tell of their panics themselves; all others are shown as ever.
fn hear_panics() {
    static HEARD: Once = Once::new();
    HEARD.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let heard = WHERE.with_borrow_mut(|place| match place {
                Some(place) => {
                    *place = info.to_string().replacen('\n', " ", 1);
                    true
                }
                None => false,
            });
            if !heard {
                usual(info);
            }
        }));
    });
}
