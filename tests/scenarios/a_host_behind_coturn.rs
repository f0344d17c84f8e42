// SPDX-License-Identifier: MPL-2.0
//! Somebody sits at a host whose router lets no UDP through to the worker, but runs coturn. By the join page in
//! Chromium, which takes the relay that the worker names, they talk with a phone.

use anyhow::{Result, ensure};
use sip_worker::measure::steady::steadily;
use sipbridge_browser::share_of;
use sipbridge_tests::coturn::Coturn;
use sipbridge_tests::join_page::{SOON, card, hears_hz, phone};
use sipbridge_tests::namespaces::{Host, apart};
use sipbridge_tests::out_dir;
use sipbridge_tests::scene::{NUMBER, open_house};
use sipbridge_tests::site::Site;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

const SCENARIO: &str = "a_host_behind_coturn";
const TEST: &str = "a_host_behind_coturn::somebody_behind_coturn_talks_with_a_phone";
const SECRET: &str = "what only coturn and the worker know";
/// Where Ann is, and her router there.
const HOME: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 2);
const HOMES_ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
/// Where the worker is, and the router there.
const WORLD: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 2);
const WORLDS_ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
const ANNS_HZ: f64 = 700.0;
const BOBS_HZ: f64 = 1_000.0;
/// As exactly as the page counts.
const CLOSE_HZ: f64 = 15.0;
/// So much of what the phone hears is looked at.
const LISTENED: Duration = Duration::from_secs(2);
/// From one host to the next and back.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

#[test]
fn somebody_behind_coturn_talks_with_a_phone() -> Result<()> {
    apart(TEST, || steadily(scenario))
}

fn scenario() -> Result<()> {
    let (home, router, world) = (Host::new()?, Host::new()?, Host::new()?);
    router.cable("home", HOMES_ROUTER, &home, HOME)?;
    router.cable("world", WORLDS_ROUTER, &world, WORLD)?;
    router.route_all_but_udp(&["home", "world"])?;
    ensure!(
        !is_heard_by_udp(&home, &world)?,
        "UDP passes without any relay"
    );
    let coturn = router.there(|| Coturn::at(SCENARIO, SECRET, HOMES_ROUTER, WORLDS_ROUTER))?;
    std::fs::write(out_dir(SCENARIO).join("turn-secret"), SECRET)?;
    let [by_udp, ..] = coturn.urls();
    let ice = format!("turn = [{by_udp:?}]\nturn_secret_file = \"turn-secret\"");
    world.there(|| {
        let site = Site::open(SCENARIO, WORLD.into(), &ice, &open_house("at-once"))?;
        let mut bob = phone(SCENARIO, "bob", BOBS_HZ)?;
        bob.dial(&site.uri(NUMBER))?;
        bob.wait_established(SOON)?;
        let mut ann = home.there(|| site.visited("Ann", ANNS_HZ))?;
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
        heard.write(out_dir(SCENARIO).join("bob-heard.wav"))?;
        let end = heard.duration();
        let last = heard.slice(end.saturating_sub(LISTENED / 2), end);
        let share = share_of(ANNS_HZ, &last.samples, last.rate_hz);
        ensure!(
            share > 0.5,
            "of what Bob hears at last, {share:.2} is Ann's tone"
        );
        Ok(())
    })
}

/// Whether a datagram comes to `world` that was sent at `home`.
fn is_heard_by_udp(home: &Host, world: &Host) -> Result<bool> {
    let ear = world.there(|| Ok(UdpSocket::bind((WORLD, 0))?))?;
    ear.set_read_timeout(Some(ON_ITS_WAY))?;
    let to = ear.local_addr()?;
    home.there(|| {
        let mouth = UdpSocket::bind((HOME, 0))?;
        // The router may say that it does not let it pass.
        let _ = mouth.send_to(b"is anybody there?", to);
        Ok(())
    })?;
    Ok(ear.recv(&mut [0; 32]).is_ok())
}
