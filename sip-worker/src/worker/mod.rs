// SPDX-License-Identifier: MPL-2.0
//! All that a running worker holds, how it starts and how it stops.
//!
//! - [`screen`]: who may call in
//! - [`balance`]: how much the media threads may carry, and that each carries its share
//! - [`news`]: what becomes of registrations and of trunks that are watched

mod balance;
mod news;
pub mod screen;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use gstsipbridge::call::MediaParams;
use gstsipbridge::context::{self, Context, ContextError, ContextStats, LATENESS_MS, MAX_WAIT};
use sip_ua::agent::{Agent, AgentConfig, AgentError, IncomingCall, Tls, TlsError};
use sip_ua::memory;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::calls::limits::{Bounds, Limits};
use crate::calls::room::{RoomKey, Rooms};
use crate::calls::stay::Means;
use crate::calls::table::{CallTable, Control};
use crate::config::{Config, Connectors, Party, SfuConfig, SfuKind, TurnPolicy};
use crate::exposition::Exposition;
use crate::pipeline::{PipelineError, PipelineSet};
use crate::registrations::{self, Registrations, UserRegistration};
use crate::sfu::Sfu;
use crate::sfu::embedded::Embedded;
use crate::watches::Watches;
use crate::webrtc::{PeerConfig, Relay};
use balance::Burden;
pub use balance::Overload;
use screen::Doorkeeper;

