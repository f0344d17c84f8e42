// SPDX-License-Identifier: MPL-2.0
//! A telephone of which a scenario decides each step: signalling by our user agent, media by GStreamer's own elements.
//! It is registered with a proxy, and says a tone.

use crate::ear::{Ear, RATE_HZ};
use crate::kamailio::{Kamailio, PASSWORD};
use crate::websocket_line::WebSocketLine;
use anyhow::{Context as _, Result, bail, ensure};
use gst::prelude::*;
use gst_app::AppSink;
use sip_ua::agent::{
    Agent, AgentConfig, Call, CallEvent, Hop, IncomingCall, Listen, OutgoingCall, Proof,
    Registration, RegistrationConfig, RegistrationState, SessionTimer, Tls, Transport, Verdict,
};
use sip_ua::digest::Credentials;
use sip_ua::sdp::{self, Codec, LocalMedia, Negotiated};
use sip_ua::wire::Uri;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
/// What speaks another codec than the first. Who begins to look for it when the codec changes is late.
const LATER: [&str; 4] = ["opusenc", "rtpopuspay", "rtpopusdepay", "opusdec"];

/// How a telephone comes to its proxy.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    pub kamailio: &'a Kamailio,
    pub transport: Transport,
    /// The telephone's address, and the proxy's.
    pub host: IpAddr,
    /// Its certificate, and whom it believes.
    pub tls: &'a Tls,
}

impl Way<'_> {
    /// Where the proxy is.
    pub fn proxy(&self) -> SocketAddr {
        self.kamailio.address_of(self.transport, self.host)
    }

    /// Somebody who is registered there.
    pub fn uri(&self, name: &str) -> Result<Uri> {
        let (proxy, transport) = (self.proxy(), self.transport.in_uri());
        let uri = format!("sip:{name}@{proxy};transport={transport}");
        Ok(uri.parse()?)
    }

    /// What they say of themselves.
    pub fn address_of_record(&self, name: &str) -> Result<Uri> {
        let domain = SocketAddr::new(self.host, 0).to_string();
        let domain = domain.trim_end_matches(":0");
        Ok(format!("sip:{name}@{domain}").parse()?)
    }
}

/// A user agent that is registered with the proxy.
pub struct Registered {
    pub agent: Agent,
    pub calls: mpsc::Receiver<IncomingCall>,
    /// Where the proxy is seen, if not at its own address.
    pub next_hop: Option<Hop>,
    pub credentials: Credentials,
    registration: Registration,
    line: Option<WebSocketLine>,
}

impl Registered {
    /// Waits until it is. Everybody may call it.
    pub async fn start(
        name: &str,
        way: &Way<'_>,
        session_timer: SessionTimer,
    ) -> Result<Registered> {
        for name in LATER {
            let found = gst::ElementFactory::find(name);
            found.with_context(|| format!("no {name}"))?.load()?;
        }
        let listen = Listen {
            transport: way.transport,
            addr: SocketAddr::new(way.host, 0),
        };
        let (agent, calls) = Agent::bind(AgentConfig {
            listen: vec![listen],
            screen: Arc::new(|_, _| Verdict::Allow),
            tls: way.tls.clone(),
            session_timer,
            ..AgentConfig::default()
        })
        .await?;
        let line = match way.transport.is_websocket() {
            true => Some(WebSocketLine::open(agent.local_addr(), way.proxy(), way.tls).await?),
            false => None,
        };
        let next_hop = line.as_ref().map(|line| Hop {
            transport: way.transport,
            addr: line.edge_seen,
            proof: Proof::Connected,
        });
        let credentials = Credentials::new(name, PASSWORD);
        let mut registrar = way.uri(name)?;
        registrar.user = None;
        let registration = agent.register(RegistrationConfig {
            registrar,
            aor: way.address_of_record(name)?.into(),
            expires: Duration::from_secs(600),
            credentials: Some(credentials.clone()),
            next_hop,
            route: Vec::new(),
        });
        let mut state = registration.watch();
        let settled = |state: &RegistrationState| *state != RegistrationState::Registering;
        let state = timeout(SOON, state.wait_for(settled)).await??.clone();
        let is_registered = matches!(state, RegistrationState::Registered { .. });
        ensure!(is_registered, "{name} is not registered: {state:?}");
        Ok(Registered {
            agent,
            calls,
            next_hop,
            credentials,
            registration,
            line,
        })
    }

    /// Whom messages come from and go to.
    pub fn proxy_seen(&self, way: &Way<'_>) -> SocketAddr {
        self.next_hop.map_or(way.proxy(), |hop| hop.addr)
    }

    pub async fn next_call(&mut self) -> Result<IncomingCall> {
        let next = timeout(SOON, self.calls.recv()).await;
        next.context("nobody calls")?.context("the agent is gone")
    }

    /// Ends its registration, and it.
    pub async fn close(self) {
        self.registration.unregister().await;
        self.agent.close(SOON).await;
        drop(self.line);
    }
}

