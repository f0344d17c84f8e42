// SPDX-License-Identifier: MPL-2.0
//! sipp as a child process.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};

/// A sipp that handles so many calls and then goes.
pub struct Sipp {
    child: Child,
    pub addr: SocketAddr,
}

impl Sipp {
    /// At a free port of this address, with more arguments: the scenario, and whom to call.
    pub fn start(at: IpAddr, arguments: &[&str], calls: usize) -> Sipp {
        // sipp takes no port 0: it gets one that was free a moment ago.
        let addr = UdpSocket::bind((at, 0)).unwrap().local_addr().unwrap();
        let at = at.to_string();
        let child = Command::new("sipp")
            .args(arguments)
            .args(["-i", &at, "-mi", &at, "-p", &addr.port().to_string()])
            .args([
                "-m",
                &calls.to_string(),
                "-nostdin",
                "-timeout",
                "60",
                "-timeout_error",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp runs: it is in Debian's package sip-tester");
        Sipp { child, addr }
    }

    /// Whether sipp found every call as its scenario says.
    pub fn was_content(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
