// SPDX-License-Identifier: MPL-2.0
//! The element's side of a session: descriptions, and the connection that carries them out.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use gst_webrtc::{WebRTCICETransportPolicy, WebRTCSDPType};

use super::caps;
use super::error::SessionError;
use super::pad::SinkPad;
use super::settings::Settings;
use super::source::Source;
use super::task::{Command, Connection, Shared};
use super::turn::TurnServer;
use crate::context::{Context, TaskHandle};
use crate::handover::Outlet as _;
use crate::rtc::description::{Description, Direction, Format};
use crate::rtc::{
    Certificate, Kind, Negotiation, NegotiationConfig, Plan, Sender, SignalingState, TrackId,
    Transport, credentials, host_candidate,
};

/// No line yet.
const NOWHERE: usize = usize::MAX;

/// A sink pad's way to the connection.
pub(super) struct Sink {
    line: AtomicUsize,
    shared: Mutex<Option<Arc<Shared>>>,
}

impl Sink {
    pub(super) fn new() -> Arc<Sink> {
        Arc::new(Sink {
            line: AtomicUsize::new(NOWHERE),
            shared: Mutex::new(None),
        })
    }

    /// Where its packets go, while there is such a place.
    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.way().clone()
    }

    fn way(&self) -> MutexGuard<'_, Option<Arc<Shared>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lead(&self, line: Option<usize>, shared: Option<&Arc<Shared>>) {
        *self.way() = shared.cloned();
        self.line.store(line.unwrap_or(NOWHERE), Ordering::Release);
    }

    /// The media line it feeds, once there is one.
    pub(super) fn line(&self) -> Option<usize> {
        let line = self.line.load(Ordering::Acquire);
        (line != NOWHERE).then_some(line)
    }
}

pub(super) struct SinkEntry {
    pub(super) pad: SinkPad,
    pub(super) sink: Arc<Sink>,
    track: TrackId,
    formats: Vec<Format>,
    /// Its caps have come.
    described: bool,
    pub(super) ended: bool,
}

struct Running {
    shared: Arc<Shared>,
    task: TaskHandle,
    latency: gst::ClockTime,
}

/// What one element knows.
pub(super) struct Session {
    certificate: Option<Certificate>,
    negotiation: Negotiation,
    running: Option<Running>,
    /// Counts starts and stops: what a connection of before tells is no news.
    number: u64,
    /// The element is PAUSED or PLAYING: it may have source pads.
    pub(super) flowing: bool,
    pub(super) sinks: Vec<SinkEntry>,
    pub(super) sources: Vec<(usize, Arc<Source>)>,
    plan: Option<Plan>,
    /// Ours, of all kinds, as they were told.
    candidates: Vec<String>,
    listening: bool,
    /// There is something that no description has said.
    unsaid: bool,
    /// There is a way to the far end.
    pub(super) connected: bool,
    /// Some server gives no address, or has taken it back: it is asked again when ICE begins anew.
    unrelayed: bool,
    /// The next description of ours begins ICE anew; `Some(true)`: with other addresses at relays.
    restarting: Option<bool>,
}

/// What there is to tell after a description was applied.
#[derive(Default)]
pub(super) struct Applied {
    /// Candidates of ours, told for the first time.
    pub(super) candidates: Vec<String>,
    /// Their line.
    pub(super) line: usize,
    /// Ask this server how it sees us: host and port.
    pub(super) stun: Option<(String, u16)>,
    /// Ask this server to relay.
    pub(super) turn: Option<TurnServer>,
    /// Gathering began.
    pub(super) gathering: bool,
}

impl Session {
    pub(super) fn new(lite: bool) -> Session {
        let certificate = Certificate::of_process();
        Session {
            negotiation: negotiation(certificate.as_ref(), lite),
            certificate,
            running: None,
            number: 0,
            flowing: false,
            sinks: Vec::new(),
            sources: Vec::new(),
            plan: None,
            candidates: Vec::new(),
            listening: false,
            unsaid: false,
            connected: false,
            unrelayed: false,
            restarting: None,
        }
    }

