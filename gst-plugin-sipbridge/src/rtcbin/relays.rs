// SPDX-License-Identifier: MPL-2.0
//! The addresses that a connection has at a relay: over the connection's own sockets, or over a connection
//! to the server.

use std::net::SocketAddr;
use std::time::Instant;

use super::socket::Socket;
use super::stream::{Identity, Stream};
use crate::context::Cx;
use crate::rtc::{Relay, RelayEvent, RelayLogin, RelayOver};

/// The first of their tokens: sockets have lower ones.
pub(super) const FIRST_TOKEN: usize = 128;

/// A server that relays, found.
#[derive(Debug)]
pub(super) struct RelayServer {
    pub(super) address: SocketAddr,
    pub(super) over: RelayOver,
    /// Who it has to show to be, where the connection is encrypted.
    pub(super) identity: Option<Identity>,
    pub(super) login: RelayLogin,
}

/// What is new of one of them.
#[derive(Debug)]
pub(super) enum RelayNews {
    /// The world reaches us there, and of ours that is this socket.
    Allocated {
        relayed: SocketAddr,
        base: SocketAddr,
    },
    /// There is none, or no longer the one that there was.
    Failed {
        server: SocketAddr,
        reason: String,
        lost: Option<(SocketAddr, SocketAddr)>,
    },
}

struct Attached {
    relay: Relay,
    stream: Option<Stream>,
}

/// All that one connection has.
#[derive(Default)]
pub(super) struct Relays {
    all: Vec<Attached>,
    news: Vec<RelayNews>,
}

