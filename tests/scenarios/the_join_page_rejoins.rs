// SPDX-License-Identifier: MPL-2.0
//! The worker crashes and is started anew: whoever is on the page is back in the room by themselves, and talks with a
//! phone as before.

use anyhow::{Result, ensure};
use sipbridge_tests::join_page::{JoinPage, SOON, card, phone, shows};
use sipbridge_tests::scene::trunk_to;

const SCENARIO: &str = "the_join_page_rejoins";

#[test]
fn the_page_rejoins_after_a_crash() -> Result<()> {
    let mut bob = phone(SCENARIO, "bob", 1_200.0)?;
    let mut ann = JoinPage::open(SCENARIO, "", &trunk_to(&bob.uri()))?;
    ann.join("Ann")?;
    // What is shown in between is gone too soon to be asked for.
    let note = "window.wasAway = []; new MutationObserver(() => wasAway.push(document.querySelector('#away').innerText))
        .observe(document.querySelector('#away'), { attributes: true })";
    ann.page.eval(note)?;
    ann.worker.kill()?;
    ann.worker.revive()?;
    ann.sees("wasAway.length > 1")?;
    ann.sees(&format!("!{} && {}", shows("#away"), card("Ann\nyou")))?;
    let told = ann.page.eval("wasAway.join(' ')")?;
    ensure!(
        told.as_str().unwrap_or_default().contains("Rejoining"),
        "{told}"
    );

    ann.page.click("#dial")?;
    ann.page.fill("#number", "bob")?;
    ann.page.press("Enter")?;
    bob.wait_established(SOON)?;
    let hz = ann.hears_hz()?;
    ensure!((hz - 1_200.0).abs() < 15.0, "the page hears {hz} Hz");
    Ok(())
}