    /// Begins anew, with the pads there are.
    fn reset(&mut self, lite: bool) {
        self.negotiation = negotiation(self.certificate.as_ref(), lite);
        self.plan = None;
        self.candidates.clear();
        self.listening = false;
        (self.connected, self.unrelayed, self.restarting) = (false, false, None);
        self.unsaid = !self.sinks.is_empty();
        for entry in &mut self.sinks {
            entry.sink.lead(None, None);
            entry.ended = false;
            let sender = sender(&entry.pad);
            entry.track = self.negotiation.add_sender(sender, entry.formats.clone());
        }
    }

    /// Which connection it is, of those that the element had.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A connection, as a task of a context. What it tells comes with the connection's number.
    pub(super) fn start(
        &mut self,
        settings: &Settings,
        element: &super::RtcBin,
    ) -> Result<(), SessionError> {
        let certificate = self
            .certificate
            .clone()
            .ok_or(SessionError::NoCertificate)?;
        self.reset(settings.ice_lite);
        self.number += 1;
        let number = self.number;
        let (told, broken) = (element.downgrade(), element.downgrade());
        let tell = Box::new(move |notice| {
            if let Some(element) = told.upgrade() {
                element.noticed(number, notice);
            }
        });
        let failed = Box::new(move |said: &str| {
            if let Some(element) = broken.upgrade() {
                element.broke(number, said);
            }
        });
        let context = match &settings.context {
            Some(name) => Context::acquire(name, settings.context_wait())?,
            None => Context::default_for_new_call()?,
        };
        let shared = Arc::new(Shared::default());
        let connection = Connection::new(
            shared.clone(),
            Transport::new(certificate, settings.ice_lite),
            settings.latency(),
            tell,
        );
        let binding = shared.clone();
        let task = context.add_task(
            move |notifier| {
                binding.bind(notifier);
                Box::new(connection)
            },
            Some(failed),
        );
        self.running = Some(Running {
            shared,
            task,
            latency: gst::ClockTime::from_mseconds(u64::from(settings.latency_ms)),
        });
        Ok(())
    }

    /// Takes the connection away, and all that was agreed on; dropping what is returned ends it.
    pub(super) fn stop(&mut self) -> Option<TaskHandle> {
        self.number += 1;
        self.reset(false);
        self.running.take().map(|running| running.task)
    }

