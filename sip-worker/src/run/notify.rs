// SPDX-License-Identifier: MPL-2.0
//! Tells systemd how far we are (sd_notify(3)), where it has asked to be told.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Calls are taken from now on.
pub(super) const READY: &str = "READY=1";
/// None is any more.
pub(super) const STOPPING: &str = "STOPPING=1";

/// Says `state` to whoever started us. A failure is logged: the calls do not depend on it.
pub(super) fn notify(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, state, "systemd could not be told");
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_with_a_path_and_one_without_are_told() {
        let name = format!("sipbridge-notify-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let with_path = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let without = UnixDatagram::bind_addr(&address).unwrap();
        let mut abstract_name = std::ffi::OsString::from("@");
        abstract_name.push(&name);
        for (socket, ear) in [(path.as_os_str(), &with_path), (&abstract_name, &without)] {
            send(socket, READY).unwrap();
            let mut heard = [0; 16];
            let length = ear.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], READY.as_bytes());
        }
        std::fs::remove_file(path).unwrap();
    }
}
