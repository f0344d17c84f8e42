// SPDX-License-Identifier: MPL-2.0
//! Hosts with networks of their own, made of network namespaces. They live in a process of their own and are gone
//! with it; the network of this machine is not touched.

use anyhow::{Context as _, Result, anyhow, ensure};
use std::fs::File;
use std::io::{Error, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

/// Set in a process that may make hosts.
const APART: &str = "SIPBRIDGE_TESTS_APART";
/// Set where a scenario that is skipped is one too many.
const NOTHING_IS_SKIPPED: &str = "SIPBRIDGE_TESTS_SKIP_NOTHING";
/// What `unshare` makes such a process by: as root, and as anybody where the kernel lets them.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
/// Whatever hosts need, tried on a network that nobody uses.
const TRIED: &str = "ip link set lo up && echo 1 >/proc/sys/net/ipv4/ip_forward && nft list tables";

/// Runs a scenario in another process of the same tests, where it may make hosts; `test` is its full name there.
/// Where this system lets nobody make any, the scenario is skipped, and says so; with `SIPBRIDGE_TESTS_SKIP_NOTHING=1`
/// in the environment it fails.
pub fn apart(test: &str, scenario: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(APART).is_some() {
        return scenario();
    }
    let Some(way) = WAYS.into_iter().find(|way| is_open(way)) else {
        let why = format!(
            "neither `unshare {}` nor `unshare {}` makes a network here that can be changed",
            WAYS[0].join(" "),
            WAYS[1].join(" ")
        );
        ensure!(std::env::var_os(NOTHING_IS_SKIPPED).is_none(), "{why}");
        // Past the test harness, which keeps what a test that passes prints to itself.
        let _ = writeln!(std::io::stderr(), "{test} is skipped: {why}");
        return Ok(());
    };
    let run = Command::new("unshare")
        .args(way)
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(APART, "yes")
        .output()
        .context("unshare")?;
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}{}", String::from_utf8_lossy(&run.stderr));
    ensure!(run.status.success(), "{test}: {}", run.status);
    ensure!(said.contains("1 passed"), "there is no test {test}");
    Ok(())
}

fn is_open(way: &[&str]) -> bool {
    let tried = Command::new("unshare")
        .args(way)
        .args(["sh", "-c", TRIED])
        .output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// Runs `ip` with these words, on the host of the calling thread.
pub fn ip(words: &str) -> Result<()> {
    let run = Command::new("ip").args(words.split_whitespace()).output();
    let run = run.context("ip (./dev setup installs it)")?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "ip {words}: {}", said.trim());
    Ok(())
}

/// A host that has a network of its own, and nothing in it but loopback.
pub struct Host {
    network: File,
}

impl Host {
    pub fn new() -> Result<Host> {
        on_a_thread(|| {
            // SAFETY: it takes numbers alone, and concerns this thread alone.
            let left = unsafe { libc::unshare(libc::CLONE_NEWNET) };
            ensure!(
                left == 0,
                "no network of its own: {}",
                Error::last_os_error()
            );
            ip("link set lo up")?;
            let network = File::open("/proc/thread-self/ns/net")?;
            Ok(Host { network })
        })
    }

    /// Does something at this host. What that starts and opens stays there.
    pub fn there<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            // SAFETY: the descriptor is open for as long as this is; it concerns this thread alone.
            let entered = unsafe { libc::setns(self.network.as_raw_fd(), libc::CLONE_NEWNET) };
            ensure!(entered == 0, "the host is gone: {}", Error::last_os_error());
            work()
        })
    }

    /// Lays a cable to another host, whose way to everywhere it is from then on. Here it is called `name`. Both
    /// have an address of the same /24, or /64 where that is IPv6.
    pub fn cable<A: Into<IpAddr>>(
        &self,
        name: &str,
        here: A,
        other: &Host,
        there: A,
    ) -> Result<()> {
        let (here, there) = (here.into(), there.into());
        // Nobody else is on the cable who might have the address already (RFC 4862 section 5.4).
        let (family, size, at_once) = match here.is_ipv4() {
            true => ("-4", 24, ""),
            false => ("-6", 64, "nodad"),
        };
        let me = std::process::id();
        let network = format!("/proc/{me}/fd/{}", other.network.as_raw_fd());
        self.there(|| {
            ip(&format!(
                "link add {name} type veth peer name uplink netns {network}"
            ))?;
            ip(&format!("address add {here}/{size} dev {name} {at_once}"))?;
            ip(&format!("link set {name} up"))
        })?;
        other.there(|| {
            ip(&format!("address add {there}/{size} dev uplink {at_once}"))?;
            ip("link set uplink up")?;
            ip(&format!("{family} route add default via {here}"))
        })
    }

    /// From now on this host passes on what comes by these cables, but no UDP.
    pub fn route_all_but_udp(&self, cables: &[&str]) -> Result<()> {
        self.there(|| {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            // What is for the host itself is looked for before any of these rules.
            cables
                .iter()
                .try_for_each(|cable| ip(&format!("rule add iif {cable} ipproto udp prohibit")))
        })
    }
}

/// Loads rules of `nft`, on the host of the calling thread.
fn nft(rules: &str) -> Result<()> {
    let mut run = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("nft (./dev setup installs it)")?;
    let mut into = run.stdin.take().context("its standard input")?;
    into.write_all(rules.as_bytes())?;
    drop(into);
    let run = run.wait_with_output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    ensure!(run.status.success(), "nft {rules}: {}", said.trim());
    Ok(())
}

impl Host {
    /// From now on this host passes on what comes to it, and translates addresses as these rules of `nft` have it, on
    /// the way out and on the way in.
    pub fn translate(&self, leaves: &str, comes: &str) -> Result<()> {
        self.there(|| {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            nft(&format!(
                "table ip translation {{
                    chain comes {{ type nat hook prerouting priority dstnat; {comes}; }}
                    chain leaves {{ type nat hook postrouting priority srcnat; {leaves}; }}
                }}"
            ))
        })
    }

    /// It has this address, too, by this cable.
    pub fn owns(&self, cable: &str, address: Ipv4Addr) -> Result<()> {
        self.there(|| ip(&format!("address add {address}/32 dev {cable}")))
    }

    /// What comes by this cable for that network is dropped, unless it was sent to what is translated to there.
    pub fn passes_nothing_to(&self, cable: &str, network: &str) -> Result<()> {
        self.there(|| {
            nft(&format!(
                "table ip private {{
                    chain comes {{ type filter hook prerouting priority raw; iifname \"{cable}\" ip daddr {network} drop; }}
                }}"
            ))
        })
    }
}

/// A thread ends with what it changed of itself.
fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| scope.spawn(work).join())
        .map_err(|_| anyhow!("what was to be done at another host panicked"))?
}
