// SPDX-License-Identifier: MPL-2.0
//! Two people come to the join page, each in a browser of their own, at an address that is not loopback: there a
//! browser gives a page the microphone over HTTPS alone. They see and hear each other, and who leaves is gone.

use anyhow::{Result, ensure};
use sip_worker::demo::janus::own_address;
use sipbridge_tests::join_page::{SOON, card, hears_hz};
use sipbridge_tests::site::Site;

const SCENARIO: &str = "browsers_over_https";
const ANNS_HZ: f64 = 700.0;
const BENS_HZ: f64 = 1_000.0;
/// As exactly as the page counts.
const CLOSE_HZ: f64 = 15.0;

#[test]
fn two_browsers_hear_each_other_over_https() -> Result<()> {
    let host = own_address()?;
    ensure!(!host.is_loopback(), "a page of loopback needs no HTTPS");
    let site = Site::open(SCENARIO, host, "", "")?;
    let mut ann = site.visited("Ann", ANNS_HZ)?;
    let mut ben = site.visited("Ben", BENS_HZ)?;
    for (visitor, other, hz) in [(&mut ann, "Ben", BENS_HZ), (&mut ben, "Ann", ANNS_HZ)] {
        visitor.page.until(&card(other), SOON)?;
        let heard = hears_hz(&mut visitor.page)?;
        ensure!(
            (heard - hz).abs() < CLOSE_HZ,
            "{heard} Hz are heard in the place of {other}'s {hz} Hz"
        );
    }
    ben.page.click("#leave")?;
    ann.page.until(&format!("!{}", card("Ben")), SOON)?;
    Ok(())
}