impl Relays {
    /// Asks a server for an address: from each socket of its kind, or from a connection of its own. Those that
    /// have one, or wait for one, are not asked again.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, server: &RelayServer, sockets: &[Socket]) {
        let (now, address) = (cx.now(), server.address);
        // Those that are over make room.
        self.news = self.take_news();
        if server.over == RelayOver::Udp {
            for socket in sockets {
                if self.is_asked(server, |relay| relay.base() == socket.local()) {
                    continue;
                }
                let relay = Relay::new(now, server.over, address, socket.local(), &server.login);
                if let Some(relay) = relay {
                    self.put(Attached {
                        relay,
                        stream: None,
                    });
                }
            }
        } else if !self.is_asked(server, |_| true)
            && let Err(error) = self.connect(cx, server)
        {
            self.news.push(RelayNews::Failed {
                server: address,
                reason: error.to_string(),
                lost: None,
            });
        }
        self.flush(sockets);
    }

    fn is_asked(&self, server: &RelayServer, is: impl Fn(&Relay) -> bool) -> bool {
        self.all.iter().any(|at| {
            !at.relay.is_over()
                && at.relay.server() == server.address
                && at.stream.is_none() == (server.over == RelayOver::Udp)
                && is(&at.relay)
        })
    }

    fn connect(&mut self, cx: &mut Cx<'_>, server: &RelayServer) -> std::io::Result<()> {
        let mut stream = Stream::connect(server.address, server.identity.as_ref())?;
        cx.register_stream(stream.socket(), FIRST_TOKEN + self.place())?;
        let base = stream.local();
        let relay = Relay::new(cx.now(), server.over, server.address, base, &server.login);
        if let Some(relay) = relay {
            self.put(Attached {
                relay,
                stream: Some(stream),
            });
        }
        Ok(())
    }

    /// Where the next one is put.
    fn place(&self) -> usize {
        let over = self.all.iter().position(|at| at.relay.is_over());
        over.unwrap_or(self.all.len())
    }

    fn put(&mut self, attached: Attached) {
        let place = self.place();
        match self.all.get_mut(place) {
            Some(over) => *over = attached,
            None => self.all.push(attached),
        }
    }

    /// Whether each one is known to have an address, or none.
    pub(super) fn are_settled(&self) -> bool {
        self.all.iter().all(|at| at.relay.is_settled()) && self.news.is_empty()
    }

    /// What happened since.
    pub(super) fn take_news(&mut self) -> Vec<RelayNews> {
        for Attached { relay, .. } in &mut self.all {
            while let Some(event) = relay.poll_event() {
                let failed = |reason: &str, lost| RelayNews::Failed {
                    server: relay.server(),
                    reason: reason.to_owned(),
                    lost,
                };
                self.news.push(match event {
                    RelayEvent::Allocated(relayed) => RelayNews::Allocated {
                        relayed,
                        base: relay.base(),
                    },
                    RelayEvent::Failed(reason) => failed(reason, None),
                    RelayEvent::Lost(relayed, reason) => {
                        failed(reason, Some((relayed, relay.base())))
                    }
                });
            }
        }
        std::mem::take(&mut self.news)
    }

    /// When to call [`Relays::timeout`].
    pub(super) fn due(&self) -> Option<Instant> {
        self.all.iter().filter_map(|at| at.relay.due()).min()
    }

    pub(super) fn timeout(&mut self, now: Instant, sockets: &[Socket]) {
        if self.all.is_empty() {
            return;
        }
        for Attached { relay, .. } in &mut self.all {
            relay.timeout(now);
        }
        self.flush(sockets);
    }

    /// A datagram that came by a socket; what peers said in it is handed over with the address that they said
    /// it to. `false`: it is from no relay.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
        mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> bool {
        self.all.iter_mut().any(|at| {
            at.stream.is_none()
                && at.relay.server() == from
                && at.relay.base() == local
                && hear(&mut at.relay, now, bytes, &mut take)
        })
    }

    /// Something moved on a connection to a server.
    pub(super) fn readable(
        &mut self,
        cx: &mut Cx<'_>,
        token: usize,
        mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        let now = cx.now();
        let Some(Attached { relay, stream }) = self.all.get_mut(token.wrapping_sub(FIRST_TOKEN))
        else {
            return;
        };
        let Some(connection) = stream else {
            return;
        };
        match connection.read(|bytes| {
            hear(relay, now, bytes, &mut take);
        }) {
            Ok(true) => cx.again(token),
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(server = %relay.server(), %error, "a connection to a relay has ended");
                relay.fail(
                    "the connection to the TURN server has ended, or its certificate is not its",
                );
                *stream = None;
            }
        }
    }

    /// Sends from an address at a relay, if that is one of ours.
    pub(super) fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let mut all = self.all.iter_mut();
        if let Some(at) = all.find(|at| at.relay.relayed() == Some(from)) {
            at.relay.send(now, to, bytes);
        }
    }

    /// Sends what the relays have to say to their servers.
    pub(super) fn flush(&mut self, sockets: &[Socket]) {
        for Attached { relay, stream } in &mut self.all {
            while let Some(bytes) = relay.poll_transmit() {
                if let Some(stream) = stream {
                    stream.write(&bytes);
                } else if let Some(socket) = sockets.iter().find(|s| s.local() == relay.base()) {
                    socket.send(&bytes, relay.server());
                }
            }
            if let Some(Err(error)) = stream.as_mut().map(Stream::flush) {
                tracing::debug!(server = %relay.server(), %error, "a relay cannot be reached");
                relay.fail("the TURN server cannot be reached, or its certificate is not its");
                *stream = None;
            }
            if relay.is_over() {
                // Nobody listens to the server any more.
                *stream = None;
            }
        }
    }

    /// Gives all addresses back, those here, with the socket of ours that each stood for.
    pub(super) fn close(
        &mut self,
        now: Instant,
        sockets: &[Socket],
    ) -> Vec<(SocketAddr, SocketAddr)> {
        let had = |at: &Attached| Some((at.relay.relayed()?, at.relay.base()));
        let had = self.all.iter().filter_map(had).collect();
        for Attached { relay, .. } in &mut self.all {
            relay.close(now);
        }
        self.flush(sockets);
        had
    }

    /// The task goes to another context.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>) {
        for stream in self.all.iter_mut().filter_map(|at| at.stream.as_mut()) {
            if let Err(error) = cx.deregister_stream(stream.socket()) {
                tracing::debug!(%error, "a connection to a relay was not watched");
            }
        }
    }

    /// The task has come to another context.
    pub(super) fn arrive(&mut self, cx: &mut Cx<'_>) {
        for (place, at) in self.all.iter_mut().enumerate() {
            if let Some(stream) = &mut at.stream
                && let Err(error) = cx.register_stream(stream.socket(), FIRST_TOKEN + place)
            {
                tracing::error!(%error, "cannot watch a connection to a relay");
            }
        }
    }
}

fn hear(
    relay: &mut Relay,
    now: Instant,
    bytes: &[u8],
    mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
) -> bool {
    let own = relay.relayed();
    relay.receive(now, bytes, |peer, said| {
        if let Some(own) = own {
            take(own, peer, said);
        }
    })
}
