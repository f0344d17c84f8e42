// SPDX-License-Identifier: MPL-2.0
//! An address at a relay (TURN, RFC 8656), sans-IO: one allocation, with permissions for whoever is sent
//! something. The protocol is `turn-client-proto`'s; here it gets our clock, and a shape like a socket's.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use turn_client_proto::api::{Transmit, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::client::TurnClient;
use turn_client_proto::prelude::*;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{AddressFamily, Instant as Moment, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;
use zeroize::Zeroizing;

use super::asking::{Asking, says_taken_back};
use super::framing::{Framing, Garbage};

#[cfg(test)]
mod tests;

/// Packets that wait for a permission: the first checks, which are repeated where these are not enough.
const WAITING_MAX: usize = 16;

/// Rounds with the client before others have their turn.
const ROUNDS_MAX: usize = 8;

/// A client leaves so long between its requests.
const PACE: Duration = Duration::from_millis(50);

/// A client that wants to be asked at once is asked after this.
const REST: Duration = Duration::from_millis(1);

/// A client that waits for longer is asked in between. One whose login is refused, or whose server went silent
/// after its challenge, says so when it is asked the next time, and wants to wait for hours until then.
const LOOK: Duration = Duration::from_secs(1);

const TAKEN_BACK: &str = "the TURN server has taken its address back";
const REFUSED: &str = "the TURN server gives no address: does it know the credentials?";

/// How the server is spoken to. What is relayed is UDP in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayOver {
    /// Datagrams.
    Udp,
    /// A connection; whether it is encrypted is not for this.
    Tcp,
}

