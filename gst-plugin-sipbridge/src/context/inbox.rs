// SPDX-License-Identifier: MPL-2.0
//! What waits at a socket: several datagrams a system call, each with the time at which the kernel took
//! it. Whoever comes to read late still learns when it came.

use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

use socket2::{SockAddr, SockAddrStorage};

/// Datagrams a system call. At the usual packet time there is one.
const BATCH: usize = 4;

/// System calls on one socket before others have their turn.
const CALLS_MAX: usize = 16;

/// No media packet is longer on any network we know.
const DATAGRAM_MAX: usize = 2_048;

/// Room for the time of a datagram.
const CONTROL: usize = 64;

/// A datagram that waited for longer than this was stamped by a clock that was set since.
const WAITED_MAX: Duration = Duration::from_secs(1);

/// Has the kernel put its time on what comes by this socket.
pub fn stamp_arrivals(socket: &impl AsRawFd) -> Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(Error::last_os_error());
    }
    Ok(())
}

/// Aligned as control messages have to be.
#[repr(align(8))]
struct Control([u8; CONTROL]);

/// Room for datagrams, for all sockets of a media thread: it stays in the processor's cache.
pub struct Inbox {
    bytes: Box<[[u8; DATAGRAM_MAX]; BATCH]>,
    names: [SockAddrStorage; BATCH],
    controls: [Control; BATCH],
    /// Whether the time that is told passes as the kernel's does.
    passes: bool,
}

impl Inbox {
    pub(super) fn new(passes: bool) -> Inbox {
        Inbox {
            bytes: Box::new([[0; DATAGRAM_MAX]; BATCH]),
            names: std::array::from_fn(|_| SockAddrStorage::zeroed()),
            controls: [const { Control([0; CONTROL]) }; BATCH],
            passes,
        }
    }

    /// Hands over what waits, oldest first, with when it came: `now`, or a little earlier. True: there
    /// may be more.
    pub fn read(
        &mut self,
        socket: &impl AsRawFd,
        now: Instant,
        mut take: impl FnMut(Instant, SocketAddr, &[u8]),
    ) -> bool {
        for _ in 0..CALLS_MAX {
            let (count, headers) = match self.receive(socket) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // Somebody's port is closed, says ICMP; others may still send.
                Err(_) => continue,
            };
            let wall = SystemTime::now();
            let received = headers.iter().zip(&self.bytes[..]).zip(&mut self.names);
            for ((header, bytes), name) in received.take(count) {
                let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
                // SAFETY: the kernel wrote an address of this length there.
                let from = unsafe {
                    let name = std::mem::replace(name, SockAddrStorage::zeroed());
                    SockAddr::new(name, header.msg_hdr.msg_namelen)
                };
                let (Some(from), Some(bytes), true) = (
                    from.as_socket(),
                    bytes.get(..header.msg_len as usize),
                    whole,
                ) else {
                    continue;
                };
                let waited = stamp(&header.msg_hdr)
                    .filter(|_| self.passes)
                    .and_then(|stamp| wall.duration_since(SystemTime::UNIX_EPOCH + stamp).ok())
                    .filter(|waited| *waited <= WAITED_MAX)
                    .unwrap_or_default();
                take(now - waited, from, bytes);
            }
            if count < BATCH {
                return false;
            }
        }
        true
    }

    fn receive(&mut self, socket: &impl AsRawFd) -> Result<(usize, [libc::mmsghdr; BATCH])> {
        // SAFETY: null pointers and zero lengths are valid in both.
        let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let rooms = self.bytes.iter_mut().zip(&mut self.names);
        let rooms = rooms.zip(&mut self.controls);
        let slots = vectors.iter_mut().zip(&mut headers);
        for (((bytes, name), control), (vector, header)) in rooms.zip(slots) {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = DATAGRAM_MAX;
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = size_of::<SockAddrStorage>() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL as _;
        }
        // SAFETY: the headers point into buffers of ours that outlive the call; no timeout.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if count < 0 {
            return Err(Error::last_os_error());
        }
        Ok((count as usize, headers))
    }
}

/// The kernel's time of a datagram, since 1970.
fn stamp(header: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel wrote the control messages and their total length; the macros keep within.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(message) = control.as_ref() {
            if message.cmsg_level == libc::SOL_SOCKET && message.cmsg_type == libc::SCM_TIMESTAMPNS
            {
                let time: libc::timespec = libc::CMSG_DATA(control)
                    .cast::<libc::timespec>()
                    .read_unaligned();
                let seconds = u64::try_from(time.tv_sec).ok()?;
                let nanos = u32::try_from(time.tv_nsec).ok()?;
                return (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos));
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn pair(host: &str) -> (UdpSocket, UdpSocket) {
        let bind = || UdpSocket::bind((host, 0)).unwrap();
        let (here, there) = (bind(), bind());
        stamp_arrivals(&there).unwrap();
        (here, there)
    }

    /// The kernel begins to stamp a little after the first socket asked for it.
    fn await_stamps(here: &UdpSocket, there: &UdpSocket) {
        let waits = Duration::from_millis(5);
        for _ in 0..1_000 {
            here.send_to(b"x", there.local_addr().unwrap()).unwrap();
            std::thread::sleep(waits);
            let now = Instant::now();
            let mut waited = Duration::ZERO;
            Inbox::new(true).read(there, now, |at, _, _| waited = now - at);
            if waited >= waits / 2 {
                return;
            }
        }
        panic!("the kernel does not stamp what comes");
    }

    #[test]
    fn all_that_waits_comes_in_order_with_its_sender_and_its_time() {
        for host in ["127.0.0.1", "::1"] {
            let (here, there) = pair(host);
            await_stamps(&here, &there);
            let to = there.local_addr().unwrap();
            let before = Instant::now();
            for number in 0..10u8 {
                here.send_to(&[number; 3], to).unwrap();
            }
            let sent = Instant::now();
            std::thread::sleep(Duration::from_millis(30));
            let mut inbox = Inbox::new(true);
            let mut came = Vec::new();
            let more = inbox.read(&there, Instant::now(), |at, from, bytes| {
                assert_eq!(from, here.local_addr().unwrap());
                // The two clocks are read one after the other.
                let slack = Duration::from_millis(5);
                assert!(at + slack >= before && at <= sent + slack);
                assert_eq!(bytes.len(), 3);
                came.push(bytes[0]);
            });
            assert!(!more);
            assert_eq!(came, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn on_a_clock_that_stands_still_all_comes_now() {
        let (here, there) = pair("127.0.0.1");
        here.send_to(b"x", there.local_addr().unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        let now = Instant::now();
        let mut came = Vec::new();
        Inbox::new(false).read(&there, now, |at, _, _| came.push(at));
        assert_eq!(came, [now]);
    }

    #[test]
    fn others_have_their_turn_and_what_is_too_long_is_left_out() {
        let (here, there) = pair("127.0.0.1");
        let to = there.local_addr().unwrap();
        here.send_to(&[0; DATAGRAM_MAX + 1], to).unwrap();
        let many = BATCH * CALLS_MAX;
        for _ in 0..many {
            here.send_to(b"x", to).unwrap();
        }
        let mut inbox = Inbox::new(true);
        let mut came = 0;
        assert!(inbox.read(&there, Instant::now(), |_, _, _| came += 1));
        assert_eq!(came, many - 1);
        assert!(!inbox.read(&there, Instant::now(), |_, _, _| came += 1));
        assert_eq!(came, many);
    }
}
