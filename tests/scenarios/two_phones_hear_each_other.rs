// SPDX-License-Identifier: MPL-2.0
//! Two stock phones, nothing of ours between them: what the other scenarios measure with, measured.

use anyhow::Result;
use sip_worker::measure::compare;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::speech::Speech;
use std::time::Duration;

const SCENARIO: &str = "two_phones_hear_each_other";

#[test]
fn two_phones_hear_each_other() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let (alice_says, bob_says) = (Speech::phone()?, Speech::room()?);
    let padding = Duration::from_millis(300);
    let (alice_plays, bob_plays) = (
        alice_says.between(padding, padding),
        bob_says.between(padding, padding),
    );
    let phone = |name, says, auto_answer| {
        Baresip::start(
            SCENARIO,
            &Options {
                auto_answer,
                ..Options::new(name, says)
            },
        )
    };
    let mut alice = phone("alice", &alice_plays, false)?;
    let mut bob = phone("bob", &bob_plays, true)?;

    alice.dial(&bob.uri())?;
    alice.wait_established(Duration::from_secs(5))?;
    bob.wait_established(Duration::from_secs(5))?;
    // Each hangs up where its file ends; the shorter one ends the call.
    bob.wait_closed(Duration::from_secs(20))?;
    let (alice_heard, bob_heard) = (alice.into_heard()?, bob.into_heard()?);

    alice_says.assert_heard_in(&bob_heard, SCENARIO, "alice to bob")?;
    // The negative controls: neither the other direction nor another run passes for this one.
    assert!(
        !compare(&alice_says.wave, &alice_heard).is_good(),
        "alice hears bob, not herself"
    );
    assert!(bob_says.marker.find(&bob_heard).is_none());
    assert!(
        Speech::phone()?.marker.find(&bob_heard).is_none(),
        "a marker of another run"
    );
    Ok(())
}