/// A port for RTP, which outlives the pipelines at it.
pub struct Port {
    holder: gst::Element,
    pub address: SocketAddr,
}

impl Port {
    pub fn open(host: IpAddr) -> Result<Port> {
        let holder = gst::ElementFactory::make("udpsrc")
            .property("address", host.to_string())
            .property("port", 0)
            .build()?;
        holder.set_state(gst::State::Ready)?;
        let port = u16::try_from(holder.property::<i32>("port"))?;
        let address = SocketAddr::new(host, port);
        Ok(Port { holder, address })
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = self.holder.set_state(gst::State::Null);
    }
}

/// Says a tone from a port, and hears what comes there.
struct Media(gst::Pipeline);

impl Media {
    fn start(port: &Port, agreed: &Negotiated, pitch: u32, ear: &Ear) -> Result<Media> {
        let (name, clock, encode, decode) = match agreed.codec {
            Codec::Pcma => (
                "PCMA",
                8_000,
                "alawenc ! rtppcmapay",
                "rtppcmadepay ! alawdec",
            ),
            Codec::Opus => (
                "OPUS",
                48_000,
                "opusenc ! rtpopuspay",
                "rtpopusdepay ! opusdec",
            ),
            other => bail!("it does not speak {other}"),
        };
        let receive = agreed.receive.first().context("nothing may come in")?.0;
        let text = format!(
            "audiotestsrc is-live=true freq={pitch} volume=0.4 samplesperbuffer={} \
             ! audio/x-raw,format=S16LE,rate={clock},channels=1 ! valve name=mouth ! {encode} pt={} \
             ! udpsink name=out sync=false async=false \
             udpsrc name=in caps=application/x-rtp,media=audio,clock-rate={clock},payload={receive},encoding-name={name} \
             ! rtpjitterbuffer latency=40 ! {decode} ! audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate={RATE_HZ},channels=1 ! appsink name=ear sync=false",
            clock / 50,
            agreed.send_pt,
        );
        let pipeline = gst::parse::launch(&text)?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().ok();
        let media = Media(pipeline.context("no pipeline")?);
        let (from, to) = (media.named("in")?, media.named("out")?);
        let socket = port.holder.property_value("used-socket");
        from.set_property_from_value("socket", &socket);
        from.set_property("close-socket", false);
        let family = match port.address.is_ipv4() {
            true => "socket",
            false => "socket-v6",
        };
        to.set_property_from_value(family, &socket);
        to.set_property("close-socket", false);
        let remote = agreed.remote_rtp;
        to.set_property("host", remote.ip().to_string());
        to.set_property("port", i32::from(remote.port()));
        // Reports come to the same port, and what was sent under a description before this one.
        let pad = from.static_pad("src").context("no pad")?;
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer().and_then(|buffer| buffer.map_readable().ok());
            let kind = buffer.and_then(|octets| octets.get(1).map(|octet| octet & 0x7f));
            match kind == Some(receive) {
                true => gst::PadProbeReturn::Ok,
                false => gst::PadProbeReturn::Drop,
            }
        });
        let hears = media.named("ear")?.downcast::<AppSink>();
        ear.listen(&hears.ok().context("the ear is no appsink")?);
        media.speak(agreed.direction.sends())?;
        media.0.set_state(gst::State::Playing)?;
        Ok(media)
    }

    fn named(&self, name: &str) -> Result<gst::Element> {
        let found = self.0.by_name(name);
        found.with_context(|| format!("the pipeline has no {name}"))
    }

    fn speak(&self, speak: bool) -> Result<()> {
        self.named("mouth")?.set_property("drop", !speak);
        Ok(())
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// A handset in a call.
pub struct Talking {
    pub call: Call,
    /// What it says of its media, from the next description on.
    pub local: LocalMedia,
    pub ear: Ear,
    /// What it says, from the next codec or port on.
    pub pitch: u32,
    port: Port,
    /// The description that was sent last.
    described: Vec<u8>,
    agreed: Negotiated,
    media: Media,
}

impl Talking {
    /// Calls somebody.
    pub async fn dial(
        whom: &Registered,
        from: Uri,
        to: Uri,
        pitch: u32,
        ear: &Ear,
    ) -> Result<Talking> {
        let host = whom.agent.local_addr().ip();
        let port = Port::open(host)?;
        let local = LocalMedia::new(host, port.address.port(), vec![Codec::Pcma]);
        let described = sdp::offer(&local);
        let mut call = whom.agent.dial(OutgoingCall {
            offer: Some(described.clone()),
            next_hops: whom.next_hop.into_iter().collect(),
            credentials: Some(whom.credentials.clone()),
            ..OutgoingCall::new(to, from.into())
        });
        let answer = told(&mut call, "an answer", |event| match event {
            CallEvent::Answered { sdp } => sdp,
            _ => None,
        })
        .await?;
        let agreed = sdp::accept_answer(&local, &described, &answer)?;
        Talking::of(call, local, (port, described), agreed, pitch, ear)
    }

    /// Rings, and answers.
    pub async fn answer(incoming: IncomingCall, pitch: u32, ear: &Ear) -> Result<Talking> {
        let host = incoming.local.ip();
        let port = Port::open(host)?;
        let local = LocalMedia::new(host, port.address.port(), vec![Codec::Pcma]);
        let mut call = incoming.call;
        call.handle.ring(None);
        let (described, agreed) = sdp::answer(&local, &incoming.request.body)?;
        call.handle.accept(described.clone());
        told(&mut call, "an ACK", |event| {
            matches!(event, CallEvent::Confirmed { .. }).then_some(())
        })
        .await?;
        Talking::of(call, local, (port, described), agreed, pitch, ear)
    }

    fn of(
        call: Call,
        local: LocalMedia,
        (port, described): (Port, Vec<u8>),
        agreed: Negotiated,
        pitch: u32,
        ear: &Ear,
    ) -> Result<Talking> {
        let media = Media::start(&port, &agreed, pitch, ear)?;
        Ok(Talking {
            call,
            local,
            ear: ear.clone(),
            pitch,
            port,
            described,
            agreed,
            media,
        })
    }

    /// The next event that `wanted` makes something of.
    pub async fn told<T>(
        &mut self,
        what: &str,
        wanted: impl FnMut(CallEvent) -> Option<T>,
    ) -> Result<T> {
        told(&mut self.call, what, wanted).await
    }

    /// Answers the offer that comes next, and returns what was agreed on.
    pub async fn answer_offer(&mut self) -> Result<&Negotiated> {
        let offer = told(&mut self.call, "an offer", |event| match event {
            CallEvent::Reoffer { sdp } => sdp,
            _ => None,
        })
        .await?;
        self.local.session = self.local.session.next();
        let (answer, agreed) = sdp::answer(&self.local, &offer)?;
        self.call.handle.answer_reoffer(Ok(answer.clone()));
        self.described = answer;
        self.agree(agreed)
    }

    /// Offers what `local` says, and returns what was agreed on.
    pub async fn offer(&mut self) -> Result<&Negotiated> {
        self.local.session = self.local.session.next();
        let offer = sdp::reoffer(&self.local, &self.described);
        self.call.handle.reoffer(offer.clone());
        let answer = told(&mut self.call, "an answer", |event| match event {
            CallEvent::ReofferAnswered { sdp } => sdp,
            _ => None,
        })
        .await?;
        let agreed = sdp::accept_answer(&self.local, &offer, &answer)?;
        self.described = offer;
        self.agree(agreed)
    }

    /// Offers another port, at another address perhaps.
    pub async fn move_to(&mut self, host: IpAddr) -> Result<&Negotiated> {
        let port = Port::open(host)?;
        (self.local.address, self.local.rtp_port) = (host, port.address.port());
        // The one before is heard until the new one is.
        let before = std::mem::replace(&mut self.port, port);
        self.offer().await?;
        drop(before);
        Ok(&self.agreed)
    }

    /// Other media where what they are made of is other; else only whether it speaks.
    fn agree(&mut self, agreed: Negotiated) -> Result<&Negotiated> {
        let made_of = |agreed: &Negotiated| {
            let receive = agreed.receive.first().copied();
            (agreed.codec, agreed.send_pt, receive, agreed.remote_rtp)
        };
        let is_at = |port: &Port| self.media_is_at(port);
        if made_of(&agreed) == made_of(&self.agreed) && is_at(&self.port) {
            self.media.speak(agreed.direction.sends())?;
        } else {
            let media = Media::start(&self.port, &agreed, self.pitch, &self.ear)?;
            self.media = media;
        }
        self.agreed = agreed;
        Ok(&self.agreed)
    }

    fn media_is_at(&self, port: &Port) -> bool {
        let socket = |element: &gst::Element, name: &str| {
            let value = element.property_value(name);
            value.get::<gst::glib::Object>().ok()
        };
        let at = self.media.named("in").ok();
        at.and_then(|source| socket(&source, "socket")) == socket(&port.holder, "used-socket")
    }
}

async fn told<T>(
    call: &mut Call,
    what: &str,
    mut wanted: impl FnMut(CallEvent) -> Option<T>,
) -> Result<T> {
    let found = async {
        while let Some(event) = call.events.recv().await {
            if let CallEvent::Ended(end) = &event {
                let end = end.clone();
                if let Some(found) = wanted(event) {
                    return Ok(found);
                }
                bail!("the call ended: {end}");
            }
            if let Some(found) = wanted(event) {
                return Ok(found);
            }
        }
        bail!("the call is over")
    };
    let found = timeout(SOON, found).await;
    found
        .with_context(|| format!("no {what} in time"))?
        .with_context(|| format!("no {what}"))
}
