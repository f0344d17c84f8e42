// SPDX-License-Identifier: MPL-2.0
//! Placing a call: find the far end, open media, send the INVITE.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};

use sip_ua::agent::{Agent, Hop, OutgoingCall};
use sip_ua::wire::NameAddr;

use super::params::{DialParams, NextHop};
use super::{Call, CallEnd, EndedBy, events};
use crate::session::are_alike;

/// Runs on the agent's runtime from the call to its end. Holds the call weakly: if its last user
/// goes, the events are dropped with this task, and that hangs up.
pub(super) async fn run(call: Weak<Call>, agent: Agent, params: DialParams) {
    let (mut next_hops, route) = match resolve(&agent, &params).await {
        Ok(found) => found,
        Err(reason) => return fail(&call, 503, reason),
    };
    let Some(peer) = media_peer(&mut next_hops) else {
        return fail(&call, 503, "no server was found".to_owned());
    };
    let Some(strong) = call.upgrade().filter(|call| !call.is_over()) else {
        return;
    };
    let bind = match media_address(params.media.bind, peer) {
        Ok(address) => address,
        Err(reason) => {
            strong.finish(ended(503, reason));
            return;
        }
    };
    let shakes = params.media.dtls.offers(&params.to);
    if let Err(error) = strong.open_media(&params.media, bind, peer.ip(), shakes) {
        strong.finish(ended(500, error.to_string()));
        return;
    }
    let sip = agent.dial(OutgoingCall {
        next_hops,
        route,
        session_timer: params.session_timer,
        headers: params.headers,
        offer: strong.first_offer(),
        credentials: params.credentials,
        ring_timeout: params.ring_timeout,
        follow_redirects: params.follow_redirects,
        ..OutgoingCall::new(params.to, params.from)
    });
    let sip_events = sip.events;
    if !strong.set_handle(sip.handle) {
        return;
    }
    drop(strong);
    events::run(call, sip_events).await;
}

fn fail(call: &Weak<Call>, code: u16, reason: String) {
    if let Some(call) = call.upgrade() {
        call.finish(ended(code, reason));
    }
}

fn ended(code: u16, reason: String) -> CallEnd {
    CallEnd {
        by: EndedBy::Network,
        code: Some(code),
        reason,
        was_answered: false,
    }
}

/// Where the INVITE goes, the best server first, and the Route it carries.
async fn resolve(agent: &Agent, params: &DialParams) -> Result<(Vec<Hop>, Vec<NameAddr>), String> {
    Ok(match &params.next_hop {
        NextHop::Hop(hop, route) => (vec![*hop], route.clone()),
        NextHop::OfUri => {
            let route = agent.by_service_route(&params.from.uri, Vec::new());
            let first = route.first().map_or(&params.to, |proxy| &proxy.uri);
            (agent.resolve(first).await?, route)
        }
        NextHop::Proxy(proxy) => {
            let hops = agent.resolve(proxy).await?;
            let mut loose = proxy.clone();
            loose.params.set_flag("lr");
            let route = vec![NameAddr::from(loose)];
            (hops, agent.by_service_route(&params.from.uri, route))
        }
    })
}

/// Whom media are opened towards, before it is known who takes the call. Only servers that see them
/// the same way stay: of one family, and not some of them within this machine and
/// others outside.
fn media_peer(hops: &mut Vec<Hop>) -> Option<SocketAddr> {
    let first = hops.first()?.addr;
    hops.retain(|hop| {
        let addr = hop.addr;
        addr.is_ipv4() == first.is_ipv4() && are_alike(addr.ip(), first.ip())
    });
    Some(first)
}

/// The local address for media with `peer`: the configured one, else the one that the system's
/// routes give.
pub(super) fn media_address(bind: Option<IpAddr>, peer: SocketAddr) -> Result<IpAddr, String> {
    if let Some(address) = bind.filter(|address| !address.is_unspecified()) {
        return Ok(address);
    }
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    // Connecting a UDP socket sends nothing; it asks the routing table.
    UdpSocket::bind(any)
        .and_then(|socket| {
            socket.connect(peer)?;
            socket.local_addr()
        })
        .map(|local| local.ip())
        .map_err(|error| format!("no local address leads to {}: {error}", peer.ip()))
}

/// The task of a call, kept together with what it needs.
pub(super) fn spawn(
    call: &Arc<Call>,
    runtime: &tokio::runtime::Handle,
    agent: &Agent,
    params: DialParams,
) {
    runtime.spawn(run(Arc::downgrade(call), agent.clone(), params));
}