/// Who we are there.
#[derive(Clone)]
pub struct RelayLogin {
    /// The long-term credential's name.
    pub username: String,
    /// Its password.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for RelayLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayLogin").finish_non_exhaustive()
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayEvent {
    /// The world reaches us at this address of the server.
    Allocated(SocketAddr),
    /// There is no such address.
    Failed(&'static str),
    /// There was this one, and is no longer.
    Lost(SocketAddr, &'static str),
}

/// One address at one relay, asked for from one socket of ours.
pub struct Relay {
    client: TurnClient,
    over: RelayOver,
    /// Of a connection.
    framing: Framing,
    server: SocketAddr,
    base: SocketAddr,
    /// When its clock began.
    began: Instant,
    relayed: Option<SocketAddr>,
    /// While that is not known.
    asking: Asking,
    ended: bool,
    due: Option<Instant>,
    /// Peers for which permission was asked, and those for which it was given.
    asked: Vec<(IpAddr, bool)>,
    /// Peers whose media travel by a channel.
    channels: Vec<SocketAddr>,
    /// What is to be sent once its receiver is permitted.
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    outgoing: VecDeque<Vec<u8>>,
    events: VecDeque<RelayEvent>,
}

impl Relay {
    /// Asks `server` for an address from `base`. `None` where one cannot reach the other.
    pub fn new(
        now: Instant,
        over: RelayOver,
        server: SocketAddr,
        base: SocketAddr,
        login: &RelayLogin,
    ) -> Option<Relay> {
        if server.is_ipv4() != base.is_ipv4() {
            return None;
        }
        let mut config = TurnConfig::new(TurnCredentials::new(&login.username, &login.password));
        config.set_address_family(match server {
            SocketAddr::V4(_) => AddressFamily::IPV4,
            SocketAddr::V6(_) => AddressFamily::IPV6,
        });
        let client = match over {
            RelayOver::Udp => TurnClientUdp::allocate(base, server, config).into(),
            RelayOver::Tcp => TurnClientTcp::allocate(base, server, config).into(),
        };
        let mut relay = Relay {
            client,
            over,
            framing: Framing::default(),
            server,
            base,
            began: now,
            relayed: None,
            asking: Asking::new(login),
            ended: false,
            due: Some(now),
            asked: Vec::new(),
            channels: Vec::new(),
            waiting: VecDeque::new(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
        };
        relay.settle(now);
        Some(relay)
    }

    /// The socket of ours that speaks with the server.
    pub fn base(&self) -> SocketAddr {
        self.base
    }

    /// The server.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The address there, while there is one.
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// Whether it is known if there is an address.
    pub fn is_settled(&self) -> bool {
        self.relayed.is_some() || self.ended
    }

    /// Whether there is no address and will be none.
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// When to call [`Relay::timeout`].
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.settle(now);
        }
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    /// What is to be sent to the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// What came from the server, datagrams or pieces of what a connection brings; a peer's packets in it are
    /// handed over. `false`: it was none of the relay's.
    pub fn receive(
        &mut self,
        now: Instant,
        bytes: &[u8],
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> bool {
        if self.over == RelayOver::Udp {
            return self.hear(now, bytes, &mut take);
        }
        if self.ended {
            return false;
        }
        // The client would keep what is none of TURN's, and all that comes after it.
        self.framing.push(bytes);
        loop {
            match self.framing.pop() {
                Ok(Some(message)) => {
                    self.hear(now, &message, &mut take);
                }
                Ok(None) => return true,
                Err(Garbage) => {
                    self.fail("the TURN server speaks something else");
                    return true;
                }
            }
        }
    }

    fn hear(
        &mut self,
        now: Instant,
        message: &[u8],
        take: &mut impl FnMut(SocketAddr, &[u8]),
    ) -> bool {
        if self.ended || has_bad_nonce(message) {
            return false;
        }
        let moment = self.moment(now);
        let came = Transmit::new(message, self.transport(), self.server, self.base);
        match self.client.recv(came, moment) {
            // The usual thing: nothing else becomes due by it.
            TurnRecvRet::PeerData(said) => {
                take(said.peer, said.data());
                return true;
            }
            // What the client makes nothing of is asked again until it gives up, and so is who is refused.
            TurnRecvRet::Ignored(_) => {
                if self.relayed.is_none() && self.asking.is_refused_by(message) {
                    self.fail(REFUSED);
                    return true;
                }
                return false;
            }
            TurnRecvRet::Handled | TurnRecvRet::PeerIcmp { .. } => {}
        }
        if self.relayed.is_none() {
            self.asking.answered(message);
        } else if says_taken_back(message) {
            self.fail(TAKEN_BACK);
        }
        self.settle(now);
        true
    }

    /// Sends a packet from the relayed address. The first ones for a peer wait until it is permitted.
    pub fn send(&mut self, now: Instant, to: SocketAddr, bytes: Vec<u8>) {
        if self.relayed.is_none_or(|own| own.is_ipv4() != to.is_ipv4()) {
            return;
        }
        match self.asked.iter().find(|(peer, _)| *peer == to.ip()) {
            Some((_, true)) => self.pass(now, to, bytes),
            Some((_, false)) => self.wait(to, bytes),
            None => {
                let moment = self.moment(now);
                let asked = self
                    .client
                    .create_permission(TransportType::Udp, to.ip(), moment);
                if let Err(error) = asked {
                    tracing::debug!(%to, %error, "a relay is asked for no permission");
                    return;
                }
                self.asked.push((to.ip(), false));
                self.wait(to, bytes);
                self.settle(now);
            }
        }
    }

    fn wait(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((to, bytes));
    }

    fn pass(&mut self, now: Instant, to: SocketAddr, bytes: Vec<u8>) {
        let moment = self.moment(now);
        // RFC 7983: what is no check is a handshake or media, and goes on coming. A channel makes 4 octets of
        // overhead of 36. Over TCP the client does not pad channel data (RFC 8656 section 12.5): not there.
        let is_check = bytes.first().is_some_and(|first| *first < 4);
        if self.over == RelayOver::Udp && !is_check && !self.channels.contains(&to) {
            self.channels.push(to);
            if let Err(error) = self.client.bind_channel(TransportType::Udp, to, moment) {
                tracing::debug!(%to, %error, "a relay is asked for no channel");
            }
            self.settle(now);
        }
        match self.client.send_to(TransportType::Udp, to, bytes, moment) {
            Ok(Some(packet)) => self.outgoing.push_back(packet.build().data),
            Ok(None) => {}
            Err(error) => tracing::debug!(%to, %error, "a packet was not relayed"),
        }
    }

    /// Gives the address back: what is polled after this is the last.
    pub fn close(&mut self, now: Instant) {
        if self.ended {
            return;
        }
        if self.relayed.take().is_none() {
            // It may be given any moment, and nobody will be here then.
            self.outgoing.extend(self.asking.withdrawal());
            self.end();
            return;
        }
        let moment = self.moment(now);
        if let Err(error) = self.client.delete(moment) {
            tracing::debug!(%error, "a relay is told of no end");
        }
        // What it would send later, behind other requests, goes now: nobody will be here then.
        for turn in 0..ROUNDS_MAX as u32 {
            self.settle(now + PACE * turn);
        }
        self.end();
    }

    /// The connection to the server is gone, or never was.
    pub fn fail(&mut self, reason: &'static str) {
        if !self.ended {
            self.events.push_back(match self.relayed {
                Some(relayed) => RelayEvent::Lost(relayed, reason),
                None => RelayEvent::Failed(reason),
            });
            self.end();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.relayed = None;
        self.due = None;
        self.waiting.clear();
    }

    /// Lets the client do what is due, and collects what came of it.
    fn settle(&mut self, now: Instant) {
        if self.ended {
            return;
        }
        let moment = self.moment(now);
        self.due = Some(now + REST);
        for _ in 0..ROUNDS_MAX {
            let polled = self.client.poll(moment);
            let mut stirred = false;
            while let Some(sent) = self.client.poll_transmit(moment) {
                let sent = sent.data.to_vec();
                self.asking.asks(&sent);
                self.outgoing.push_back(sent);
                stirred = true;
            }
            while let Some(event) = self.client.poll_event() {
                self.heed(now, event);
                stirred = true;
            }
            match polled {
                TurnPollRet::WaitUntil(_) if stirred => {}
                TurnPollRet::WaitUntil(until) => {
                    let wait = until.saturating_duration_since(moment);
                    self.due = Some(now + wait.clamp(REST, LOOK));
                    return;
                }
                TurnPollRet::Closed | TurnPollRet::TcpClose { .. } => {
                    let had = self.relayed.is_some();
                    self.fail(match had {
                        true => TAKEN_BACK,
                        false => REFUSED,
                    });
                    return;
                }
                // Of relayed TCP, which is not asked for.
                TurnPollRet::AllocateTcpSocket { .. } => {}
            }
        }
    }

    fn heed(&mut self, now: Instant, event: TurnEvent) {
        match event {
            TurnEvent::AllocationCreated(TransportType::Udp, relayed) => {
                if self.relayed.is_none() {
                    self.relayed = Some(relayed);
                    self.asking.is_over();
                    self.events.push_back(RelayEvent::Allocated(relayed));
                }
            }
            TurnEvent::PermissionCreated(_, peer) => {
                for (asked, given) in &mut self.asked {
                    *given |= *asked == peer;
                }
                for (to, bytes) in std::mem::take(&mut self.waiting) {
                    match to.ip() == peer {
                        true => self.pass(now, to, bytes),
                        false => self.waiting.push_back((to, bytes)),
                    }
                }
            }
            TurnEvent::PermissionCreateFailed(_, peer) => {
                tracing::debug!(%peer, "a relay does not permit a peer");
                // A permission that was not renewed ends in the same way: the next packet asks anew.
                self.asked.retain(|(asked, _)| *asked != peer);
                self.waiting.retain(|(to, _)| to.ip() != peer);
            }
            TurnEvent::ChannelCreateFailed(_, peer) => {
                tracing::debug!(%peer, "a relay gives a peer no channel");
            }
            TurnEvent::AllocationCreated(..)
            | TurnEvent::AllocationCreateFailed(_)
            | TurnEvent::ChannelCreated(..)
            | TurnEvent::TcpConnected(_)
            | TurnEvent::TcpConnectFailed(_) => {}
        }
    }

    fn transport(&self) -> TransportType {
        match self.over {
            RelayOver::Udp => TransportType::Udp,
            RelayOver::Tcp => TransportType::Tcp,
        }
    }

    /// The client's clock is ours, from when it began.
    fn moment(&self, now: Instant) -> Moment {
        let passed = now.saturating_duration_since(self.began).as_nanos();
        Moment::from_nanos(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

/// The client cuts the security features out of a nonce (RFC 8489 section 9.2) as text: in the middle of a letter
/// it would panic.
fn has_bad_nonce(message: &[u8]) -> bool {
    const COOKIE: &[u8] = b"obMatJos2";
    // Only responses are looked at for one, and media come in none.
    message.first() == Some(&1)
        && message
            .windows(COOKIE.len() + 4)
            .any(|nonce| nonce.starts_with(COOKIE) && !nonce.is_ascii())
}
