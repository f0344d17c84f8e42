// SPDX-License-Identifier: MPL-2.0
//! A trunk is watched by OPTIONS: the worker says that its only server is down before anybody calls, that
//! it is back as soon as it answers, and a call goes there at once.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::name_server::NameServer;
use sipbridge_tests::scene::{ROOM, Scene, Setup, trunk_to};
use sipbridge_tests::speech::Speech;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const SCENARIO: &str = "a_trunk_is_watched";
const DOMAIN: &str = "carrier.example";
const SOON: Duration = Duration::from_secs(5);
/// An interval, and how long a server may say nothing.
const NEWS: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);

/// Passes datagrams on between the worker and a phone, once it is open.
struct Gate {
    addr: SocketAddr,
    open: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Gate {
    fn before(phone: SocketAddr) -> Result<Gate> {
        let front = UdpSocket::bind("127.0.0.1:0")?;
        let back = UdpSocket::bind("127.0.0.1:0")?;
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(LOOK))?;
        }
        let mut gate = Gate {
            addr: front.local_addr()?,
            open: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        let worker = Arc::new(Mutex::new(None));
        let (takes, gives) = (front.try_clone()?, back.try_clone()?);
        let (open, from_worker) = (gate.open.clone(), worker.clone());
        gate.pass(takes, move |packet, from| {
            if open.load(Ordering::Relaxed) {
                *lock(&from_worker) = Some(from);
                // It may have ended.
                let _ = gives.send_to(packet, phone);
            }
        });
        gate.pass(back, move |packet, _| {
            if let Some(worker) = *lock(&worker) {
                let _ = front.send_to(packet, worker);
            }
        });
        Ok(gate)
    }

    fn pass(&mut self, socket: UdpSocket, on: impl Fn(&[u8], SocketAddr) + Send + 'static) {
        let stop = self.stop.clone();
        self.threads.push(std::thread::spawn(move || {
            let mut packet = [0; 65_536];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut packet) {
                    on(&packet[..length], from);
                }
            }
        }));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of it has been printed.
            let _ = thread.join();
        }
    }
}

#[test]
fn a_trunk_is_watched() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let says = Speech::phone()?;
    let plays = says.between(Duration::from_secs(1), Duration::from_secs(20));
    let options = Options {
        auto_answer: true,
        ..Options::new("bob", &plays)
    };
    let phone = Baresip::start(SCENARIO, &options)?;
    let gate = Gate::before(phone.address())?;
    let names = NameServer::start()?;
    names.servers(DOMAIN, &[gate.addr.port(), phone.address().port()]);
    let setup = Setup {
        sip: format!("nameservers = [\"{}\"]", names.addr()),
        ..Setup::default()
    };
    let tables = trunk_to(&format!("sip:{DOMAIN}"));
    let tables = tables.replacen("from = ", "watch = \"5s\"\nfrom = ", 1);
    let scene = Scene::open_with(SCENARIO, &tables, setup)?;
    let _host = scene.join("host")?;
    let first = format!("udp:{}", gate.addr);
    let second = format!("udp:{}", phone.address());
    let mut events = Events::follow(&scene)?;

    // Nobody has called, and the worker knows.
    let watched = events.until(&scene, |watched| {
        of(watched, &first) == "down" && of(watched, &second) == "up"
    })?;
    ensure!(watched["state"] == "up", "{watched}");
    let down = format!("sipbridge_trunk_server_up{{trunk=\"phones\",server=\"{first}\"}} 0\n");
    let metrics = scene.worker.metrics()?;
    ensure!(metrics.contains(&down), "{metrics}");
    ensure!(metrics.contains("sipbridge_trunk_up{trunk=\"phones\"} 1\n"));
    scene
        .worker
        .wait_for_line("a server of the trunk is down", SOON)?;

    let call = || {
        let wanted = json!({ "to": "bob", "trunk": "phones", "room": ROOM, "name": "Bob" });
        let (id, took) = scene.worker.reaches(&wanted, SOON)?;
        scene.worker.hang_up(&id)?;
        anyhow::Ok((id, took))
    };
    // It is not asked first: half a second would pass.
    let (_, took) = call()?;
    ensure!(
        took < 400.0,
        "the server that is down was asked first: {took} ms"
    );

    gate.open.store(true, Ordering::Relaxed);
    events.until(&scene, |watched| of(watched, &first) == "up")?;
    let (id, _) = call()?;
    let (_, ladder) = scene
        .worker
        .ask("GET", &format!("/v1/calls/{id}/ladder"), None)?;
    let steps = ladder["steps"].as_array().context("a ladder")?;
    let invite = steps.first().context("a first step")?;
    ensure!(
        invite["remote"] == gate.addr.to_string().as_str(),
        "{invite}"
    );
    scene
        .worker
        .wait_for_line("a server of the trunk is up", SOON)?;
    Ok(())
}

/// The state of a server in what is told of a trunk.
fn of<'a>(watched: &'a Value, server: &str) -> &'a str {
    let servers = watched["servers"].as_array().into_iter().flatten();
    let mut of = servers.filter(|known| known["server"] == server);
    of.next()
        .and_then(|known| known["state"].as_str())
        .unwrap_or_default()
}

fn watched_now(scene: &Scene) -> Result<Value> {
    let (_, told) = scene.worker.ask("GET", "/v1/registrations", None)?;
    Ok(told["watched"][0].clone())
}

/// The worker's event stream.
struct Events {
    lines: std::io::Lines<BufReader<std::net::TcpStream>>,
}

impl Events {
    fn follow(scene: &Scene) -> Result<Events> {
        let stream = scene.worker.get(Some(scene.worker.token()), "/v1/events")?;
        stream.set_read_timeout(Some(NEWS))?;
        Ok(Events {
            lines: BufReader::new(stream).lines(),
        })
    }

    /// Waits until this holds of the trunk, and returns how it stands then.
    fn until(&mut self, scene: &Scene, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let now = watched_now(scene)?;
        if holds(&now) {
            return Ok(now);
        }
        loop {
            let line = self.lines.next().context("the events ended")??;
            let event = line.strip_prefix("data:").unwrap_or_default();
            let event: Value = serde_json::from_str(event).unwrap_or_default();
            if event["type"] == "trunk" && event["trunk"] == "phones" && holds(&event) {
                return Ok(event);
            }
        }
    }
}
