// SPDX-License-Identifier: MPL-2.0
//! The HTTP interface speaks TLS with the certificate of its configuration, and shows another one after SIGHUP.

use anyhow::{Result, ensure};
use sipbridge_tests::process::Process;
use sipbridge_tests::worker::{program, run_once};
use sipbridge_tests::{certificate, out_dir, ports};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

const SCENARIO: &str = "pages_over_https";
const SOON: Duration = Duration::from_secs(20);
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn pages_over_https() -> Result<()> {
    let folder = out_dir(SCENARIO);
    std::fs::create_dir_all(&folder)?;
    certificate::self_made(&folder, HOST)?;
    let (sip, http) = (ports::free(), ports::free());
    let config = folder.join("sip-worker.toml");
    let text = format!(
        "[sip]
listen = [\"udp:127.0.0.1:{sip}\"]
[http]
listen = \"127.0.0.1:{http}\"
token_file = \"token\"
tls = {{ cert_file = \"http.pem\", key_file = \"http.key\" }}
"
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(program()?);
    command.arg("run").arg("--config").arg(&config);
    let worker = Process::start("sip-worker", command, &folder.join("sip-worker.log"))?;
    worker.wait_for_line("taking calls", SOON)?;
    worker.wait_for_line(&format!("https://127.0.0.1:{http}"), SOON)?;

    // It believes the certificate that stands in the configuration.
    let config = config.to_string_lossy();
    let asked = || run_once(&["calls", "--config", &config]);
    let answer = asked()?;
    ensure!(answer.status.success(), "{answer:?}");
    ensure!(answer.stdout == b"no calls\n", "{answer:?}");

    let token = folder.join("token");
    let token = token.to_string_lossy();
    let stranger = |url: &str| run_once(&["calls", "--url", url, "--token-file", &token]);
    let doubts = stranger(&format!("https://127.0.0.1:{http}"))?;
    let said = String::from_utf8_lossy(&doubts.stderr).into_owned();
    ensure!(
        !doubts.status.success() && said.contains("certificate"),
        "{said}"
    );
    ensure!(
        !stranger(&format!("http://127.0.0.1:{http}"))?
            .status
            .success()
    );

    certificate::self_made(&folder, HOST)?;
    ensure!(
        !asked()?.status.success(),
        "the former certificate is still shown"
    );
    worker.signal(libc::SIGHUP);
    worker.wait_for_line("certificates read again", SOON)?;
    ensure!(asked()?.status.success(), "the new certificate is shown");

    std::fs::write(folder.join("http.pem"), "no certificate")?;
    worker.signal(libc::SIGHUP);
    worker.wait_for_line("a certificate stays as it was", SOON)?;
    Ok(())
}
