// SPDX-License-Identifier: MPL-2.0
//! A way to a TCP server that can be cut, the server knowing nothing of it but a closed connection.

use anyhow::Result;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A port on loopback that leads to another.
pub struct Detour {
    address: SocketAddr,
    ways: Arc<Mutex<Ways>>,
}

#[derive(Default)]
struct Ways {
    cut: bool,
    over: bool,
    open: Vec<TcpStream>,
}

impl Detour {
    pub fn to(server: SocketAddr) -> Result<Detour> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let ways = Arc::<Mutex<Ways>>::default();
        thread::spawn({
            let ways = ways.clone();
            move || {
                for here in listener.incoming().flatten() {
                    let mut ways = lock(&ways);
                    if ways.over {
                        return;
                    }
                    // Whoever comes while it is cut is hung up on.
                    if !ways.cut
                        && let Ok(there) = TcpStream::connect(server)
                    {
                        let ends = [(&here, &there), (&there, &here)];
                        for (from, to) in ends {
                            if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                                thread::spawn(move || carry(from, to));
                            }
                        }
                        ways.open.extend([here, there]);
                    }
                }
            }
        });
        Ok(Detour { address, ways })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and lets no new one through.
    pub fn cut(&self) {
        let mut ways = lock(&self.ways);
        ways.cut = true;
        for stream in ways.open.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        lock(&self.ways).cut = false;
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.cut();
        lock(&self.ways).over = true;
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    // How it ends does not matter: the other end learns of it.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

fn lock(ways: &Mutex<Ways>) -> MutexGuard<'_, Ways> {
    ways.lock().unwrap_or_else(PoisonError::into_inner)
}
