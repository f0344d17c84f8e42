// SPDX-License-Identifier: MPL-2.0
//! Somebody sits at a host whose router lets no UDP through to the worker, but runs coturn. By the join page in
//! Chromium, which takes the relay that the worker names, over UDP or TLS, they talk with a phone.

use anyhow::{Result, ensure};
use sip_worker::measure::steady::steadily;
use sipbridge_tests::coturn::Coturn;
use sipbridge_tests::far_apart::talk;
use sipbridge_tests::namespaces::{Host, apart};
use sipbridge_tests::out_dir;
use sipbridge_tests::scene::open_house;
use sipbridge_tests::site::Site;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

const SECRET: &str = "what only coturn and the worker know";
/// Where Ann is, and her router there.
const HOME: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 2);
const HOMES_ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 1);
/// Where the worker is, and the router there.
const WORLD: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 2);
const WORLDS_ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 1);
/// From one host to the next and back.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

#[test]
fn somebody_behind_coturn_talks_with_a_phone() -> Result<()> {
    let test = "a_host_behind_coturn::somebody_behind_coturn_talks_with_a_phone";
    let by_udp = |[udp, _, _]: [String; 3]| udp;
    apart(test, || {
        steadily(|| scenario("a_host_behind_coturn", by_udp, &[]))
    })
}

/// Over TLS, which webrtcbin cannot: to its libnice `turns:` is TCP. The browser believes coturn's certificate.
#[test]
fn somebody_behind_coturn_talks_with_a_phone_over_tls() -> Result<()> {
    let test = "a_host_behind_coturn::somebody_behind_coturn_talks_with_a_phone_over_tls";
    let by_tls = |[_, _, tls]: [String; 3]| tls;
    let believes = ["--ignore-certificate-errors".to_owned()];
    apart(test, || {
        steadily(|| scenario("a_host_behind_coturn_over_tls", by_tls, &believes))
    })
}

/// There is no way but the one URL of coturn's that is chosen.
fn scenario(
    name: &'static str,
    choose: impl FnOnce([String; 3]) -> String,
    browser: &[String],
) -> Result<()> {
    let (home, router, world) = (Host::new()?, Host::new()?, Host::new()?);
    router.cable("home", HOMES_ROUTER, &home, HOME)?;
    router.cable("world", WORLDS_ROUTER, &world, WORLD)?;
    router.route_all_but_udp(&["home", "world"])?;
    ensure!(
        !is_heard_by_udp(&home, &world)?,
        "UDP passes without any relay"
    );
    let coturn = router.there(|| Coturn::at(name, SECRET, HOMES_ROUTER, WORLDS_ROUTER))?;
    std::fs::write(out_dir(name).join("turn-secret"), SECRET)?;
    let url = choose(coturn.urls());
    let ice = format!("turn = [{url:?}]\nturn_secret_file = \"turn-secret\"");
    world.there(|| {
        let site = Site::open(name, WORLD.into(), &ice, &open_house("at-once"))?;
        talk(name, &site, &home, browser)
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
