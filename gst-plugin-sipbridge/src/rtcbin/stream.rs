// SPDX-License-Identifier: MPL-2.0
//! A connection to a relay's server, over TCP or TLS, that never waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use openssl::ssl::{ErrorCode, SslConnector, SslMethod, SslStream};

/// What may wait to be written: a second of speech, for who hears it later than that hears the past. What does
/// not fit is lost, as it might have been on the way.
const WAITING_MAX: usize = 8 * 1024;

/// Read at once; a message of a relay is shorter.
const READ_MAX: usize = 4_096;

/// Readings before others have their turn.
const READS_MAX: usize = 16;

enum Io {
    Plain(TcpStream),
    Tls {
        stream: SslStream<TcpStream>,
        shaken: bool,
    },
}

/// Who has to be at the far end of an encrypted connection.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// As its certificate has it.
    name: String,
    connector: SslConnector,
}

impl Identity {
    /// Whoever has this name, as far as the system believes who signed that. Reads all whom it believes, which
    /// takes some ten milliseconds: not for a media thread.
    pub(super) fn new(name: &str) -> io::Result<Identity> {
        Ok(Identity {
            name: name.to_owned(),
            connector: SslConnector::builder(SslMethod::tls_client())?.build(),
        })
    }
}

/// A connection, from its beginning on.
pub(super) struct Stream {
    io: Io,
    local: SocketAddr,
    connected: bool,
    /// What is to be written.
    waiting: Vec<u8>,
}

impl Stream {
    /// Begins to connect; encrypted, where it is said to whom.
    pub(super) fn connect(server: SocketAddr, whom: Option<&Identity>) -> io::Result<Stream> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let io = match whom {
            None => Io::Plain(stream),
            Some(Identity { name, connector }) => {
                let ssl = connector.configure()?.into_ssl(name)?;
                Io::Tls {
                    stream: SslStream::new(ssl, stream)?,
                    shaken: false,
                }
            }
        };
        Ok(Stream {
            io,
            local,
            connected: false,
            waiting: Vec::new(),
        })
    }

    /// Our end of it.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// For whoever watches it.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        match &mut self.io {
            Io::Plain(stream) => stream,
            Io::Tls { stream, .. } => stream.get_mut(),
        }
    }

    /// Takes something to write.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.waiting.len() + bytes.len() <= WAITING_MAX {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// Connects, shakes hands and writes as far as it goes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.is_open()? {
            return Ok(());
        }
        let mut written = 0;
        while written < self.waiting.len() {
            let rest = &self.waiting[written..];
            let wrote = match &mut self.io {
                Io::Plain(stream) => stream.write(rest),
                Io::Tls { stream, .. } => tls(stream.ssl_write(rest)),
            };
            match wrote {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.waiting.drain(..written);
        Ok(())
    }

    /// Hands over what came. True: there may be more.
    pub(super) fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        if !self.is_open()? {
            return Ok(false);
        }
        let mut room = [0; READ_MAX];
        for _ in 0..READS_MAX {
            let read = match &mut self.io {
                Io::Plain(stream) => stream.read(&mut room),
                Io::Tls { stream, .. } => tls(stream.ssl_read(&mut room)),
            };
            match read {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => take(&room[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether there is a connection, and who is at its end is known where that has to be.
    fn is_open(&mut self) -> io::Result<bool> {
        if !self.connected {
            let socket = self.socket();
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Ok(_) => self.connected = true,
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let Io::Tls { stream, shaken } = &mut self.io else {
            return Ok(true);
        };
        if !*shaken {
            match tls(stream.connect()) {
                Ok(()) => *shaken = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// What TLS says, as a socket would say it.
fn tls<T>(result: Result<T, openssl::ssl::Error>) -> io::Result<T> {
    result.map_err(|error| match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => ErrorKind::WouldBlock.into(),
        ErrorCode::ZERO_RETURN => ErrorKind::UnexpectedEof.into(),
        _ => error.into_io_error().unwrap_or_else(io::Error::other),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A packet of Opus at 32 kb/s by a relay.
    const PACKET: [u8; 140] = [7; 140];

    #[test]
    fn no_more_than_a_second_waits_for_who_does_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = Stream::connect(listener.local_addr().unwrap(), None).unwrap();
        let _deaf = listener.accept().unwrap();
        // Until the system takes no more for two seconds of packets.
        let mut refused = 0;
        while refused < 100 {
            let before = stream.waiting.len();
            stream.write(&PACKET);
            stream.flush().unwrap();
            refused = if before == 0 { 0 } else { refused + 1 };
        }
        let waits = stream.waiting.len() / PACKET.len();
        assert!((40..=60).contains(&waits), "{waits} packets wait");
    }
}
