// SPDX-License-Identifier: MPL-2.0
//! Two stock phones of different make register with Kamailio and call each other through it, one over UDP
//! and one over TCP; nothing of ours between them: what the other scenarios measure with, measured.

use anyhow::Result;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{self, Baresip};
use sipbridge_tests::kamailio::{Kamailio, PASSWORD};
use sipbridge_tests::linphone::{self, Linphone};
use sipbridge_tests::speech::Speech;
use std::time::Duration;

const SCENARIO: &str = "two_phones_behind_kamailio";
const SOON: Duration = Duration::from_secs(5);

#[test]
fn two_phones_behind_kamailio() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let (alice_says, bob_says) = (Speech::phone()?, Speech::room()?);
    let padding = Duration::from_millis(500);
    let (alice_plays, bob_plays) = (
        alice_says.between(padding, Duration::from_secs(10)),
        bob_says.between(padding, padding),
    );
    let kamailio = Kamailio::start(SCENARIO)?;
    let mut alice = Linphone::start(
        SCENARIO,
        &linphone::Options::new("alice", &alice_plays, kamailio.address(), PASSWORD),
    )?;
    let mut bob = Baresip::start(
        SCENARIO,
        &baresip::Options {
            auto_answer: true,
            password: Some(PASSWORD),
            registrar: Some(kamailio.address()),
            transport: "tcp",
            ..baresip::Options::new("bob", &bob_plays)
        },
    )?;
    kamailio.wait_registered("alice", SOON)?;
    bob.wait_registered(SOON)?;

    alice.dial(&format!("sip:bob@{}", kamailio.address()))?;
    alice.wait_established(SOON)?;
    bob.wait_established(SOON)?;
    // He hangs up where his file ends.
    alice.wait_closed(Duration::from_secs(20))?;
    let (alice_heard, bob_heard) = (alice.into_heard()?, bob.into_heard()?);

    alice_says.assert_heard_in(&bob_heard, SCENARIO, "alice to bob")?;
    bob_says.assert_heard_in(&alice_heard, SCENARIO, "bob to alice")?;
    Ok(())
}
