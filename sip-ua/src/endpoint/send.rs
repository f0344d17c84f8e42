// SPDX-License-Identifier: MPL-2.0
//! Requests on their way out.

use std::time::Instant;

use super::call::CallId;
use super::elsewhere::Failed;
use super::event::Reason;
use super::{Endpoint, Transmit};
use crate::dialog::Dialog;
use crate::registration::RegistrationId;
use crate::transaction::{ClientId, ClientKey, Packet, Path};
use crate::transport::Transport;
use crate::watch::WatchId;
use crate::wire::{
    CSeq, Core, HeaderName, Host, Method, NameAddr, Params, Request, Scheme, Uri, Via,
};

/// The methods that a call knows.
pub(super) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY";

/// What a client transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientKind {
    Invite,
    /// An INVITE that another server got too, for this one said nothing.
    PassedOver,
    Reinvite,
    Bye,
    Info,
    Prack,
    Refer,
    /// Tells of a transfer that the far end asked for.
    Notify,
    /// To what the far end tells of a transfer that we asked for.
    Subscribe,
    Register(RegistrationId),
    /// Asks a server whether it is there.
    Watch(WatchId),
    /// Refreshes the session.
    Update,
    /// Carries an offer within an early dialog.
    UpdateOffer,
    /// CANCEL, and the BYE to a fork that lost: their outcome concerns nobody.
    Aside,
}

#[derive(Debug)]
pub(super) struct ClientUse {
    /// A REGISTER belongs to none, nor does what asks whether a server is there.
    pub(super) call: Option<CallId>,
    pub(super) kind: ClientKind,
    /// As it was sent, our Via on top.
    pub(super) request: Request,
    /// How often it was sent again with credentials.
    pub(super) attempts: u8,
    /// The way to the server that it is for.
    pub(super) path: Path,
    /// It took TCP only since it is too long for a datagram.
    pub(super) detour: bool,
    /// Servers that have failed it before, within a dialog.
    pub(super) tried: Vec<Failed>,
    /// It was passed over, and a CANCEL told it so.
    pub(super) told: bool,
    /// The ACKs to its 2xx, one a fork: each is sent again when its 2xx is (§13.2.2.4).
    pub(super) acks: Vec<SentAck>,
    /// The early dialogs of this INVITE that did not win: one may still answer, until Timer M. They
    /// know how far their CSeq is.
    pub(super) lost: Vec<Dialog>,
}

impl ClientUse {
    /// Of a request that is sent for the first time.
    pub(super) fn new(
        call: Option<CallId>,
        kind: ClientKind,
        path: Path,
        request: Request,
    ) -> ClientUse {
        ClientUse {
            call,
            kind,
            request,
            attempts: 0,
            path,
            detour: false,
            tried: Vec::new(),
            told: false,
            acks: Vec::new(),
            lost: Vec::new(),
        }
    }
}

#[derive(Debug)]
pub(super) struct SentAck {
    pub(super) to_tag: Box<[u8]>,
    pub(super) path: Path,
    /// It took TCP only since it is too long for a datagram, which would take this path.
    pub(super) without_tcp: Option<Path>,
    pub(super) packet: Packet,
}

/// The call that an INVITE or re-INVITE of theirs belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerUse {
    pub(super) call: Option<CallId>,
}

impl Endpoint {
    /// The host and port that Via and Contact say on this path.
    fn own_address(&self, path: Path) -> (Host, u16) {
        let host = match &self.config.advertise {
            Some(host) => host.clone(),
            None => Host::from(path.local.ip()),
        };
        (host, path.local.port())
    }

    /// Our Contact, with the user part that the far end knows us by.
    /// `sips`: all of the way is to be TLS (§12.1.1, RFC 5630 §5).
    pub(super) fn contact(&self, user: Option<&[u8]>, path: Path, sips: bool) -> NameAddr {
        let (host, port) = self.own_address(path);
        let mut uri = Uri::sip(user, host, Some(port));
        if sips && path.transport.is_secure() {
            uri.scheme = Scheme::Sips;
        } else if path.transport != Transport::Udp {
            uri.params.set("transport", path.transport.in_uri());
        }
        NameAddr::from(uri)
    }

    /// [`contact`](Self::contact) for a dialog: what belongs to it comes over the connection that we
    /// registered over (RFC 5626 §4.3).
    pub(super) fn dialog_contact(&self, user: Option<&[u8]>, path: Path, sips: bool) -> NameAddr {
        let mut contact = self.contact(user, path, sips);
        if self.is_registered_flow(path) {
            contact.uri.params.set_flag("ob");
        }
        contact
    }

    pub(super) fn via(&mut self, path: Path) -> (Via, String) {
        let branch = format!("z9hG4bK{}", self.token(20));
        let (host, port) = self.own_address(path);
        let mut params = Params::new();
        params.set("branch", branch.as_bytes());
        // RFC 3581: answer to where this came from.
        params.set_flag("rport");
        let via = Via {
            transport: path.transport.in_via(),
            host,
            port: Some(port),
            params,
        };
        (via, branch)
    }

