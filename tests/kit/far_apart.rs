// SPDX-License-Identifier: MPL-2.0
//! Somebody in a browser at one host, and a phone beside the worker at another: they talk.

use crate::join_page::{SOON, card, hears_hz, phone};
use crate::namespaces::Host;
use crate::out_dir;
use crate::scene::NUMBER;
use crate::site::Site;
use anyhow::{Result, ensure};
use sipbridge_browser::share_of;
use std::time::Duration;

const ANNS_HZ: f64 = 700.0;
const BOBS_HZ: f64 = 1_000.0;
/// As exactly as the page counts.
const CLOSE_HZ: f64 = 15.0;
/// So much of what the phone hears is looked at.
const LISTENED: Duration = Duration::from_secs(2);

/// Ann comes to the page of `site` from `home`, by a browser that is told so much more, and Bob calls there by phone.
/// To be done at the host of the worker.
pub fn talk(scenario: &'static str, site: &Site, home: &Host, more: &[String]) -> Result<()> {
    let mut bob = phone(scenario, "bob", BOBS_HZ)?;
    bob.dial(&site.uri(NUMBER))?;
    bob.wait_established(SOON)?;
    let mut ann = home.there(|| site.visited_by("Ann", ANNS_HZ, more))?;
    for name in ["bob", "Ann"] {
        let talks = format!("{}?.matches('.talking')", card(name));
        ann.page.until(&talks, SOON)?;
    }
    let hz = hears_hz(&mut ann.page)?;
    ensure!(
        (hz - BOBS_HZ).abs() < CLOSE_HZ,
        "Ann hears {hz} Hz in the place of Bob's {BOBS_HZ} Hz"
    );
    // She talks all the time: so long it takes to hear that.
    std::thread::sleep(LISTENED);
    bob.hang_up()?;
    bob.wait_closed(SOON)?;
    let heard = bob.into_heard()?;
    heard.write(out_dir(scenario).join("bob-heard.wav"))?;
    let end = heard.duration();
    let last = heard.slice(end.saturating_sub(LISTENED / 2), end);
    let share = share_of(ANNS_HZ, &last.samples, last.rate_hz);
    ensure!(
        share > 0.5,
        "of what Bob hears at last, {share:.2} is Ann's tone"
    );
    Ok(())
}
