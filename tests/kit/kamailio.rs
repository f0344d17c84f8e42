// SPDX-License-Identifier: MPL-2.0
//! Kamailio as a registrar and a proxy in front of phones and worker, as many a provider runs it.
//!
//! Everybody has the same password. It stays in the path of each call (Record-Route), asks for
//! credentials (401 to REGISTER, 407 to INVITE), and calls whoever is registered under the name that is
//! called; numbers belong to one of two trunks, by their first digit. At the edge it takes WebSockets too, and TLS
//! where it is given a certificate.

use crate::certificate::Files;
use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::Result;
use sip_ua::agent::Transport;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(10);

/// How often a scenario is run at most in which it crashes by itself.
const TRIES: usize = 3;

/// It is gone, and by no fault of ours: Kamailio 5.6 of Debian 12 with OpenSSL 3 frees what two of its processes
/// share when both speak TLS, once in a while (its issues 3635 and 3791, mended in 5.8).
#[derive(Debug, thiserror::Error)]
#[error("Kamailio crashed: {0}")]
pub struct Crashed(String);

/// Runs a scenario; one in which Kamailio crashes is run again. Whatever else fails has failed.
pub fn unless_it_crashes(scenario: impl Fn() -> Result<()>) -> Result<()> {
    for _ in 1..TRIES {
        match scenario() {
            Err(error) if error.is::<Crashed>() => {
                // Past the test harness, which keeps what a test that passes prints to itself.
                let _ = writeln!(std::io::stderr(), "again: {error:#}");
            }
            outcome => return outcome,
        }
    }
    scenario()
}

/// The user whom calls to numbers that begin with 1 are sent to.
pub const TRUNK: &str = "trunk";
/// The user whom calls to all other numbers are sent to.
pub const OTHER_TRUNK: &str = "other-trunk";
/// Everybody's.
pub const PASSWORD: &str = "open-sesame";

pub struct Kamailio {
    address: SocketAddr,
    process: Process,
}

/// What it speaks besides UDP and TCP over IPv4.
#[derive(Default)]
struct Doors<'a> {
    websockets: bool,
    /// TLS too, and all of it over IPv6 as well.
    certificate: Option<&'a Files>,
}

impl Kamailio {
    /// Listens on loopback, over UDP and TCP.
    pub fn start(scenario: &str) -> Result<Kamailio> {
        Kamailio::start_with(scenario, &Doors::default())
    }

    /// The same for browsers and the like as well: `ws:` is spoken on the port of TCP.
    pub fn start_as_edge(scenario: &str) -> Result<Kamailio> {
        let doors = Doors {
            websockets: true,
            ..Doors::default()
        };
        Kamailio::start_with(scenario, &doors)
    }

    /// The same with TLS, and `wss:` on its port, and all of it over IPv6 as well. It believes whom the authority
    /// of its own certificate has signed.
    pub fn start_everywhere(scenario: &str, certificate: &Files) -> Result<Kamailio> {
        let doors = Doors {
            websockets: true,
            certificate: Some(certificate),
        };
        Kamailio::start_with(scenario, &doors)
    }

    fn start_with(scenario: &str, doors: &Doors<'_>) -> Result<Kamailio> {
        let folder = out_dir(scenario).join("kamailio");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let process = launch(&folder, &configuration(address, doors, &folder)?)?;
        Ok(Kamailio { address, process })
    }

    /// One that knows no users of its own: the edge of `home`, to which it sends what comes by TCP. Those who
    /// register there are found by it (Path, RFC 3327).
    pub fn start_before(scenario: &str, home: SocketAddr) -> Result<Kamailio> {
        let folder = out_dir(scenario).join("edge");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let process = launch(&folder, &edge_configuration(address, home))?;
        Ok(Kamailio { address, process })
    }

