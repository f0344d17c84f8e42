// SPDX-License-Identifier: MPL-2.0
//! A way to a TCP server that can be cut, the server knowing nothing of it but a closed connection.

use anyhow::Result;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A port on loopback that leads to another.
pub struct Detour {
    address: SocketAddr,
    ways: Arc<(Mutex<Ways>, Condvar)>,
}

#[derive(Default)]
struct Ways {
    cut: bool,
    /// Whoever comes is neither let through nor hung up on.
    silent: bool,
    over: bool,
    open: Vec<TcpStream>,
}

impl Detour {
    pub fn to(server: SocketAddr) -> Result<Detour> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let ways = Arc::<(Mutex<Ways>, Condvar)>::default();
        thread::spawn({
            let ways = ways.clone();
            move || {
                for here in listener.incoming().flatten() {
                    let (ways, mended) = &*ways;
                    let mut ways = lock(ways);
                    while ways.silent && !ways.over {
                        ways = mended.wait(ways).unwrap_or_else(PoisonError::into_inner);
                    }
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
        let mut ways = lock(&self.ways.0);
        ways.cut = true;
        ways.end_all();
    }

    /// Ends all connections, and lets new ones wait until it is mended: as if what is sent did not arrive.
    pub fn fall_silent(&self) {
        let mut ways = lock(&self.ways.0);
        ways.silent = true;
        ways.end_all();
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        let mut ways = lock(&self.ways.0);
        (ways.cut, ways.silent) = (false, false);
        self.ways.1.notify_all();
    }
}

impl Ways {
    fn end_all(&mut self) {
        for stream in self.open.drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.cut();
        lock(&self.ways.0).over = true;
        self.ways.1.notify_all();
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