    /// Where packets and requests go, while it runs.
    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.running.as_ref().map(|running| running.shared.clone())
    }

    /// The connection, while it runs.
    pub(super) fn task(&self) -> Option<&TaskHandle> {
        self.running.as_ref().map(|running| &running.task)
    }

    pub(super) fn negotiation(&self) -> &Negotiation {
        &self.negotiation
    }

    pub(super) fn candidates_complete(&mut self) {
        self.negotiation.candidates_complete();
    }

    pub(super) fn add_candidate(&mut self, candidate: &str) -> usize {
        self.candidates.push(candidate.to_owned());
        self.negotiation.add_candidate(candidate.to_owned());
        self.negotiation.transport_line()
    }

    /// A server relays nothing for us, or no longer from where this candidate is.
    pub(super) fn unrelayed(&mut self, lost: Option<&str>) {
        self.unrelayed = true;
        self.candidates
            .retain(|candidate| Some(candidate.as_str()) != lost);
    }

    pub(super) fn add_sink(&mut self, pad: &SinkPad, sink: &Arc<Sink>, caps: Option<&gst::Caps>) {
        let named = caps.map(|caps| caps::formats(caps)).unwrap_or_default();
        let described = !named.is_empty();
        let formats = if described { named } else { caps::usual() };
        let track = self.negotiation.add_sender(sender(pad), formats.clone());
        self.sinks.push(SinkEntry {
            pad: pad.clone(),
            sink: sink.clone(),
            track,
            formats,
            described,
            ended: false,
        });
        self.unsaid = true;
    }

    pub(super) fn remove_sink(&mut self, pad: &SinkPad) {
        if let Some(place) = self.sinks.iter().position(|entry| entry.pad == *pad) {
            let entry = self.sinks.remove(place);
            entry.sink.lead(None, None);
            self.negotiation.remove_sender(entry.track);
            self.unsaid = true;
        }
    }

    /// What a sink pad brings has caps.
    pub(super) fn set_caps(&mut self, pad: &SinkPad, caps: &gst::CapsRef) {
        let formats = caps::formats(caps);
        if formats.is_empty() {
            return;
        }
        if let Some(entry) = self.sinks.iter_mut().find(|entry| entry.pad == *pad) {
            entry.described = true;
            if entry.formats != formats {
                entry.formats = formats.clone();
                self.negotiation.set_formats(entry.track, formats);
                self.number_sinks();
            }
        }
    }

    pub(super) fn add_receiver(&mut self, direction: Direction, caps: Option<&gst::Caps>) {
        let named = caps.map(|caps| caps::formats(caps)).unwrap_or_default();
        let formats = if named.is_empty() {
            caps::usual()
        } else {
            named
        };
        self.negotiation.add_receiver(direction, formats);
        self.unsaid = true;
    }

    /// Whether it may be that the application has to be told, now or when more is known.
    pub(super) fn may_need_negotiation(&self) -> bool {
        self.unsaid && self.running.is_some()
    }

    /// Whether the application should be told to make an offer.
    pub(super) fn needs_negotiation(&mut self) -> bool {
        let needs = self.unsaid
            && self.running.is_some()
            && self.negotiation.state() == SignalingState::Stable
            && self.sinks.iter().all(|entry| entry.described);
        if needs {
            self.unsaid = false;
        }
        needs
    }

    /// Sink pads of which nobody knows yet what they bring.
    pub(super) fn undescribed(&self) -> Vec<SinkPad> {
        let entries = self.sinks.iter().filter(|entry| !entry.described);
        entries.map(|entry| entry.pad.clone()).collect()
    }

    /// What a pad will probably bring, as those upstream say.
    pub(super) fn foresee(&mut self, pad: &SinkPad, caps: &gst::CapsRef) {
        let formats = caps::formats(caps);
        let entry = self.sinks.iter_mut().find(|entry| entry.pad == *pad);
        if let Some(entry) = entry.filter(|entry| !entry.described && !formats.is_empty()) {
            entry.formats = formats.clone();
            self.negotiation.set_formats(entry.track, formats);
        }
    }

    pub(super) fn create_offer(&mut self, restart: bool) -> Result<Description, SessionError> {
        self.running.as_ref().ok_or(SessionError::NotReady)?;
        self.ask_pads();
        if restart && self.negotiation.current_local().is_some() {
            self.restart_ice();
        }
        Ok(self.negotiation.create_offer()?)
    }

    pub(super) fn create_answer(&mut self) -> Result<Description, SessionError> {
        self.running.as_ref().ok_or(SessionError::NotReady)?;
        self.ask_pads();
        Ok(self.negotiation.create_answer()?)
    }

    /// What the application wants of each track now.
    fn ask_pads(&mut self) {
        for entry in &self.sinks {
            self.negotiation
                .set_direction(entry.track, entry.pad.direction());
            self.negotiation.set_msid(entry.track, msid(&entry.pad));
        }
    }

    fn restart_ice(&mut self) {
        // A server that forgot us says nothing of it. Where nothing comes through, its addresses may be why.
        let anew = !self.connected;
        if anew {
            self.candidates
                .retain(|candidate| !candidate.contains(" typ relay"));
        }
        self.unrelayed |= anew;
        self.restarting = Some(anew);
        self.negotiation.restart_ice(credentials());
        for candidate in &self.candidates {
            self.negotiation.add_candidate(candidate.clone());
        }
        if !self.unrelayed {
            self.negotiation.candidates_complete();
        }
    }

    pub(super) fn set_local(
        &mut self,
        kind: WebRTCSDPType,
        text: &str,
        settings: &Settings,
    ) -> Result<Applied, SessionError> {
        let shared = self.shared().ok_or(SessionError::NotReady)?;
        let kind = kind_of(kind)?;
        let description = Description::read(text)?;
        let turn = settings.turn()?;
        let hidden = settings.ice_transport_policy == WebRTCICETransportPolicy::Relay;
        match (hidden, &turn) {
            (true, None) => return Err(SessionError::NoRelay),
            (true, Some(_)) if settings.ice_lite => return Err(SessionError::LiteRelay),
            _ => {}
        }
        // Before anything is promised: without a socket there is nothing to promise.
        let sockets = if self.listening {
            Vec::new()
        } else {
            settings.bind()?
        };
        let plan = self.negotiation.set_local(kind, description)?;
        let mut applied = Applied::default();
        if self.listening {
            if let Some(anew) = self.restarting.take()
                && std::mem::take(&mut self.unrelayed)
            {
                applied.turn = turn.filter(|_| !settings.ice_lite);
                applied.gathering = applied.turn.is_some();
                match applied.gathering {
                    true => shared.command(Command::MoreServers { anew }),
                    false => self.negotiation.candidates_complete(),
                }
            }
        } else if !sockets.is_empty() {
            for socket in sockets.iter().filter(|_| !hidden) {
                let Ok(local) = socket.local_addr() else {
                    continue;
                };
                let told = settings.told(local)?;
                self.candidates.extend(host_candidate(told));
            }
            if self.candidates.is_empty() && !hidden {
                return Err(SessionError::NoCandidates);
            }
            for candidate in &self.candidates {
                self.negotiation.add_candidate(candidate.clone());
            }
            self.listening = true;
            applied.candidates = self.candidates.clone();
            applied.gathering = true;
            // Those who are asked for more of them: a lite agent has none but host candidates (RFC 8445 section 2.5).
            applied.stun = settings.stun().filter(|_| !settings.ice_lite && !hidden);
            applied.turn = turn.filter(|_| !settings.ice_lite);
            shared.command(Command::Sockets { sockets, hidden });
            if applied.stun.is_none() && applied.turn.is_none() {
                shared.command(Command::NoMoreServers);
            }
        }
        applied.line = self.negotiation.transport_line();
        self.carry_out(&shared, plan);
        Ok(applied)
    }

    pub(super) fn set_remote(
        &mut self,
        kind: WebRTCSDPType,
        text: &str,
    ) -> Result<(), SessionError> {
        let shared = self.shared().ok_or(SessionError::NotReady)?;
        let kind = kind_of(kind)?;
        let description = Description::read(text)?;
        let candidates: Vec<String> = description
            .sections
            .iter()
            .flat_map(|section| section.candidates.clone())
            .collect();
        let restarts = kind == Kind::Offer && self.restarts(&description);
        let plan = self.negotiation.set_remote(kind, description)?;
        if restarts {
            self.restart_ice();
        }
        self.carry_out(&shared, plan);
        for candidate in candidates {
            shared.command(Command::Candidate(candidate));
        }
        Ok(())
    }

    /// Whether an offer begins ICE anew (RFC 8839 section 4.4.3.1.1).
    fn restarts(&self, offer: &Description) -> bool {
        let ufrag = |description: &Description| {
            let (_, section) = description.transport()?;
            Some(section.ice.as_ref()?.ufrag.clone())
        };
        let before = self.negotiation.current_remote().and_then(ufrag);
        before.is_some() && before != ufrag(offer)
    }

    fn carry_out(&mut self, shared: &Arc<Shared>, plan: Plan) {
        for entry in &self.sinks {
            let line = self.negotiation.line_of(entry.track);
            let sends = |line: &usize| {
                plan.media
                    .iter()
                    .any(|media| media.line == *line && media.send.is_some())
            };
            entry.sink.lead(line.filter(sends), Some(shared));
        }
        self.unsaid |= self.negotiation.state() == SignalingState::Stable
            && self
                .sinks
                .iter()
                .any(|entry| self.negotiation.line_of(entry.track).is_none());
        self.plan = Some(plan.clone());
        shared.command(Command::Plan(Box::new(plan)));
        self.number_sinks();
    }

    /// Tells the connection which payload type on the wire stands for which of a pad's.
    fn number_sinks(&self) {
        let (Some(plan), Some(running)) = (&self.plan, &self.running) else {
            return;
        };
        for entry in &self.sinks {
            let media = plan
                .media
                .iter()
                .find(|media| Some(media.line) == entry.sink.line());
            let Some((media, send)) = media.and_then(|m| Some((m, m.send.as_ref()?))) else {
                continue;
            };
            let numbers = entry.formats.iter().filter_map(|ours| {
                let wire = send.formats.iter().find(|f| f.is_same_encoding(ours))?;
                Some((ours.pt, wire.pt))
            });
            running
                .shared
                .command(Command::Numbers(media.line, numbers.collect()));
        }
    }

    /// The media line of a pad.
    pub(super) fn line_of(&self, pad: &gst::Pad) -> Option<usize> {
        let sink = self
            .sinks
            .iter()
            .find(|entry| *entry.pad.upcast_ref::<gst::Pad>() == *pad);
        let source = || {
            let found = self.sources.iter().find(|(_, source)| source.pad() == pad);
            found.map(|(line, _)| *line)
        };
        sink.and_then(|entry| entry.sink.line()).or_else(source)
    }

    /// The RTP clock of what is sent on each line.
    pub(super) fn clocks(&self) -> Vec<(usize, u32)> {
        let media = self.plan.iter().flat_map(|plan| &plan.media);
        media
            .filter_map(|m| Some((m.line, m.send.as_ref()?.formats.first()?.clock_hz)))
            .collect()
    }

    /// The way to a line's pad, if there is one.
    pub(super) fn source(&self, line: usize) -> Option<Arc<Source>> {
        let found = self.sources.iter().find(|(known, _)| *known == line);
        found.map(|(_, source)| source.clone())
    }

    /// What a new source pad's caps say first, and the latency it answers with.
    pub(super) fn received(&self, line: usize) -> Option<(gst::Caps, gst::ClockTime)> {
        let plan = self.plan.as_ref()?;
        let media = plan.media.iter().find(|media| media.line == line)?;
        let format = media.receive.as_ref()?.formats.first()?;
        let caps = caps::caps_of(format, &plan.extensions);
        Some((caps, self.running.as_ref()?.latency))
    }
}

