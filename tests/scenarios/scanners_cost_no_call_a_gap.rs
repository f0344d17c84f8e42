// SPDX-License-Identifier: MPL-2.0
//! Scanners ask from many addresses at once while a call runs. The call does not notice, those who ask too
//! much are banned, and a ban can be lifted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::put;
use sipbridge_tests::raw::Raw;
use sipbridge_tests::scene::{NUMBER, Scene, route};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::worker::run_once;

const SCENARIO: &str = "scanners_cost_no_call_a_gap";
const SCANNERS: u16 = 500;
/// Of all of them together.
const REQUESTS_A_SECOND: u32 = 5_000;
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 0\r\n";

#[test]
fn scanners_cost_no_call_a_gap() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let password = put(SCENARIO, "password", "open sesame\n")?;
    let tables = format!(
        "[[trunk]]
name = \"phones\"
allow = [\"127.0.0.1\"]

[guard]
failures = 10

[[user]]
name = \"alice\"
password_file = \"{}\"

{}",
        password.display(),
        route("at-once")
    );
    let scene = Scene::open(SCENARIO, &tables)?;
    let host = scene.join("host")?;
    let says = Speech::phone()?;
    let plays = says.between(Duration::from_secs(3), Duration::from_secs(1));
    let mut phone = Baresip::start(SCENARIO, &Options::new("phone", &plays))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    let heard = scene.wait(host.hears("phone", Duration::from_secs(3)))?;

    let (sip, over) = (scene.worker.sip(), AtomicBool::new(false));
    let asked_a_second = thread::scope(|scope| {
        let scanning = scope.spawn(|| scan(sip, &over));
        let closed = phone.wait_closed(Duration::from_secs(30));
        over.store(true, Ordering::Relaxed);
        let asked = scanning.join().ok().context("the scanners panicked")?;
        closed.and(asked)
    })?;
    println!("{asked_a_second:.0} requests a second");
    ensure!(asked_a_second > 0.9 * f64::from(REQUESTS_A_SECOND));
    says.assert_heard_in(&heard.recording.wave(), SCENARIO, "phone to room")?;
    assert_eq!(scene.worker.calls()?.len(), 1, "no scanner became a call");
    bans_can_be_lifted(&scene)
}

/// Their addresses are this machine's, and no trunk's.
fn address(scanner: u16) -> Ipv4Addr {
    let [high, low] = scanner.to_be_bytes();
    Ipv4Addr::new(127, 20, high, low)
}

/// Asks, in turn, until it is over; how often in a second.
fn scan(sip: SocketAddr, over: &AtomicBool) -> Result<f64> {
    let scanners = (0..SCANNERS)
        .map(|scanner| Raw::open_from(address(scanner), sip))
        .collect::<Result<Vec<Raw>>>()?;
    let (began, mut asked) = (Instant::now(), 0u32);
    while !over.load(Ordering::Relaxed) {
        for (at, scanner) in (0..).zip(&scanners) {
            // Each of them asks for both.
            let request = match (asked / u32::from(SCANNERS) + at) % 2 {
                0 => scanner.request("REGISTER", "alice", ""),
                _ => scanner.request("INVITE", NUMBER, SDP),
            };
            scanner.send(request.as_bytes())?;
            asked += 1;
            let due = began + Duration::from_secs(1) * asked / REQUESTS_A_SECOND;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    Ok(f64::from(asked) / began.elapsed().as_secs_f64())
}

fn bans_can_be_lifted(scene: &Scene) -> Result<()> {
    let bans = || -> Result<Vec<String>> {
        let (_, answer) = scene.worker.ask("GET", "/v1/bans", None)?;
        let bans = answer["bans"].as_array().into_iter().flatten();
        Ok(bans
            .filter_map(|ban| ban["source"].as_str().map(str::to_owned))
            .collect())
    };
    let banned = bans()?;
    assert_eq!(banned.len(), usize::from(SCANNERS), "{banned:?}");
    let scanner = Raw::open_from(address(7), scene.worker.sip())?;
    let hears = |patience| -> Result<Option<String>> {
        let register = scanner.request("REGISTER", "alice", "");
        scanner.send(register.as_bytes())?;
        let answer = scanner.final_answer_to(&register, patience)?;
        Ok(answer.map(|answer| answer.lines().next().unwrap_or_default().to_owned()))
    };
    assert_eq!(hears(Duration::from_millis(400))?, None);
    let source = address(7).to_string();
    let path = format!("/v1/bans/{source}");
    assert_eq!(scene.worker.ask("DELETE", &path, None)?.0, 204);
    assert_eq!(scene.worker.ask("DELETE", &path, None)?.0, 404);
    assert_eq!(scene.worker.ask("DELETE", "/v1/bans/lab", None)?.0, 400);
    let heard = hears(Duration::from_secs(5))?.unwrap_or_default();
    assert!(heard.starts_with("SIP/2.0 401"), "{heard}");

    // From the command line, too.
    let file = scene.worker.token_file().display().to_string();
    let url = scene.worker.url();
    let ask = |more: &[&str]| -> Result<String> {
        let whom = ["bans", "--url", &url, "--token-file", &file];
        let output = run_once(&[&whom, more].concat())?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    assert_eq!(ask(&[])?.lines().count(), usize::from(SCANNERS) - 1);
    let other = address(8).to_string();
    ask(&["--lift", &other])?;
    assert!(!bans()?.contains(&other));
    Ok(())
}