/// All calls are over and all rooms left within this time, or the worker stops without.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// The far ends may take this long to answer our last requests.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// GStreamer or a plugin of it.
    #[error("GStreamer does not start: {0}")]
    GStreamer(#[from] gst::glib::Error),
    /// Ours.
    #[error("the sipbridge elements do not register: {0}")]
    Plugin(#[from] gst::glib::BoolError),
    /// A media thread.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// SIP.
    #[error(transparent)]
    Sip(#[from] AgentError),
    /// Its certificates.
    #[error("[sip] tls: {0}")]
    Tls(#[from] TlsError),
    /// Media graphs.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// A running worker.
pub struct Worker {
    /// As it was read; all but media graphs and certificates stays for the worker's life.
    pub config: Config,
    /// All calls.
    pub calls: CallTable,
    /// What each trunk carries.
    pub limits: Limits,
    /// Who may call in.
    pub doorkeeper: Arc<Doorkeeper>,
    /// What SIP over TLS shows and believes.
    tls: Tls,
    /// Our end of SIP.
    pub agent: Agent,
    /// Where we are registered.
    pub registrations: Registrations,
    /// Which trunks answer.
    pub watches: Watches,
    sfus: Connectors,
    pipelines: RwLock<Arc<PipelineSet>>,
    /// Where calls share what they hear.
    rooms: Arc<Rooms>,
    stop: watch::Sender<bool>,
    /// The media threads.
    pub burden: Arc<Burden>,
}

/// Initialises GStreamer with our elements in it. May be called again.
pub fn init_media() -> Result<(), StartError> {
    gst::init()?;
    gstsipbridge::register_once()?;
    Ok(())
}

impl Worker {
    /// Starts to listen. Returns the calls that come in beside it, for somebody to take them.
    pub async fn start(
        config: Config,
    ) -> Result<(Arc<Worker>, mpsc::Receiver<IncomingCall>), StartError> {
        init_media()?;
        let contexts = contexts(config.media.contexts)?;
        let rooms = Arc::<Rooms>::default();
        let burden = Burden::new(contexts, config.media.max_load, rooms.clone());
        let burden = Arc::new(burden);
        let pipelines = PipelineSet::load(&config)?;
        let doorkeeper = Doorkeeper::new(&config, Instant::now());
        let tls = Tls::load(config.sip.tls.clone())?;
        let (agent, incoming) = Agent::bind(AgentConfig {
            listen: config.sip.listen.clone(),
            advertise: config.sip.advertise.clone(),
            screen: doorkeeper.screen(),
            registrar: (!config.users.is_empty()).then_some(config.registrar.bounds),
            session_timer: config.sip.session_timer(),
            tls: tls.clone(),
            nameservers: config.sip.nameservers.clone(),
            ..AgentConfig::default()
        })
        .await?;
        doorkeeper.watch(agent.watch_bindings());
        let limits = Limits::new(Bounds::from(&config.limits));
        let worker = Arc::new(Worker {
            registrations: Registrations::begin(&agent, &config.trunks),
            watches: Watches::begin(&agent, &config.trunks),
            sfus: Connectors::new(&config.sfus, &config.ice),
            config,
            calls: CallTable::default(),
            limits,
            doorkeeper,
            tls,
            agent,
            pipelines: RwLock::new(Arc::new(pipelines)),
            rooms,
            stop: watch::Sender::new(false),
            burden,
        });
        news::follow(&worker);
        tokio::spawn(balance::keep_even(Arc::downgrade(&worker.burden)));
        let watched = Arc::downgrade(&worker);
        tokio::spawn(memory::give_back_after_crowds(move || {
            Some(watched.upgrade()?.agent.stats().load())
        }));
        Ok((worker, incoming))
    }

    /// Turns true when the worker stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// True once no call may begin any more.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Ends all calls, leaves all rooms, gives the ports back; each within its time.
    pub async fn stop(&self, why: &str) {
        let mut events = self.calls.subscribe();
        self.stop.send_replace(true);
        let running = self.calls.ask_all(&Control::HangUp(why.to_owned()));
        if running > 0 {
            tracing::info!(running, why, "ending all calls");
        }
        let over = async {
            while self.calls.running() > 0 {
                // A lagging reader looks at the table again, which is all it needs.
                let _ = events.recv().await;
            }
        };
        if timeout(STOP_WITHIN, over).await.is_err() {
            tracing::warn!(
                left = self.calls.running(),
                "some calls did not end in time"
            );
        }
        self.agent.close(GOODBYE).await;
    }

    /// Reads the media graphs again. New calls use them, running calls keep theirs; with an error
    /// in any of them all stay as they are.
    pub fn reload_pipelines(&self) -> Result<(), PipelineError> {
        let fresh = PipelineSet::load(&self.config)?;
        *self
            .pipelines
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// Reads certificates and keys again, for the connections to come. With an error in any of them
    /// all stay as they are.
    pub fn reload_certificates(&self) -> Result<(), TlsError> {
        self.tls.reload()
    }

    /// The SFU of this name, or the first.
    pub fn sfu(&self, name: Option<&str>) -> Option<Arc<dyn Sfu>> {
        let mut sfus = self.sfus.all.iter();
        match name {
            Some(name) => sfus.find(|sfu| sfu.name() == name).cloned(),
            None => sfus.next().cloned(),
        }
    }

    /// The SFU inside this worker, where it has one.
    pub fn embedded(&self) -> Option<&Arc<Embedded>> {
        self.sfus.embedded.as_ref()
    }

    /// Would it take a call now?
    pub async fn ready(&self) -> Result<(), String> {
        if self.is_stopping() {
            return Err("the worker is stopping".to_owned());
        }
        for sfu in &self.sfus.all {
            sfu.check().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// How each `[[user]]` can be reached.
    pub fn users(&self) -> Vec<UserRegistration> {
        registrations::users(&self.agent, &self.config.users)
    }

    /// What a call with this party needs for its phone's media.
    pub fn media(&self, party: &Party) -> MediaParams {
        MediaParams {
            ports: self.config.media.ports.clone(),
            codecs: party.codecs().to_vec(),
            srtp: party.srtp(),
            dtls: party.dtls(),
            dtx: self.config.media.dtx,
            media_timeout: self.config.media.timeout,
            dtmf: party.dtmf(),
            advertise: self
                .config
                .sip
                .advertise
                .as_ref()
                .and_then(|host| host.parse().ok()),
            ..MediaParams::default()
        }
    }

    /// What a call of this name needs for its media in a room of an SFU.
    pub fn means(&self, call: &str, sfu: &str, room: &str) -> Means {
        let pipelines = self
            .pipelines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut sfus = self.config.sfus.iter();
        let config = sfus.find(|of| of.name == sfu);
        // The one inside is here: no relay leads to it.
        let outside = config.is_some_and(|of| !matches!(of.kind, SfuKind::Embedded(_)));
        Means {
            rooms: self.rooms.clone(),
            room: self.room_key(call, sfu, room),
            graph: pipelines.of(config.and_then(SfuConfig::graph)),
            peer: PeerConfig {
                plain: config.and_then(SfuConfig::plain).unwrap_or_default(),
                addresses: self.config.ice.addresses.clone(),
                advertise: self.config.ice.advertise,
                stun: self.config.ice.stun.first().map(|server| {
                    // As GStreamer writes it.
                    server.replacen("stun:", "stun://", 1)
                }),
                relay: self.relay().filter(|_| outside),
                ..PeerConfig::default()
            },
            call: call.to_owned(),
            tells_keys: config.is_some_and(|sfu| sfu.tell_keys),
        }
    }

    fn room_key(&self, call: &str, sfu: &str, room: &str) -> RoomKey {
        let alike = self.sfu(Some(sfu)).is_none_or(|sfu| sfu.is_heard_alike());
        RoomKey {
            sfu: sfu.to_owned(),
            room: room.to_owned(),
            alone: (!alike).then(|| call.to_owned()),
        }
    }

    /// Whether the media threads of a room have time for one more call there: those of what its calls share, and
    /// of the SFU where that is inside. Of a room that is none yet nothing is to be asked: it begins where there is
    /// the least to do.
    pub fn room_admits(&self, sfu: &dyn Sfu, room: &str) -> Result<(), Overload> {
        // Whoever is in a room alone shares nothing that is there.
        let key = self.room_key("", sfu.name(), room);
        let mut threads = self.rooms.contexts(&key).into_iter().chain(sfu.context());
        threads.try_for_each(|context| self.burden.carries(&context))
    }

    /// The pipelines of this worker's calls in the rooms of this name, each made of the parts of a media graph: for
    /// an app around the worker whose graph has elements of its own in it, such as a bridge of two descriptions. They
    /// are the worker's: what it put into them it takes out again. May wait for one that is being made.
    pub fn pipelines(&self, room: &str) -> Vec<gst::Pipeline> {
        self.rooms.pipelines(room)
    }

    /// The relay of connections to SFUs, where there is to be one.
    fn relay(&self) -> Option<Relay> {
        let turn = self.config.ice.turn.clone()?;
        let only = turn.policy? == TurnPolicy::Relay;
        Some(Relay::new(only, move || {
            turn.first_with_credentials(SystemTime::now())
        }))
    }

    /// Adds what the layers below know of themselves to the metrics.
    pub fn expose(&self, out: &mut Exposition) {
        news::expose(self, out);
        let sip = self.agent.stats();
        let (rooms, tracks) = self.rooms.count();
        let gauge = "gauge";
        let of_sip = [
            (
                "sipbridge_rooms",
                gauge,
                "Rooms of SFUs that calls of this worker are in.",
                rooms as u64,
            ),
            (
                "sipbridge_room_tracks",
                gauge,
                "Tracks that are heard there: each is decoded once, however many calls hear it.",
                tracks as u64,
            ),
            (
                "sipbridge_sip_calls",
                gauge,
                "SIP calls coming up, up or going down.",
                sip.calls as u64,
            ),
            (
                "sipbridge_sip_dialogs",
                gauge,
                "SIP dialogs, early ones too.",
                sip.dialogs as u64,
            ),
            (
                "sipbridge_sip_client_transactions",
                gauge,
                "SIP transactions that we started.",
                sip.client_transactions as u64,
            ),
            (
                "sipbridge_sip_server_transactions",
                gauge,
                "SIP transactions that others started.",
                sip.server_transactions as u64,
            ),
            (
                "sipbridge_sip_garbage_total",
                "counter",
                "Datagrams that were no SIP.",
                sip.garbage,
            ),
            (
                "sipbridge_sip_silenced_total",
                "counter",
                "Requests met with silence.",
                sip.silenced,
            ),
        ];
        for (name, kind, help, value) in of_sip {
            out.metric(name, kind, help);
            out.sample(name, &[], value);
        }
        self.doorkeeper.watchman.expose(Instant::now(), out);
        type Reading = fn(&ContextStats) -> f64;
        let of_contexts: [(&str, &str, &str, Reading); 6] = [
            (
                "sipbridge_context_tasks",
                gauge,
                "Tasks of each media thread: phone legs, rooms, connections, the SFU.",
                |s| f64::from(s.tasks),
            ),
            (
                "sipbridge_context_load",
                gauge,
                "Share of a core in the last second.",
                |s| f64::from(s.load_permille) / 1000.0,
            ),
            (
                "sipbridge_context_late_max_seconds",
                gauge,
                "The latest any tick ever was.",
                |s| s.late_max_us as f64 / 1e6,
            ),
            (
                "sipbridge_context_overruns_total",
                "counter",
                "Ticks more than 20 ms late.",
                |s| s.overruns as f64,
            ),
            (
                "sipbridge_context_skipped_ticks_total",
                "counter",
                "Ticks of calls and rooms that came too late to happen: what was to be heard then is missing.",
                |s| s.skipped as f64,
            ),
            (
                "sipbridge_context_panics_total",
                "counter",
                "Tasks that broke down.",
                |s| s.panics as f64,
            ),
        ];
        // Those that a graph names, too, and the SFU's own.
        let contexts = Context::all();
        for (name, kind, help, reading) in of_contexts {
            out.metric(name, kind, help);
            for context in &contexts {
                out.sample(
                    name,
                    &[("context", context.name())],
                    reading(&context.stats()),
                );
            }
        }
        expose_lateness(&contexts, out);
    }
}

fn expose_lateness(contexts: &[Context], out: &mut Exposition) {
    let name = "sipbridge_context_late_seconds";
    out.metric(name, "histogram", "How late ticks were.");
    for context in contexts {
        let stats = context.stats();
        let bounds = LATENESS_MS.iter().map(|ms| *ms as f64 / 1e3);
        let total = stats.lateness.iter().sum();
        out.histogram(
            name,
            ("context", context.name()),
            bounds.zip(stats.lateness),
            (stats.late_sum_us as f64 / 1e6, total),
        );
    }
}

/// Starts the media threads; 0: one a core.
fn contexts(count: usize) -> Result<Vec<Context>, ContextError> {
    let count = match count {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    context::set_default_contexts(count);
    (0..count)
        .map(|index| Context::acquire(&format!("sipbridge-{index}"), MAX_WAIT))
        .collect()
}