/// The addresses of a server, one of each kind. Waits for the name service.
pub(super) fn resolve(host: &str, port: u16) -> Vec<SocketAddr> {
    let found: Vec<SocketAddr> = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            tracing::warn!(host, %error, "the name of a STUN or TURN server has no address");
            Vec::new()
        }
    };
    let first = |v4| found.iter().find(|address| address.is_ipv4() == v4);
    [first(true), first(false)]
        .into_iter()
        .flatten()
        .copied()
        .collect()
}

fn negotiation(certificate: Option<&Certificate>, lite: bool) -> Negotiation {
    let fingerprint = certificate.map(|own| own.fingerprint().to_vec());
    Negotiation::new(NegotiationConfig {
        fingerprint: fingerprint.unwrap_or_default(),
        credentials: credentials(),
        lite,
        // Below 2^62 (RFC 8829 section 5.2.1).
        session_id: rand::random::<u64>() >> 2,
        cname: format!("{:016x}", rand::random::<u64>()),
    })
}

fn sender(pad: &SinkPad) -> Sender {
    Sender {
        ssrc: rand::random::<u32>().max(1),
        msid: msid(pad),
    }
}

/// The stream's identifier and the track's.
fn msid(pad: &SinkPad) -> String {
    let stream = pad.msid().unwrap_or_else(|| "sipbridge".to_owned());
    format!("{stream} {}", pad.name().replace('_', "-"))
}

fn kind_of(kind: WebRTCSDPType) -> Result<Kind, SessionError> {
    match kind {
        WebRTCSDPType::Offer => Ok(Kind::Offer),
        WebRTCSDPType::Answer => Ok(Kind::Answer),
        other => Err(SessionError::Kind(other)),
    }
}