    /// Where this transport is spoken, at an address of loopback.
    pub fn address_of(&self, transport: Transport, host: IpAddr) -> SocketAddr {
        let beside = u16::from(transport.is_secure());
        SocketAddr::new(host, self.address.port() + beside)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An error if one of its processes was ended by a signal that nobody of us sent: with that it ends as a whole.
    pub fn is_well(&self) -> Result<(), Crashed> {
        let printed = self.process.printed();
        let mut lines = printed.lines();
        match lines.find(|line| line.contains("child process") && line.contains("by a signal")) {
            Some(line) => Err(Crashed(line.to_owned())),
            None => Ok(()),
        }
    }

    /// Waits until this user is registered.
    pub fn wait_registered(&self, user: &str, patience: Duration) -> Result<()> {
        let line = format!("{user} is registered");
        self.process.wait_for_line(&line, patience).map(|_| ())
    }

    /// Waits until this user has gone from the registrar by its own will.
    pub fn wait_unregistered(&self, user: &str, patience: Duration) -> Result<()> {
        let line = format!("{user} is no longer registered");
        self.process.wait_for_line(&line, patience).map(|_| ())
    }

    /// Waits until such a request comes by.
    pub fn wait_request(&self, method: &str, uri: &str, patience: Duration) -> Result<()> {
        let line = format!("<script>: {method} {uri}");
        self.process.wait_for_line(&line, patience).map(|_| ())
    }

    /// The requests of this method that came by, each once: a line with its URI, and whence it came.
    pub fn requests(&self, method: &str) -> Vec<String> {
        let printed = self.process.printed();
        let beginning = format!("<script>: {method} ");
        let mut requests: Vec<String> = printed
            .lines()
            .filter_map(|line| Some(line.split_once(&beginning)?.1.to_owned()))
            .collect();
        requests.dedup();
        requests
    }
}

/// Runs it by this configuration until it is there.
fn launch(folder: &Path, configuration: &str) -> Result<Process> {
    let config = folder.join("kamailio.cfg");
    std::fs::write(&config, configuration)?;
    let mut command = Command::new("kamailio");
    // In the foreground, what it says on standard error.
    command.args(["-DD", "-E", "-m", "32", "-M", "4"]);
    command.arg("-f").arg(&config);
    command.arg("-Y").arg(folder);
    command.arg("-P").arg(folder.join("pid"));
    let process = Process::start("kamailio", command, &folder.join("kamailio.log"))?;
    process.wait_for_line("ready for calls", START)?;
    Ok(process)
}

/// WebSockets begin as HTTP does; whoever comes by one is found again only through it.
const EDGE: &str = r#"
tcp_accept_no_cl=yes
loadmodule "xhttp.so"
loadmodule "websocket.so"
loadmodule "nathelper.so"
modparam("nathelper|registrar", "received_avp", "$avp(received)")

event_route[xhttp:request] {
    set_reply_close();
    set_reply_no_connect();
    if ($rm == "GET" && $hdr(Upgrade) =~ "[Ww]eb[Ss]ocket") {
        if (ws_handle_handshake()) exit;
    }
    xhttp_reply("404", "Not Found", "", "");
}

onreply_route {
    if ($proto =~ "^wss?$") add_contact_alias();
}
"#;

/// What comes by a WebSocket.
const FROM_EDGE: &str = r#"
    if ($proto =~ "^wss?$") {
        force_rport();
        if (is_method("REGISTER")) {
            fix_nated_register();
        } else if (is_present_hf("Contact")) {
            add_contact_alias();
        }
    }
"#;

/// TLS in both roles: it shows its certificate, and believes one authority.
fn tls_configuration(certificate: &Files) -> String {
    let Files { ca, cert, key, .. } = certificate;
    let common = format!(
        "method = TLSv1.2+\nca_list = {}\ncertificate = {}\nprivate_key = {}\n",
        ca.display(),
        cert.display(),
        key.display()
    );
    format!("[server:default]\n{common}\n[client:default]\nverify_certificate = yes\n{common}")
}

fn configuration(address: SocketAddr, doors: &Doors<'_>, folder: &Path) -> Result<String> {
    let (edge, from_edge, to_edge) = match doors.websockets {
        true => (EDGE, FROM_EDGE, "if ($du == \"\") handle_ruri_alias();"),
        false => ("", "", ""),
    };
    let mut doors_of_all = format!("listen=udp:{address}\nlisten=tcp:{address}\n");
    match doors.certificate {
        Some(certificate) => {
            let file = folder.join("tls.cfg");
            std::fs::write(&file, tls_configuration(certificate))?;
            let (near, far) = (
                IpAddr::from(Ipv4Addr::LOCALHOST),
                Ipv6Addr::LOCALHOST.into(),
            );
            let [tls, other_tls] =
                [near, far].map(|host| SocketAddr::new(host, address.port() + 1));
            let other = SocketAddr::new(far, address.port());
            doors_of_all += &format!(
                "listen=udp:{other}\nlisten=tcp:{other}\nlisten=tls:{tls}\nlisten=tls:{other_tls}\n\
                 enable_tls=yes\nloadmodule \"tls.so\"\nmodparam(\"tls\", \"config\", \"{}\")\n",
                file.display()
            );
        }
        None => doors_of_all += "disable_tls=yes\n",
    }
    Ok(format!(
        r#"#!KAMAILIO
debug=1
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
enable_sctp=no
{doors_of_all}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("registrar", "gruu_enabled", 0)
{edge}
request_route {{
    xlog("L_ALERT", "$rm $ru from $si:$sp over $proto\n");
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
{from_edge}
    if (has_totag()) {{
        if (loose_route()) {{
            {to_edge}
            t_relay();
        }} else if (is_method("ACK")) {{
            if (t_check_trans()) t_relay();
        }} else {{
            sl_send_reply("404", "Not Here");
        }}
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "{PASSWORD}", "0")) {{
            www_challenge("$td", "0");
            exit;
        }}
        if (save("location") < 0) {{
            sl_reply_error();
        }} else if (registered("location", "$tu")) {{
            xlog("L_ALERT", "$tU is registered\n");
        }} else {{
            xlog("L_ALERT", "$tU is no longer registered\n");
        }}
        exit;
    }}
    if (is_method("OPTIONS")) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (!pv_proxy_authenticate("$fd", "{PASSWORD}", "0")) {{
        proxy_challenge("$fd", "0");
        exit;
    }}
    consume_credentials();
    record_route();
    $var(number) = $rU;
    if ($rU =~ "^1[0-9]+$") {{
        $rU = "{TRUNK}";
    }} else if ($rU =~ "^[0-9]+$") {{
        $rU = "{OTHER_TRUNK}";
    }}
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    if ($var(number) =~ "^[0-9]+$") {{
        $rU = $var(number);
    }}
    t_relay();
}}

event_route[core:worker-one-init] {{
    xlog("L_ALERT", "ready for calls\n");
}}
"#
    ))
}

