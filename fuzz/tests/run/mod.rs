// SPDX-License-Identifier: MPL-2.0
//! A short run of a target, the same each time, and every input that was once too much for it.

use sipbridge_fuzz::{Campaign, Finding, kept, target};

const SEED: u64 = 0x5eed;

pub fn short(name: &str) {
    let target = target(name).expect("a target of that name");
    for (path, input) in kept(target).unwrap() {
        println!("{}", path.display());
        // Its panic, if it has one again, is the test's.
        (target.run)(&input, &mut Default::default());
    }
    let mut campaign = Campaign::begin(target, SEED).unwrap_or_else(|found| fail(name, found));
    for _ in 0..target.short {
        let input = campaign.spoil();
        if let Err(found) = campaign.attempt(input) {
            fail(name, found.shrunk(target));
        }
    }
    println!("{name}: {:?}", campaign.counts());
}

fn fail(name: &str, found: Finding) -> ! {
    panic!("{name}: {}\nwith {}", found.why, found.input.escape_ascii());
}