    /// A request within the call's dialog, not sent yet.
    pub(super) fn request_within(&mut self, id: CallId, method: Method) -> Option<(Request, Path)> {
        let call = self.calls.get_mut(&id)?;
        let contact = call.contact.clone();
        let dialog = call.dialog.as_mut()?;
        let mut request = dialog.request(method);
        let call = self.calls.get(&id)?;
        // These say where we are (RFC 3261 §12.1.1, RFC 6665 §4.1.1); the others need not.
        let refreshes = matches!(request.method, Method::Invite | Method::Update);
        let subscribes = matches!(
            request.method,
            Method::Refer | Method::Subscribe | Method::Notify
        );
        if refreshes || subscribes {
            request.headers.push(HeaderName::Contact, &contact);
        }
        if refreshes {
            request.headers.push(HeaderName::Allow, ALLOW);
            let timing = &call.timing;
            timing
                .wanted
                .ask(timing.agreed(), timing.floor, &mut request.headers);
        }
        let path = self.paths.to(call, call.dialog.as_ref()?);
        Some((request, path))
    }

    /// BYE in the call's dialog. False if there is none.
    pub(super) fn send_bye(&mut self, now: Instant, id: CallId, reason: Option<&[u8]>) -> bool {
        let Some((mut request, path)) = self.request_within(id, Method::Bye) else {
            return false;
        };
        if let Some(reason) = reason {
            request.headers.push(HeaderName::Reason, reason);
        }
        self.send_within(now, id, ClientKind::Bye, path, request)
            .is_ok()
    }

    /// CANCEL of the INVITE of that transaction (§9.1).
    pub(super) fn send_cancel(&mut self, now: Instant, client: ClientId, reason: Option<&[u8]>) {
        let Some(path) = self.table.client_path(client) else {
            return;
        };
        let Some(user) = self.table.client(client) else {
            return;
        };
        let call = user.call;
        let mut cancel = same_hop(&user.request, Method::Cancel);
        cancel.headers.copy(HeaderName::To, &user.request.headers);
        if let Some(reason) = reason {
            cancel.headers.push(HeaderName::Reason, reason);
        }
        let branch = cancel
            .headers
            .get(HeaderName::Via)
            .and_then(|via| Via::parse(via).ok());
        let Some(branch) = branch.as_ref().and_then(Via::branch) else {
            return;
        };
        let key = ClientKey::new(branch, &Method::Cancel);
        let packet: Packet = cancel.to_bytes().into();
        let user = ClientUse::new(call, ClientKind::Aside, path, cancel);
        self.table.start_client(now, key, path, packet, user);
    }

    /// The ACK to a 2xx: a transaction of its own that nobody answers (§13.2.2.4).
    pub(super) fn send_ack(
        &mut self,
        now: Instant,
        client: ClientId,
        path: Path,
        dialog: &Dialog,
        invite_seq: u32,
        sdp: Option<Vec<u8>>,
    ) {
        let mut ack = dialog.ack(invite_seq);
        if let Some(user) = self.table.client(client) {
            // The credentials of the INVITE go with its ACK (§22.1).
            ack.headers
                .copy(HeaderName::Authorization, &user.request.headers);
            ack.headers
                .copy(HeaderName::ProxyAuthorization, &user.request.headers);
        }
        ack.headers
            .push(HeaderName::UserAgent, self.config.user_agent.as_str());
        if let Some(sdp) = sdp {
            ack.headers.push(HeaderName::ContentType, "application/sdp");
            ack.body = sdp;
        }
        let sent = self.transmit_ack(now, path, &mut ack, dialog.id().remote_tag.clone());
        if let Some(user) = self.table.client_mut(client) {
            user.acks.push(sent);
        }
    }

    /// Sends an ACK to a 2xx, which has no Via yet.
    pub(super) fn transmit_ack(
        &mut self,
        now: Instant,
        path: Path,
        ack: &mut Request,
        to_tag: Box<[u8]>,
    ) -> SentAck {
        let addressed = self.address(now, path, ack);
        self.transmit(addressed.path, addressed.packet.clone());
        SentAck {
            to_tag,
            path: addressed.path,
            without_tcp: addressed.without_tcp,
            packet: addressed.packet,
        }
    }

    pub(super) fn transmit(&mut self, path: Path, packet: Packet) {
        self.transmits.push_back(Transmit {
            transport: path.transport,
            local: path.local,
            remote: path.remote,
            flow: path.flow,
            proof: path.proof,
            packet,
        });
        self.untraced += 1;
    }
}

/// The ACK to a 300–699 (§17.1.1.3).
pub(super) fn ack_of_refusal(invite: &Request, core: &Core) -> Packet {
    let mut ack = same_hop(invite, Method::Ack);
    ack.headers.push(HeaderName::To, &core.to);
    ack.to_bytes().into()
}

/// What ACK and CANCEL share with the INVITE whose hop they follow; To is missing.
fn same_hop(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    let headers = &mut request.headers;
    if let Some(via) = invite.headers.list(HeaderName::Via).next() {
        headers.push(HeaderName::Via, via);
    }
    headers.copy(HeaderName::Route, &invite.headers);
    headers.copy(HeaderName::MaxForwards, &invite.headers);
    headers.copy(HeaderName::From, &invite.headers);
    headers.copy(HeaderName::CallId, &invite.headers);
    let cseq = invite
        .headers
        .get(HeaderName::CSeq)
        .and_then(|cseq| CSeq::parse(cseq).ok());
    if let Some(CSeq { number, .. }) = cseq {
        headers.push(HeaderName::CSeq, &CSeq { number, method });
    }
    request
}

/// The value of a Reason header.
pub(super) fn reason_value(reason: &Reason) -> Vec<u8> {
    let token = |c: &char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(*c);
    let protocol: String = reason.protocol.chars().filter(token).collect();
    let text: String = reason.text.chars().filter(|c| !c.is_control()).collect();
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    let protocol = if protocol.is_empty() {
        "SIP"
    } else {
        &protocol
    };
    format!("{protocol};cause={};text=\"{text}\"", reason.cause).into_bytes()
}