fn edge_configuration(address: SocketAddr, home: SocketAddr) -> String {
    let port = home.port();
    format!(
        r#"#!KAMAILIO
debug=1
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
disable_tls=yes
enable_sctp=no
listen=udp:{address}
listen=tcp:{address}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "path.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
# A phone that came by TCP is found where it came from, whatever its Contact says.
modparam("path", "use_received", 1)

request_route {{
    xlog("L_ALERT", "$rm $ru from $si:$sp over $proto\n");
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    t_check_trans();
    # A first request whose Route names but us was not led by it, says loose_route(). It has set where the
    # phone came from none the less.
    if (loose_route() || $sp == {port}) {{
        if (!has_totag()) record_route();
        t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (is_method("ACK") && t_check_trans()) t_relay();
        exit;
    }}
    if (is_method("REGISTER")) {{
        add_path_received();
    }} else {{
        record_route();
    }}
    $du = "sip:{home}";
    t_relay();
}}

event_route[core:worker-one-init] {{
    xlog("L_ALERT", "ready for calls\n");
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_crash_of_its_own_is_told_from_a_failure() -> Result<()> {
        let scenario = "kamailio_crashes";
        std::fs::create_dir_all(out_dir(scenario))?;
        let kamailio = Kamailio::start(scenario)?;
        kamailio.is_well()?;
        let pid = kamailio.process.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let child: libc::pid_t = children
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default()
            .parse()?;
        // SAFETY: a child of a child of ours, which is not yet waited for.
        unsafe { libc::kill(child, libc::SIGSEGV) };
        kamailio.process.wait_for_line("by a signal 11", START)?;
        assert!(kamailio.is_well().is_err());
        Ok(())
    }

    #[test]
    fn only_a_crash_is_another_try() {
        let runs = |error: fn() -> anyhow::Error| {
            let runs = Cell::new(0);
            let outcome = unless_it_crashes(|| {
                runs.set(runs.get() + 1);
                Err(error())
            });
            (runs.get(), outcome.is_err())
        };
        let crashed = || anyhow::Error::from(Crashed("signal 11".to_owned())).context("no answer");
        assert_eq!(runs(crashed), (TRIES, true));
        assert_eq!(runs(|| anyhow::anyhow!("no answer")), (1, true));
    }
}
