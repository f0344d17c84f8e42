// SPDX-License-Identifier: MPL-2.0
//! The worker sits behind a router that gives it an address outside, one to one, and somebody behind a router that
//! gives all hosts there its own: by the join page they talk with a phone. And so does somebody whose host has IPv6
//! alone, while the phone has IPv4 alone.

use anyhow::{Result, ensure};
use sip_worker::measure::steady::steadily;
use sipbridge_tests::far_apart::talk;
use sipbridge_tests::namespaces::{Host, apart};
use sipbridge_tests::scene::open_house;
use sipbridge_tests::site::Site;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Where Ann is, and her router there.
const HOME: Ipv4Addr = Ipv4Addr::new(10, 77, 3, 2);
const HOMES_ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 3, 1);
/// Where the worker is, and the router there.
const OFFICE: Ipv4Addr = Ipv4Addr::new(10, 77, 4, 2);
const OFFICES_ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 4, 1);
/// What the routers have between them: the home's, the office's, and the one that is the worker's outside.
const HOME_OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const OFFICE_OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const WORKER_OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
/// From one host to the next and back.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

#[test]
fn each_behind_a_router_that_translates() -> Result<()> {
    let test = "hosts_behind_nat::each_behind_a_router_that_translates";
    apart(test, || steadily(translated))
}

fn translated() -> Result<()> {
    let name = "hosts_behind_nat";
    let (home, homes, offices, office) = (Host::new()?, Host::new()?, Host::new()?, Host::new()?);
    homes.cable("inside", HOMES_ROUTER, &home, HOME)?;
    offices.cable("inside", OFFICES_ROUTER, &office, OFFICE)?;
    // The home's router knows no way to the office's network.
    offices.cable("outside", OFFICE_OUTSIDE, &homes, HOME_OUTSIDE)?;
    homes.translate("ip saddr 10.77.3.0/24 oifname \"uplink\" masquerade", "")?;
    offices.translate(
        &format!("ip saddr {OFFICE} oifname \"outside\" snat to {WORKER_OUTSIDE}"),
        &format!("iifname \"outside\" ip daddr {WORKER_OUTSIDE} dnat to {OFFICE}"),
    )?;
    offices.owns("outside", WORKER_OUTSIDE)?;
    // What is inside is private.
    offices.passes_nothing_to("outside", "10.77.4.0/24")?;
    let door = office.there(|| Ok(TcpListener::bind((OFFICE, 0))?))?;
    let port = door.local_addr()?.port();
    ensure!(reaches(&home, (WORKER_OUTSIDE, port).into())?, "no way in");
    ensure!(
        !reaches(&home, (OFFICE, port).into())?,
        "the office is open"
    );
    let ice = format!("advertise = \"{WORKER_OUTSIDE}\"");
    office.there(|| {
        let site = Site::open(name, OFFICE.into(), &ice, &open_house("at-once"))?;
        talk(name, &site.reached_at(WORKER_OUTSIDE.into()), &home, &[])
    })
}

fn reaches(from: &Host, to: SocketAddr) -> Result<bool> {
    from.there(|| Ok(TcpStream::connect_timeout(&to, ON_ITS_WAY).is_ok()))
}

#[test]
fn at_a_host_with_ipv6_alone() -> Result<()> {
    let test = "hosts_behind_nat::at_a_host_with_ipv6_alone";
    apart(test, || steadily(by_ipv6))
}

fn by_ipv6() -> Result<()> {
    let name = "a_host_with_ipv6_alone";
    // Of a network that leads nowhere else (RFC 4193).
    let at = |host| IpAddr::from(Ipv6Addr::new(0xfd77, 0, 0, 1, 0, 0, 0, host));
    let (home, world) = (Host::new()?, Host::new()?);
    world.cable("home", at(1), &home, at(2))?;
    world.there(|| {
        let site = Site::open(name, at(1), "", &open_house("at-once"))?;
        talk(name, &site, &home, &[])
    })
}
