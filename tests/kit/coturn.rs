// SPDX-License-Identifier: MPL-2.0
//! coturn, a real TURN server: over UDP, TCP and TLS, for whoever has credentials made of its secret.

use crate::process::Process;
use crate::{certificate, out_dir, ports};
use anyhow::{Context as _, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(100);
const RELAYS: u16 = 20;
/// coturn's own client sends and takes its packets in less.
const CLIENT: Duration = Duration::from_secs(20);

pub struct Coturn {
    process: Process,
    /// Where it is asked for relays.
    address: Ipv4Addr,
    port: u16,
    tls: u16,
}

impl Coturn {
    /// On loopback.
    pub fn start(scenario: &str, secret: &str) -> Result<Coturn> {
        Coturn::at(scenario, secret, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)
    }

    /// Asked at one address, and with its relays at another.
    pub fn at(
        scenario: &str,
        secret: &str,
        address: Ipv4Addr,
        relays_at: Ipv4Addr,
    ) -> Result<Coturn> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        certificate::make(&folder, address.into())?;
        let (port, tls, relays) = (ports::free(), ports::free(), ports::free_run(RELAYS));
        let mut command = Command::new("turnserver");
        command.current_dir(&folder).args([
            "-n",
            "--log-file=stdout",
            "--verbose",
            "--no-cli",
            "--allow-loopback-peers",
            "--realm=sipbridge",
            "--use-auth-secret",
            "--fingerprint",
            "--cert=cert.pem",
            "--pkey=key.pem",
            "--pidfile=turnserver.pid",
            "--userdb=turnserver.db",
        ]);
        command.args([
            format!("--listening-ip={address}"),
            format!("--relay-ip={relays_at}"),
            format!("--static-auth-secret={secret}"),
            format!("--listening-port={port}"),
            format!("--tls-listening-port={tls}"),
            format!("--min-port={relays}"),
            format!("--max-port={}", relays + RELAYS - 1),
        ]);
        let process = Process::start("turnserver", command, &folder.join("turnserver.log"))?;
        // It opens one port after the other, and says so before it serves them.
        process.wait_for_line("IPv4. TLS/TCP listener opened", START)?;
        until_it_answers((address, port).into())?;
        Ok(Coturn {
            process,
            address,
            port,
            tls,
        })
    }

    /// As `[ice]` names it.
    pub fn urls(&self) -> [String; 3] {
        let (address, port, tls) = (self.address, self.port, self.tls);
        [
            format!("turn:{address}:{port}?transport=udp"),
            format!("turn:{address}:{port}?transport=tcp"),
            format!("turns:{address}:{tls}?transport=tcp"),
        ]
    }

    /// How many packets went through each of so many addresses, once they are all given back.
    pub fn until_given_back(&self, addresses: usize, patience: Duration) -> Result<Vec<u64>> {
        let mut read = 0;
        let mut carried = Vec::new();
        while carried.len() < addresses {
            let line = self
                .process
                .wait_for_line_after(&mut read, &["peer usage:"], patience)?;
            // What came from peers, and what went to them.
            let packets = |of: &str| -> Option<u64> {
                let (_, rest) = line.split_once(of)?;
                rest.split(',').next()?.parse().ok()
            };
            let sum = packets(", rp=").zip(packets(", sp="));
            let (came, went) = sum.context("how many packets went through an address")?;
            carried.push(came + went);
        }
        Ok(carried)
    }

    /// Packets of coturn's own client come back to it over TLS with these credentials.
    pub fn relays_over_tls(&self, username: &str, credential: &str) -> Result<()> {
        let mut command = Command::new("turnutils_uclient");
        command.args(["-t", "-S", "-y", "-n", "5", "-p", &self.tls.to_string()]);
        command.args(["-u", username, "-w", credential]);
        command.arg(self.address.to_string());
        let log = self.process.log().with_file_name("uclient.log");
        let mut client = Process::start("turnutils_uclient", command, &log)?;
        client.wait(CLIENT)?;
        let printed = client.printed();
        let last = printed
            .rsplit_once("tot_recv_msgs=")
            .context("nothing was sent")?;
        let came: usize = last
            .1
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or_default()
            .parse()?;
        ensure!(came > 0, "nothing came back: {printed}");
        Ok(())
    }
}

/// Asks it by UDP where we are (RFC 8489: a Binding request without attributes), until it says so.
fn until_it_answers(at: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(ASK_EVERY))?;
    let mut request = [7; 20];
    request[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        socket.send_to(&request, at)?;
        let mut answer = [0; 512];
        if let Ok(20..) = socket.recv(&mut answer)
            && answer[8..20] == request[8..]
        {
            return Ok(());
        }
    }
    bail!("coturn does not answer within {START:?}")
}
