// SPDX-License-Identifier: MPL-2.0
//! Many datagrams in one system call, with the time at which the kernel took each: the generator
//! shares its machine with what it measures, so it has to be cheap.

use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// Datagrams in one call.
const BATCH: usize = 64;

/// No RTP packet of 20 ms of audio is longer.
const BYTES: usize = 1_500;

/// Room for the control message that holds a time.
const CONTROL: usize = 64;

/// What sockets may keep for us; what the system allows less is enough on a quiet machine.
const ROOM: libc::c_int = 8 << 20;

/// Nanoseconds of the system's wall clock, which is what the kernel stamps datagrams with.
pub fn now_ns() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// A socket on loopback that never blocks and stamps what it receives.
pub fn open(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nonblocking(true)?;
    set(&socket, libc::SO_TIMESTAMPNS, 1)?;
    // Beyond the system's bound only root may go; without it there is what there is.
    let _ = set(&socket, libc::SO_RCVBUFFORCE, ROOM);
    let _ = set(&socket, libc::SO_SNDBUFFORCE, ROOM);
    Ok(socket)
}

fn set(socket: &UdpSocket, option: libc::c_int, value: libc::c_int) -> Result<()> {
    // SAFETY: the descriptor is open, and the value is as long as it is said to be.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}

/// Buffers that one call fills or empties.
pub struct Batch {
    bytes: Vec<[u8; BYTES]>,
    names: Vec<libc::sockaddr_in>,
    controls: Vec<[u64; CONTROL / 8]>,
    lengths: Vec<usize>,
    used: usize,
}

/// A datagram that came.
pub struct Received<'a> {
    /// The port it came from; everything is on loopback.
    pub from: u16,
    /// When the kernel took it, which on loopback is when it was sent.
    pub at_ns: u64,
    /// What it says.
    pub bytes: &'a [u8],
}

impl Batch {
    pub fn new() -> Batch {
        // SAFETY: a socket address of zeros is a valid one.
        let name: libc::sockaddr_in = unsafe { zeroed() };
        Batch {
            bytes: vec![[0; BYTES]; BATCH],
            names: vec![name; BATCH],
            controls: vec![[0; CONTROL / 8]; BATCH],
            lengths: vec![0; BATCH],
            used: 0,
        }
    }

    pub fn is_full(&self) -> bool {
        self.used == BATCH
    }

    /// Adds a datagram to a port of loopback; `write` says how long it became.
    pub fn push(&mut self, to: u16, write: impl FnOnce(&mut [u8]) -> usize) {
        let index = self.used;
        let (Some(bytes), Some(name), Some(length)) = (
            self.bytes.get_mut(index),
            self.names.get_mut(index),
            self.lengths.get_mut(index),
        ) else {
            return;
        };
        *length = write(bytes).min(BYTES);
        name.sin_family = libc::AF_INET as libc::sa_family_t;
        name.sin_port = to.to_be();
        name.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        self.used += 1;
    }

    /// Sends what was added and says how much of it the system took.
    pub fn send(&mut self, socket: &UdpSocket) -> Result<usize> {
        let count = std::mem::take(&mut self.used);
        let mut done = 0;
        while done < count {
            let sent = self.call(done..count, false, |headers, length| {
                // SAFETY: the headers point into buffers of ours that outlive the call.
                unsafe { libc::sendmmsg(socket.as_raw_fd(), headers, length, 0) }
            });
            match sent {
                Ok((sent, _)) => done += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Somebody's port is closed, says ICMP about an earlier datagram.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Takes what is there, until there is no more.
    pub fn receive(
        &mut self,
        socket: &UdpSocket,
        mut take: impl FnMut(Received<'_>),
    ) -> Result<()> {
        loop {
            self.lengths.fill(BYTES);
            let received = self.call(0..BATCH, true, |headers, length| {
                // SAFETY: the headers point into buffers of ours that outlive the call; no timeout.
                unsafe {
                    libc::recvmmsg(
                        socket.as_raw_fd(),
                        headers,
                        length,
                        libc::MSG_DONTWAIT,
                        std::ptr::null_mut(),
                    )
                }
            });
            let (count, headers) = match received {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            for (index, header) in headers.iter().take(count).enumerate() {
                let (Some(bytes), Some(name)) = (self.bytes.get(index), self.names.get(index))
                else {
                    continue;
                };
                take(Received {
                    from: u16::from_be(name.sin_port),
                    at_ns: stamp_ns(&header.msg_hdr).unwrap_or_else(now_ns),
                    bytes: bytes.get(..header.msg_len as usize).unwrap_or_default(),
                });
            }
            if count < BATCH {
                return Ok(());
            }
        }
    }

    /// Lays out headers over a range of the buffers and makes a system call with them.
    fn call(
        &mut self,
        range: std::ops::Range<usize>,
        controls: bool,
        call: impl FnOnce(*mut libc::mmsghdr, libc::c_uint) -> libc::c_int,
    ) -> Result<(usize, [libc::mmsghdr; BATCH])> {
        // SAFETY: null pointers and zero lengths are valid in both.
        let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (zeroed(), zeroed()) };
        let buffers = self.bytes.iter_mut().zip(&self.lengths);
        let places = self.names.iter_mut().zip(&mut self.controls);
        let used = buffers.zip(places).take(range.end).skip(range.start);
        let slots = vectors.iter_mut().zip(headers.iter_mut());
        for (((bytes, length), (name, control)), (vector, header)) in used.zip(slots) {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = *length;
            let header = &mut header.msg_hdr;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            if controls {
                header.msg_control = control.as_mut_ptr().cast();
                header.msg_controllen = CONTROL;
            }
        }
        let done = call(headers.as_mut_ptr(), range.len() as libc::c_uint);
        if done < 0 {
            return Err(Error::last_os_error());
        }
        Ok((done as usize, headers))
    }
}

/// The time the kernel put on a datagram.
fn stamp_ns(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel wrote the control messages and their total length; the macros keep within.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(message) = control.as_ref() {
            if message.cmsg_level == libc::SOL_SOCKET && message.cmsg_type == libc::SCM_TIMESTAMPNS
            {
                let time: libc::timespec = libc::CMSG_DATA(control)
                    .cast::<libc::timespec>()
                    .read_unaligned();
                return Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_as_they_went_with_their_time() {
        let (here, there) = (open(0).unwrap(), open(0).unwrap());
        let to = there.local_addr().unwrap().port();
        let before = now_ns();
        let mut batch = Batch::new();
        let mut number = 0u8;
        while !batch.is_full() {
            batch.push(to, |bytes| {
                bytes[..2].copy_from_slice(&[number, 7]);
                2
            });
            number += 1;
        }
        assert_eq!(batch.send(&here).unwrap(), BATCH);
        let mut seen = Vec::new();
        batch
            .receive(&there, |datagram| {
                assert_eq!(datagram.from, here.local_addr().unwrap().port());
                assert!((before..=now_ns()).contains(&datagram.at_ns));
                assert_eq!(datagram.bytes[1], 7);
                seen.push(datagram.bytes[0]);
            })
            .unwrap();
        assert_eq!(seen, (0..BATCH as u8).collect::<Vec<_>>());
    }
}
